"""Lists: `?limit=&cursor=`, newest first, by keyset (contract, section 2). Query strings are checked strictly.

A cursor is the place (created_at, id) of the last row that the client saw. It is opaque but not secret: it names
rows of a list that the client may read anyway, and each page is scoped to the merchant again.
"""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from app.core.errors import invalid
from app.core.keyset import Place

DEFAULT_LIMIT = 20
MAX_LIMIT = 100

MAX_QUERY_BYTES = 8 * 1024
"""More than all filters at their longest."""

MAX_CURSOR_LENGTH = 200

MAX_SHOWN_LENGTH = 100
"""A longer name of a parameter is not quoted in a message."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_POSITION = re.compile(r"(-?[0-9]{1,18}):([!-~]{1,80})", re.ASCII)
_SEQ = re.compile(r"[0-9]{1,18}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,3}", re.ASCII)


class Position(NamedTuple):
    """The place of a row in a list that is ordered by (created_at, id), newest first."""

    created_at: datetime
    id: str


class Page(NamedTuple):
    """The requested rows: `limit` of them after `place`, or from the start."""

    limit: int
    place: Place | None


def parse_query(query_string: bytes, allowed: Collection[str]) -> dict[str, str]:
    """The query's parameters. Raises INVALID_INPUT for an unknown or repeated one, and for what is no text."""
    parameters: dict[str, str] = {}
    if not query_string:
        return parameters
    if len(query_string) > MAX_QUERY_BYTES:
        raise invalid("query", f"must have at most {MAX_QUERY_BYTES} bytes")
    for part in query_string.split(b"&"):
        if not part:
            continue
        raw_name, _, raw_value = part.partition(b"=")
        name, value = _text(raw_name), _text(raw_value)
        if name not in allowed:
            raise invalid(
                name if name.isprintable() and 0 < len(name) <= MAX_SHOWN_LENGTH else "query",
                "is not a known parameter",
            )
        if name in parameters:
            raise invalid(name, "is given twice")
        parameters[name] = value
    return parameters


def parse_page(parameters: Mapping[str, str], *, by_seq: bool = False) -> Page:
    """The page that `limit` and `cursor` ask for. Raises INVALID_INPUT naming either.

    With `by_seq` the list is of numbered things, and its cursor is the last `seq`.
    """
    limit_text = parameters.get("limit")
    limit = DEFAULT_LIMIT
    if limit_text is not None:
        limit = int(limit_text) if _DIGITS.fullmatch(limit_text) else 0
        if not 1 <= limit <= MAX_LIMIT:
            raise invalid("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    if by_seq:
        seq = parse_seq(parameters, "cursor", least=1)
        return Page(limit, None if seq is None else Place((seq,)))
    cursor = parameters.get("cursor")
    return Page(limit, None if cursor is None else Place(decode_cursor(cursor)))


def parse_seq(parameters: Mapping[str, str], name: str, *, least: int) -> int | None:
    """The `seq` in a parameter, if it is given. Raises INVALID_INPUT naming it."""
    text = parameters.get(name)
    if text is None:
        return None
    if not _SEQ.fullmatch(text) or int(text) < least:
        raise invalid(name, "is not one that we gave out")
    return int(text)


def parse_moment(parameters: Mapping[str, str], name: str) -> datetime | None:
    """The RFC 3339 time in a parameter, if it is given, in UTC. Raises INVALID_INPUT naming it."""
    text = parameters.get(name)
    if text is None:
        return None
    try:
        moment = msgspec.convert(text, datetime)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)  # here, where an offset that leads out of the calendar can be reported
    except (msgspec.ValidationError, ValueError, OverflowError):
        raise invalid(name, "must be an RFC 3339 time such as 2026-01-31T09:30:00Z") from None


def next_cursor(following: Place | None) -> str | None:
    """The cursor of the page that follows; None where none does."""
    if following is None:
        return None
    key = following.key
    return str(key[0]) if len(key) == 1 else encode_cursor(Position(*key))


def encode_cursor(position: Position) -> str:
    """The cursor of the page after `position`."""
    micros = (position.created_at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(f"{micros}:{position.id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Position:
    """The place that a cursor names. Raises INVALID_INPUT for everything that `encode_cursor` did not make."""
    try:
        if len(cursor) > MAX_CURSOR_LENGTH:
            raise ValueError
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        match = _POSITION.fullmatch(base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii"))
        if match is None:
            raise ValueError
        position = Position(_EPOCH + int(match[1]) * _MICROSECOND, match[2])
        if encode_cursor(position) != cursor:
            raise ValueError
    except (ValueError, OverflowError, binascii.Error):
        raise invalid("cursor", "is not one that we gave out") from None
    return position


def _text(raw: bytes) -> str:
    try:
        text = unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise invalid("query", "is not valid UTF-8") from None
    if "\0" in text:
        raise invalid("query", "must not hold NUL characters")
    return text
