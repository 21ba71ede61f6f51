"""Amounts as people type and paste them: `1,250.00`, `12,5`, `25.00 USDT`.

A point or a comma may stand before the decimals, thousands may be set apart, and a unit may stand beside the amount.
What has one meaning is understood; `1,250` has two.
"""

import re

import msgspec

MAX_LENGTH = 120

_PARTS = re.compile(r"(?P<before>[^\W\d_]{2,10})?\s*(?P<number>[0-9][0-9.,'’\s]*)(?P<after>[^\W\d_]{2,10})?", re.DOTALL)
_GAPS = re.compile(r"['’\s]")


class TypedAmount(msgspec.Struct, frozen=True):
    """What was typed: the number as it stands, the plain decimal that it means, None where it has no meaning or two,
    and the units that stand beside it."""

    number: str
    decimal: str | None
    units: tuple[str, ...]

    @property
    def meanings(self) -> tuple[str, str] | None:
        """The two meanings of a number such as 1,250; None for others."""
        found = re.fullmatch(r"([1-9][0-9]{0,2}),([0-9]{3})", self.number)
        return (f"{found[1]}{found[2]}", f"{found[1]}.{found[2]}") if found else None


def read(text: str) -> TypedAmount | None:
    """What a text says; None where that is no amount at all."""
    found = _PARTS.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if found is None:
        return None
    number = found["number"].strip().rstrip(".,")
    units = tuple(unit for unit in (found["before"], found["after"]) if unit)
    return TypedAmount(number, _decimal(number), units)


def _decimal(number: str) -> str | None:
    """The plain decimal that a number means; None where it has no meaning, or two."""
    marks = [each for each in number if each in ".,"]
    if not marks:
        return _whole(number)
    last = number.rindex(marks[-1])
    whole, places = number[:last], number[last + 1 :]
    if marks.count(marks[-1]) > 1:  # the only mark, several times: it sets thousands apart
        return _without(number, marks[-1]) if set(marks) == {marks[-1]} else None
    if _GAPS.search(places):
        return None
    if len(marks) == 1:
        if marks[0] == "," and len(places) == 3 and re.fullmatch(r"[1-9][0-9]{0,2}", whole):
            return None  # 1,250 is 1250 for some and 1.25 for others
        whole_digits = _whole(whole)
    else:
        whole_digits = _without(whole, marks[0])
    return None if whole_digits is None or not places.isdigit() else f"{whole_digits}.{places}"


def _whole(text: str) -> str | None:
    """Digits, with gaps between thousands."""
    if text.isdigit():
        return text
    groups = _GAPS.split(text)
    return "".join(groups) if _are_thousands(groups) else None


def _without(text: str, mark: str) -> str | None:
    """Digits whose thousands a mark sets apart."""
    groups = text.split(mark)
    return "".join(groups) if _are_thousands(groups) else None


def _are_thousands(groups: list[str]) -> bool:
    first, *others = groups
    return bool(re.fullmatch(r"[0-9]{1,3}", first)) and all(re.fullmatch(r"[0-9]{3}", each) for each in others)
