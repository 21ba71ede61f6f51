"""Reading JSON bodies strictly: what two parsers could read differently, or what could do harm later, is refused.

A body is parsed twice, and both together cost a few microseconds. The standard library's parser, in C, finds
duplicate keys, constants that are not JSON and numbers that are too long; msgspec then builds the typed value
and finds wrong types, missing and unknown fields.
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

import msgspec

from app.core.errors import ApiError, Code, invalid
from app.core.metadata import KEEP_TEXT
from app.core.text import without_direction_controls

T = TypeVar("T")

MAX_BODY_BYTES = 64 * 1024
"""Contract, section 2."""

LONGEST_LENGTH = 12
"""Digits of a Content-Length that are read: far more than any body may have."""

ENDED_EARLY = "the body ended early"

FREE_TEXT_FIELDS = frozenset({"customer_visible_reason", "description", "reason"})
"""Fields of any body that people read: bidirectional controls are taken out of them (app/core/text.py). Ids and URLs
stay as they were sent; pages isolate them."""

MAX_DEPTH = 32
"""Deeper nesting than any body needs, far below what could exhaust a stack."""

MAX_NUMBER_LENGTH = 78
"""Characters of a number, as many as the digits of the largest amount; Python refuses 4,300 by itself."""

_BRACKETS_OUTSIDE_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', re.DOTALL)

# An escape that means NUL or half a surrogate pair; only then are the strings looked at one by one.
_SUSPICIOUS_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")

_PLACE = re.compile(r"(?P<problem>.*?)(?: - at `\$\.?(?P<place>.*)`)?", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING_FIELD = re.compile(r"Object missing required field `(.*)`", re.DOTALL)


async def read(scope: Any, receive: Any) -> bytes:
    """The raw JSON body of a request. Raises UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE as soon as that is known, and
    INVALID_INPUT for one that is empty or whose client left."""
    if not is_json(scope["headers"]):
        raise ApiError(Code.UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json")
    left_bytes = MAX_BODY_BYTES
    if _announced_bytes(scope["headers"]) > left_bytes:
        raise _too_large()
    parts: list[bytes] = []
    is_complete = False
    while not is_complete:
        message = await receive()
        if message["type"] != "http.request":
            raise ApiError(Code.INVALID_INPUT, ENDED_EARLY)
        parts.append(message.get("body", b""))
        left_bytes -= len(parts[-1])
        if left_bytes < 0:
            raise _too_large()
        is_complete = not message.get("more_body", False)
    raw = b"".join(parts)
    if not raw:
        raise invalid("body", "must be a JSON object")
    return raw


def _announced_bytes(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """What Content-Length says; 0 where there is none. The server has refused what is no number."""
    return sum(int(value[:LONGEST_LENGTH]) for name, value in headers if name == b"content-length" and value.isdigit())


def _too_large() -> ApiError:
    return ApiError(Code.BODY_TOO_LARGE, "the body is too large")


def decode(raw: bytes, type: type[T]) -> T:
    """The typed value of a JSON body. Raises INVALID_INPUT naming the field.

    `type` is a msgspec struct with `forbid_unknown_fields`, else unknown fields pass. Where it says `Any`, numbers keep
    their text (app/core/metadata.py).
    """
    _refuse_what_is_not_plain_json(raw)
    try:
        return _with_plain_text(_decoder(type).decode(raw))  # type: ignore[arg-type, no-any-return]
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise invalid("body", f"is not valid JSON: {error}") from None


def _with_plain_text(value: T) -> T:
    """The value, its free text without bidirectional controls."""
    plain = {}
    for name in FREE_TEXT_FIELDS.intersection(getattr(value, "__struct_fields__", ())):
        text = getattr(value, name)
        if isinstance(text, str) and not text.isascii():
            plain[name] = without_direction_controls(text)
    return msgspec.structs.replace(value, **plain) if plain else value  # type: ignore[type-var]


@lru_cache(maxsize=256)
def _decoder(type: Any) -> Any:
    return msgspec.json.Decoder(type, float_hook=KEEP_TEXT)


def is_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the content type is `application/json`, in UTF-8 if it says so."""
    kinds = [value for name, value in headers if name == b"content-type"]
    return len(kinds) == 1 and _is_json_type(kinds[0])


@lru_cache(maxsize=64)
def _is_json_type(value: bytes) -> bool:
    media_type, *parameters = value.decode("latin-1").lower().split(";")
    charset_ok = all(
        parameter.strip() in ("", "charset=utf-8", 'charset="utf-8"', "charset=utf8") for parameter in parameters
    )
    return media_type.strip() == "application/json" and charset_ok


def _refuse_what_is_not_plain_json(raw: bytes) -> None:
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise invalid("body", f"is nested deeper than {MAX_DEPTH}")
    try:
        value = _parse(raw.decode())
    except UnicodeDecodeError:
        raise invalid("body", "is not valid UTF-8") from None
    except json.JSONDecodeError as error:
        raise invalid("body", f"is not valid JSON: {error.msg} at character {error.pos}") from None
    except (ValueError, RecursionError):
        raise invalid("body", "is not valid JSON") from None
    if _SUSPICIOUS_ESCAPE.search(raw):
        _refuse_bad_text(value)


def _depth(raw: bytes) -> int:
    depth = deepest = 0
    for match in _BRACKETS_OUTSIDE_STRINGS.finditer(raw):
        if match.group(1):
            depth += 1
            deepest = max(deepest, depth)
        elif match.group(2):
            depth -= 1
    return deepest


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise invalid(_shown(key), "stands twice in the same object")
            seen.add(key)
    return unique


def _refuse_constant(name: str) -> NoReturn:
    raise invalid("body", f"is not valid JSON: {name} is not a JSON value")


def _bounded_int(text: str) -> int:
    if len(text) > MAX_NUMBER_LENGTH:
        raise invalid("body", f"has a number of more than {MAX_NUMBER_LENGTH} characters")
    return int(text)


def _bounded_float(text: str) -> float:
    if len(text) > MAX_NUMBER_LENGTH:
        raise invalid("body", f"has a number of more than {MAX_NUMBER_LENGTH} characters")
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise invalid("body", f"has a number that is out of range: {text}")
    return value


_parse = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates,
    parse_constant=_refuse_constant,
    parse_int=_bounded_int,
    parse_float=_bounded_float,
).decode


def _refuse_bad_text(value: Any, place: str = "body") -> None:
    """No NUL (Postgres can't store it) and no lone surrogate (not text at all), in keys or values."""
    if isinstance(value, str):
        if "\0" in value:
            raise invalid(place, "must not hold NUL characters")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise invalid(place, "holds half of a surrogate pair")
    elif isinstance(value, list):
        for item in value:
            _refuse_bad_text(item, place)
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_bad_text(key, place)
            _refuse_bad_text(item, key if place == "body" else f"{place}.{key}")


def _explained(message: str) -> ApiError:
    """msgspec's message as `field: problem`."""
    match = _PLACE.fullmatch(message)
    problem, place = (match["problem"], match["place"] or "") if match else (message, "")
    for pattern, meaning in ((_UNKNOWN_FIELD, "is not a known field"), (_MISSING_FIELD, "is required")):
        named = pattern.fullmatch(problem)
        if named:
            return invalid(_shown(f"{place}.{named[1]}" if place else named[1]), meaning)
    return invalid(_shown(place) or "body", problem[:1].lower() + problem[1:])


def _shown(field: str) -> str:
    return field if len(field) <= 100 and field.isprintable() else "a field with a strange name"
