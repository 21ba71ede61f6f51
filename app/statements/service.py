"""Statements of a month: for each ledger the opening, the movements by kind, and the closing, with fees and worth.

A statement is read, never stored: entries, worths and checkpoints never change, so the statement of a closed month is
the same whenever it is read (app/statements/repository.py says how a month's end is found). All is summed by the
database; the lines are read in parts, so a month may have any number of them.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from app.core.waiting import budget, limit_s
from app.ledger import checkpoints_repository
from app.ledger.hashchain import ChainId, State
from app.statements import repository
from app.statements.months import Month, month_of, months_between
from app.statements.repository import CHANGING, Closing, Line, MovementRow

LINES_AT_ONCE = 500
"""Lines that are read at a time: they bound the memory of a file of any length."""

SUMMED_AT_ONCE = 20_000
"""Entries that the database sums in one statement: some tenths of a second."""

ORDER = (
    "invoice_credit",
    "deposit_reversal",
    "payout_locked",
    "payout_released",
    "payout_settled",
    "refund_locked",
    "refund_released",
    "refund_settled",
)
"""Kinds in the order in which a statement shows them; others come last."""


class MonthState(msgspec.Struct, frozen=True):
    """A month with a statement. It is final once a checkpoint has closed it."""

    month: Month
    is_final: bool


class Movement(msgspec.Struct, frozen=True):
    """All entries of one kind in a month. Amounts are in the asset's minor unit, signed. `worths` are sums by currency
    of those whose worth is known, `unvalued` counts those that have none although they change what the merchant has."""

    kind: str
    count: int
    available_raw: int
    locked_raw: int
    fee_raw: int
    worths: Mapping[str, int]
    unvalued: int

    @property
    def amount_raw(self) -> int:
        """The change of available and locked together."""
        return self.available_raw + self.locked_raw


class LedgerStatement(msgspec.Struct, frozen=True):
    """One ledger's month: from the state `opening`, the closing of the month before, to the state of `closing`."""

    opening: State
    closing: Closing
    movements: Sequence[Movement]

    @property
    def chain(self) -> ChainId:
        """The ledger."""
        return self.closing.chain

    @property
    def count(self) -> int:
        """How many entries the month has."""
        return self.closing.state.seq - self.opening.seq

    @property
    def worths(self) -> Mapping[str, int]:
        """What all movements were worth, by currency."""
        return sums_of(movement.worths for movement in self.movements)

    @property
    def unvalued(self) -> int:
        """How many entries have no known worth although they change what the merchant has."""
        return sum(movement.unvalued for movement in self.movements)


class MonthStatement(msgspec.Struct, frozen=True):
    """A merchant's month in one mode. `checkpoint` is the number of the checkpoint that closed it; None while it is
    open: then it ends with the newest entries."""

    merchant_id: str
    mode: str
    month: Month
    checkpoint: int | None
    ledgers: Sequence[LedgerStatement]

    @property
    def is_final(self) -> bool:
        """Whether it never changes any more."""
        return self.checkpoint is not None

    @property
    def worths(self) -> Mapping[str, int]:
        """What all movements of all ledgers were worth, by currency."""
        return sums_of(ledger.worths for ledger in self.ledgers)

    @property
    def unvalued(self) -> int:
        """How many entries have no known worth."""
        return sum(ledger.unvalued for ledger in self.ledgers)

    def ledger(self, chain: str, asset: str) -> LedgerStatement | None:
        """The statement of one ledger; None where it has none."""
        key = (f"{chain}:{self.mode}", asset)
        return next((one for one in self.ledgers if (one.chain.network, one.chain.asset) == key), None)


async def months(merchant_id: str, mode: str, now: datetime) -> list[MonthState]:
    """Every month from a merchant's first entry in a mode to the present one, newest first."""
    first = await repository.first_entry_at(merchant_id, mode)
    if first is None:
        return []
    last_signed = await checkpoints_repository.last_signed_at()
    return [
        MonthState(month, last_signed is not None and last_signed >= month.closable_from)
        for month in months_between(month_of(first), month_of(now))
    ]


async def of_month(
    merchant_id: str, mode: str, month: Month, now: datetime, *, summed: bool = True
) -> MonthStatement | None:
    """The statement of a month; None for one before the merchant's first entry, or in the future.

    Unless `summed`, it has no movements: a sum reads every entry of the month, and whoever reads lines needs none.
    """
    first = await repository.first_entry_at(merchant_id, mode)
    if first is None or not month_of(first) <= month <= month_of(now):
        return None
    checkpoint = await repository.closing_checkpoint(month)
    before = await repository.closing_checkpoint(month.previous)
    openings = await repository.closings(merchant_id, mode, month.previous, before)
    closings = await repository.closings(merchant_id, mode, month, checkpoint)
    opened = {closing.ledger: closing.state for closing in openings}
    ledgers = []
    for closing in closings:
        opening = opened.get(closing.ledger, State())
        rows = await _summed(closing, opening.seq) if summed else []
        ledgers.append(LedgerStatement(opening, closing, _by_kind(rows)))
    return MonthStatement(merchant_id, mode, month, checkpoint, ledgers)


async def lines_after(ledger: LedgerStatement, after_seq: int, limit: int) -> list[Line]:
    """The next lines of a ledger's month after a seq, oldest first."""
    after_seq = max(after_seq, ledger.opening.seq)
    closing = ledger.closing
    return await repository.lines(closing.ledger, closing.fees_ledger, after_seq, closing.state.seq, limit)


async def lines_of(ledger: LedgerStatement) -> AsyncIterator[Line]:
    """Every line of a ledger's month, oldest first, read in parts."""
    after_seq = ledger.opening.seq
    while after_seq < ledger.closing.state.seq:
        with budget(limit_s()):  # each part by itself: a long file is not cut off
            page = await lines_after(ledger, after_seq, LINES_AT_ONCE)
        for line in page:
            yield line
        after_seq = page[-1].entry.seq


def sums_of(worths: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    """The sums of worths by currency, in the order of the currencies' codes."""
    sums: defaultdict[str, int] = defaultdict(int)
    for one in worths:
        for currency, worth_raw in one.items():
            sums[currency] += worth_raw
    return dict(sorted(sums.items()))


async def _summed(closing: Closing, after_seq: int) -> list[MovementRow]:
    """The sums of a ledger's entries from the one after a seq to the closing, in parts of SUMMED_AT_ONCE entries."""
    rows = []
    for begin in range(after_seq, closing.state.seq, SUMMED_AT_ONCE):
        end = min(begin + SUMMED_AT_ONCE, closing.state.seq)
        with budget(limit_s()):  # each part by itself: the sums of a long month are not cut off
            rows += await repository.movements(closing.ledger, closing.fees_ledger, begin, end)
    return rows


def _by_kind(rows: Sequence[MovementRow]) -> list[Movement]:
    by_kind: defaultdict[str, list[MovementRow]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    found = [
        Movement(
            kind=kind,
            count=sum(row.count for row in of_kind),
            available_raw=sum(row.available_raw for row in of_kind),
            locked_raw=sum(row.locked_raw for row in of_kind),
            fee_raw=sum(row.fee_raw for row in of_kind),
            worths=sums_of({row.currency: row.worth_raw} for row in of_kind if row.currency is not None),
            unvalued=sum(row.count for row in of_kind if row.currency is None and kind in CHANGING),
        )
        for kind, of_kind in by_kind.items()
    ]
    return sorted(found, key=lambda one: (ORDER.index(one.kind) if one.kind in ORDER else len(ORDER), one.kind))
