"""The files of a month's statement: every line as CSV, and the CSV that accounting takes for a bank's statement.

docs/statements.md describes both, column by column. Files are made a part at a time, however long they are.
"""

from collections.abc import AsyncIterator
from typing import Any

from app.cabinet.export_columns import units
from app.cabinet.labels import entry_kind
from app.core import currencies
from app.core.money import format_amount
from app.ledger.hashchain import State
from app.statements.repository import Line
from app.statements.service import LedgerStatement, MonthStatement, lines_of
from app.web.csv_text import BOM, Figure, line

LINE_AMOUNTS = ("amount", "available_delta", "locked_delta", "available_after", "locked_after", "fee")

LINE_COLUMNS = [
    "month",
    "chain",
    "asset",
    "seq",
    "kind",
    "booked_at",
    *units(*LINE_AMOUNTS),
    "worth",
    "worth_currency",
    "reference_type",
    "reference_id",
    "invoice_id",
    "order_id",
    "txid",
    "prev_hash",
    "hash",
]

OPENING, CLOSING = "opening_balance", "closing_balance"
"""What the lines before and after a ledger's entries have for a kind."""

BANK_COLUMNS = ["Date", "Amount", "Description", "Reference"]

THREE_COLUMNS = ["Date", "Description", "Amount"]
"""All that QuickBooks Online takes, in this order."""

_FEES = {
    "invoice_credit": "Service fee",
    "deposit_reversal": "Service fee given back",
    "payout_settled": "Payout fee",
    "refund_settled": "Refund fee",
}


async def lines_csv(statement: MonthStatement) -> AsyncIterator[bytes]:
    """Every line of every ledger, between a line with its opening and one with its closing."""
    yield BOM + line(LINE_COLUMNS)
    for ledger in statement.ledgers:
        yield line(_balance_cells(statement, ledger, OPENING, ledger.opening))
        part = bytearray()
        async for each in lines_of(ledger):
            part += line(_line_cells(statement, ledger, each))
            if len(part) > PART_BYTES:
                yield bytes(part)
                part.clear()
        yield bytes(part) + line(_balance_cells(statement, ledger, CLOSING, ledger.closing.state))


async def bank_csv(statement: MonthStatement, currency: str, *, is_short: bool = False) -> AsyncIterator[bytes]:
    """What the movements were worth in a currency, as a bank's statement: gross amounts, and fees as lines of their
    own. Movements without a worth in it are left out. The short form has three columns, and days as in the USA."""
    part = bytearray(line(THREE_COLUMNS if is_short else BANK_COLUMNS))
    for ledger in statement.ledgers:
        async for each in lines_of(ledger):
            if each.needs_worth and each.currency == currency:
                rows = _bank_cells(ledger, each, currency)
                part += b"".join(line(_short(*cells) if is_short else cells) for cells in rows)
                if len(part) > PART_BYTES:
                    yield bytes(part)
                    part.clear()
    yield bytes(part)


PART_BYTES = 64 * 1024
"""A file is sent in parts of at least this size."""


def fee_worth_raw(each: Line) -> int:
    """What the fee of a line was worth, by the same rate, to the nearest minor unit: what is to be added to the line's
    worth to have that of the gross amount."""
    assert each.worth_raw is not None, "only lines with a worth are asked"
    product, divisor = each.worth_raw * each.fee_raw, each.amount_raw
    rounded = (2 * abs(product) + abs(divisor)) // (2 * abs(divisor))
    return rounded if (product < 0) == (divisor < 0) else -rounded


def worth_text(worth_raw: int, currency: str) -> str:
    """A worth with all places of its currency."""
    places = currencies.places(currency)
    return format_amount(worth_raw, places, least_places=places)


def _bank_cells(ledger: LedgerStatement, each: Line, currency: str) -> list[list[Any]]:
    """One line for the gross amount, and one for the fee where there is any."""
    assert each.worth_raw is not None, "only lines with a worth are asked"
    entry, fee_raw = each.entry, fee_worth_raw(each)
    day = entry.created_at[:10]
    about = each.invoice_id or entry.reference.id
    reference = each.order_id or about
    chain = ledger.chain.network.partition(":")[0]
    moved = f"{format_amount(abs(each.amount_raw + each.fee_raw), ledger.closing.decimals)} {ledger.chain.asset}"
    words = f"{entry_kind(entry.kind)}: {about}, {moved} on {chain}, ledger entry {entry.seq}"
    rows = [[day, Figure(worth_text(each.worth_raw + fee_raw, currency)), words, reference]]
    if fee_raw:
        words = f"{_FEES[entry.kind]}: {about}, ledger entry {entry.seq}"
        rows.append([day, Figure(worth_text(-fee_raw, currency)), words, reference])
    return rows


def _short(day: str, amount: Figure, words: str, reference: str) -> list[Any]:
    """The three columns of a line; the reference is in its words."""
    year, month, day_of_month = day.split("-")
    return [f"{month}/{day_of_month}/{year}", words if reference in words else f"{words}, {reference}", amount]


def _line_cells(statement: MonthStatement, ledger: LedgerStatement, each: Line) -> list[Any]:
    entry = each.entry
    amounts = (
        each.amount_raw,
        int(entry.available_delta_raw),
        int(entry.locked_delta_raw),
        int(entry.available_after_raw),
        int(entry.locked_after_raw),
        each.fee_raw,
    )
    known = each.worth_raw is not None and each.currency is not None
    return [
        *_begin(statement, ledger),
        entry.seq,
        entry.kind,
        entry.created_at,
        *(cell for amount in amounts for cell in (format_amount(amount, ledger.closing.decimals), amount)),
        worth_text(each.worth_raw or 0, each.currency or "") if known else None,
        each.currency,
        entry.reference.type,
        entry.reference.id,
        each.invoice_id,
        each.order_id,
        each.txid,
        entry.prev_hash,
        entry.hash,
    ]


def _balance_cells(statement: MonthStatement, ledger: LedgerStatement, kind: str, state: State) -> list[Any]:
    """A line with a balance: everything else of it is empty, but the seq and the hash of the entry that made it."""
    after = (state.available_raw, state.locked_raw)
    cells: dict[str, Any] = {"seq": state.seq, "kind": kind, "hash": state.hash}
    for name, amount in zip(("available_after", "locked_after"), after, strict=True):
        cells |= {f"{name}_decimal": format_amount(amount, ledger.closing.decimals), f"{name}_raw": amount}
    begin = _begin(statement, ledger)
    return [*begin, *(cells.get(name) for name in LINE_COLUMNS[len(begin) :])]


def _begin(statement: MonthStatement, ledger: LedgerStatement) -> list[str]:
    return [str(statement.month), ledger.chain.network.partition(":")[0], ledger.chain.asset]
