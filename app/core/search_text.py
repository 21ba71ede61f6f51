"""What the text in a search box may be: an id or a part of one, an event's id, an amount, an email address.

Pure: nothing is looked up here. A text may be several things at once, and then all of them are looked for.
"""

import re
import uuid

import msgspec

from app.core.email_address import EmailAddress

MAX_LENGTH = 200
"""Characters of a search text; what is longer is cut."""

LEAST_START = 2
"""Characters of the beginning of an order or customer id that are looked for."""

LEAST_PART = 4
"""Characters of a part that are looked for: fewer are found in too many ids."""

LAST_CHARACTER = "\U0010ffff"
"""Sorts behind every other character, byte by byte: `~<~ start || this` ends the range of what begins with `start`."""

ID_LENGTH = 10
_ID = re.compile(r"(?:(INV|PO)[-\s]?|(RF|DEP|QT|WH|MCH|ACC)[-\s])?([0-9A-Z]{1,10})")
"""The letters of the first two are not in ids, so that nothing else is meant even without the hyphen."""

_MISREAD = str.maketrans("ILO", "110")
_EVENT_ID = re.compile(r"[0-9a-f]{6,32}")
_HEX = re.compile(r"(0x)?([0-9a-f]+)")
_CUT = re.compile(r"(\S{2,})(?:…|\.\.\.)(\S{2,})")
_AMOUNT = re.compile(r"([A-Za-z]{2,10})?\s*([0-9][0-9.,'\s\u00a0\u202f]*)\s*([A-Za-z]{2,10})?")
_GROUP_MARKS = re.compile(r"['\s\u00a0\u202f]")
_TXID_LENGTH = 64


class SearchText(msgspec.Struct, frozen=True, kw_only=True):
    """A search text and what it may be. `lower` is the text in small letters.

    `id_part` is what it says of one of our ids, behind the prefix, in the ids' own letters: I and L are read as 1, O as
    0. `id_kind` is the prefix, "" where it has none. `head` and `tail` are the ends of what was copied with its middle
    cut out, such as `0x12ab…cd34`. `amount` is a decimal, `unit` what stands beside it in capitals, else "".
    """

    text: str
    lower: str
    id_kind: str = ""
    id_part: str | None = None
    event_ids: tuple[uuid.UUID, uuid.UUID] | None = None
    head: str = ""
    tail: str = ""
    amount: str | None = None
    unit: str = ""
    email: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self.text

    @property
    def has_part(self) -> bool:
        """Whether it is long enough to be looked for inside of ids, and is no address of email."""
        return len(self.lower) >= LEAST_PART and self.email is None

    @property
    def hex_digits(self) -> str:
        """The hexadecimal digits that it is, without `0x`; "" where it is something else."""
        found = _HEX.fullmatch(self.lower)
        return found[2] if found else ""

    @property
    def is_txid(self) -> bool:
        """Whether it has the length and the form of a transaction's id."""
        return len(self.hex_digits) == _TXID_LENGTH

    def txid_ranges(self) -> list[tuple[str, str]]:
        """The first and the last id of a transaction that begins so, with and without `0x`. Empty where none can."""
        digits, is_marked = self.hex_digits, self.lower.startswith("0x")
        if not LEAST_PART <= len(digits) <= _TXID_LENGTH:
            return []
        first, last = digits.ljust(_TXID_LENGTH, "0"), digits.ljust(_TXID_LENGTH, "f")
        return [(mark + first, mark + last) for mark in (("0x",) if is_marked else ("", "0x"))]

    def id_range(self, kind: str) -> tuple[str, str] | None:
        """The first and the last id of this kind that begins so; None where it names another kind, or says too little.

        All ids of a kind are of one length and have digits and capitals alone, which every collation sorts alike, so
        the primary key serves the range.
        """
        if self.id_part is None or self.id_kind not in ("", kind):
            return None
        if not self.id_kind and len(self.id_part) < LEAST_START:
            return None
        return f"{kind}-{self.id_part.ljust(ID_LENGTH, '0')}", f"{kind}-{self.id_part.ljust(ID_LENGTH, 'Z')}"

    def id_end(self, kind: str) -> str | None:
        """How ids of this kind may end, as they are stored; None where it is no part of an id."""
        if self.id_part is None or self.id_kind not in ("", kind) or len(self.id_part) < LEAST_PART:
            return None
        return self.id_part


def read(text: str) -> SearchText:
    """What a text may be."""
    text = " ".join(text.split())[:MAX_LENGTH]
    lower = text.lower()
    if "@" in text:
        return SearchText(text=text, lower=lower, email=_email(text))
    kind, part = _id(text)
    cut = _CUT.fullmatch(lower)
    amount, unit = _amount(text)
    return SearchText(
        text=text,
        lower=lower,
        id_kind=kind,
        id_part=part,
        event_ids=_event_ids(lower),
        head=cut[1] if cut else "",
        tail=cut[2] if cut else "",
        amount=amount,
        unit=unit,
    )


def _email(text: str) -> str | None:
    try:
        EmailAddress.parse(text)
    except ValueError:
        return None
    return text.strip().lower()


def _id(text: str) -> tuple[str, str | None]:
    """The prefix and the rest of what may be an id, or a part of one."""
    found = _ID.fullmatch(text.upper())
    if found is None:
        return "", None
    part = found[3].translate(_MISREAD)
    return (found[1] or found[2] or "", part) if "U" not in part else ("", None)


def _event_ids(lower: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    digits = lower.replace("-", "")
    if not _EVENT_ID.fullmatch(digits):
        return None
    return uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))


def _amount(text: str) -> tuple[str | None, str]:
    """The decimal and the unit of `49.90 EUR`, `EUR 49,90`, `1,250.00` or `25`."""
    found = _AMOUNT.fullmatch(text)
    if found is None or (found[1] and found[3]):
        return None, ""
    number = _GROUP_MARKS.sub("", found[2]).rstrip(".,")
    point, comma = number.rfind("."), number.rfind(",")
    if point >= 0 and comma >= 0:  # the last of the two is the decimal sign
        number = number.replace(",", "") if point > comma else number.replace(".", "").replace(",", ".")
    elif comma >= 0:
        is_grouped = all(len(group) == 3 for group in number.split(",")[1:])
        number = number.replace(",", "") if is_grouped else number.replace(",", ".")
    if number.count(".") > 1:
        return None, ""
    return number, (found[1] or found[3] or "").upper()
