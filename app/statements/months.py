"""Months of statements: calendar months in UTC, for every merchant and every reader.

A statement is a document, so its month depends on no setting that somebody may change later, and on no reader's zone.
"""

import re
from datetime import UTC, datetime, timedelta

import msgspec

LATE_POSTINGS = timedelta(minutes=10)
"""How long after a month's end a checkpoint must be signed to close the month. A posting takes its time before it waits
for the ledger's lock, and hosts' clocks differ: no posting is this late unless something is wrong, and then it is in
the next month's statement (app/statements/repository.py)."""

_TEXT = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


class Month(msgspec.Struct, frozen=True, order=True):
    """A calendar month in UTC."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def begin(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return self.following.begin

    @property
    def following(self) -> "Month":
        """The month after it."""
        return Month(self.year + 1, 1) if self.number == 12 else Month(self.year, self.number + 1)

    @property
    def previous(self) -> "Month":
        """The month before it."""
        return Month(self.year - 1, 12) if self.number == 1 else Month(self.year, self.number - 1)

    @property
    def words(self) -> str:
        """`November 2026`."""
        return f"{self.begin:%B %Y}"

    @property
    def closable_from(self) -> datetime:
        """From when on a checkpoint closes it."""
        return self.end + LATE_POSTINGS


def month_of(moment: datetime) -> Month:
    """The month that a moment is in."""
    in_utc = moment.astimezone(UTC)
    return Month(in_utc.year, in_utc.month)


def parse_month(text: str) -> Month | None:
    """The month that `2026-11` means; None for any other text."""
    found = _TEXT.fullmatch(text)
    return None if found is None else Month(int(found[1]), int(found[2]))


def months_between(first: Month, last: Month) -> list[Month]:
    """Every month from `first` to `last`, newest first."""
    found = []
    while last >= first:
        found.append(last)
        last = last.previous
    return found
