"""`/statements`: the months of a merchant, one month's sums for each ledger, and its lines."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from litestar import get
from msgspec import Meta

from app.api.guard import requires
from app.api.operation import PAGE, NextCursor, Parameter, Parameters, described
from app.api.v1 import examples
from app.api_keys.authentication import Principal
from app.api_keys.scopes import Scope
from app.core import clock
from app.core.clock import rfc3339
from app.core.errors import ApiError, Code
from app.core.keyset import Place
from app.core.money import format_amount
from app.ledger.hashchain import Entry, State
from app.statements import service
from app.statements.months import Month, parse_month
from app.statements.repository import Line
from app.statements.service import LedgerStatement, MonthStatement, Movement
from app.web.paging import next_cursor, parse_page
from app.web.routing import Router
from app.web.standby_reads import FROM_STANDBY
from app.worth.presentation import WorthBody, worth_body

SignedRaw = Annotated[str, Meta(description="In minor units, with a minus where it is less than nothing.")]
SignedDecimal = Annotated[str, Meta(description="The same for people.")]


class StatementMonth(msgspec.Struct, frozen=True, kw_only=True):
    """A calendar month, in UTC."""

    month: Annotated[str, Meta(description="Its year and month, as in the path of its statement.")]
    begins_at: Annotated[str, Meta(description="Its first moment.")]
    ends_at: Annotated[str, Meta(description="The first moment after it.")]
    final: Annotated[bool, Meta(description="Whether a signed checkpoint has closed it, so that it never changes.")]


class StatementMonths(msgspec.Struct, frozen=True):
    """Every month from the first ledger entry to the present one, newest first."""

    data: list[StatementMonth]


class StatementBalance(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger's state after an entry."""

    seq: Annotated[int, Meta(description="The entry; 0 before the first one.")]
    hash: Annotated[str, Meta(description="Its hash; 64 zeros before the first one.")]
    available_raw: SignedRaw
    available_decimal: SignedDecimal
    locked_raw: SignedRaw
    locked_decimal: SignedDecimal


class StatementMovement(msgspec.Struct, frozen=True, kw_only=True):
    """All entries of one kind in the month, summed."""

    kind: Annotated[str, Meta(description="The kind of ledger entry.")]
    entries: Annotated[int, Meta(description="How many there are.")]
    available_raw: SignedRaw
    available_decimal: SignedDecimal
    locked_raw: SignedRaw
    locked_decimal: SignedDecimal
    fee_raw: Annotated[
        str,
        Meta(
            description="What the gateway earned by them: of credits taken before, of payouts and refunds part of what "
            "they moved. Negative where reversals gave it back."
        ),
    ]
    fee_decimal: SignedDecimal
    worth: Annotated[list[WorthBody], Meta(description="What they were worth, summed by currency; signed.")]
    worth_unknown: Annotated[int, Meta(description="How many have no known worth, and no part in `worth`.")]


class StatementLedger(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger's month: `opening` and all movements give `closing`."""

    asset: Annotated[str, Meta(description="The asset's symbol.")]
    chain: Annotated[str, Meta(description="The chain that it is on.")]
    opening: Annotated[StatementBalance, Meta(description="The closing of the month before.")]
    movements: list[StatementMovement]
    closing: StatementBalance


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A month's statement."""

    month: Annotated[str, Meta(description="Its year and month.")]
    begins_at: Annotated[str, Meta(description="Its first moment.")]
    ends_at: Annotated[str, Meta(description="The first moment after it.")]
    final: Annotated[bool, Meta(description="Whether a signed checkpoint has closed it, so that it never changes.")]
    checkpoint: Annotated[int | None, Meta(description="That checkpoint's number; null until then.")]
    ledgers: list[StatementLedger]
    worth: Annotated[list[WorthBody], Meta(description="What all movements were worth, by currency; signed.")]
    worth_unknown: Annotated[int, Meta(description="How many entries have no known worth.")]


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One ledger entry, and what belongs to it."""

    entry: Entry
    fee_raw: SignedRaw
    fee_decimal: SignedDecimal
    worth: Annotated[WorthBody | None, Meta(description="What it was worth, signed; null where that isn't known.")]
    invoice_id: Annotated[str | None, Meta(description="The invoice of its deposit or refund.")]
    order_id: Annotated[str | None, Meta(description="That invoice's `order_id`.")]
    txid: Annotated[str | None, Meta(description="The transaction that moved the money.")]


class StatementLines(msgspec.Struct, frozen=True):
    """Entries of one ledger in the month, oldest first."""

    data: list[StatementLine]
    next_cursor: NextCursor


_MONTH: Mapping[str, Parameter] = {
    "month": Parameter(description="Year and month, in UTC.", example="2026-01"),
}

_EUR = [WorthBody(amount_decimal="4.57", currency="EUR")]

_BALANCES = {
    "opening": StatementBalance(
        seq=0, hash="0" * 64, available_raw="0", available_decimal="0.00", locked_raw="0", locked_decimal="0.00"
    ),
    "closing": StatementBalance(
        seq=1,
        hash=examples.LEDGER_ENTRY.hash,
        available_raw="4960073",
        available_decimal="4.960073",
        locked_raw="0",
        locked_decimal="0.00",
    ),
}

_STATEMENT = Statement(
    month="2026-01",
    begins_at="2026-01-01T00:00:00Z",
    ends_at="2026-02-01T00:00:00Z",
    final=True,
    checkpoint=744,
    ledgers=[
        StatementLedger(
            asset="USDT",
            chain="ethereum",
            opening=_BALANCES["opening"],
            movements=[
                StatementMovement(
                    kind="invoice_credit",
                    entries=1,
                    available_raw="4960073",
                    available_decimal="4.960073",
                    locked_raw="0",
                    locked_decimal="0.00",
                    fee_raw="40000",
                    fee_decimal="0.04",
                    worth=_EUR,
                    worth_unknown=0,
                )
            ],
            closing=_BALANCES["closing"],
        )
    ],
    worth=_EUR,
    worth_unknown=0,
)

_MONTHS = StatementMonths(
    [StatementMonth(month="2026-01", begins_at="2026-01-01T00:00:00Z", ends_at="2026-02-01T00:00:00Z", final=True)]
)

_LINES = StatementLines(
    [
        StatementLine(
            entry=examples.LEDGER_ENTRY,
            fee_raw="40000",
            fee_decimal="0.04",
            worth=_EUR[0],
            invoice_id="INV-8K2R5P7W9D",
            order_id="1042",
            txid="0x9f2c5b7e1d3a4860c2e4f6a8b0d1c3e5f7a9b1c3d5e7f90a2b4c6d8e0f1a3b5c",
        )
    ],
    None,
)


def routes() -> Router:
    """The routes of `/statements`."""

    @get(
        "/",
        opt=requires(Scope.BALANCE_READ)
        | FROM_STANDBY
        | described("List statements", "The months that have a statement, newest first.", example=_MONTHS),
        operation_id="listStatements",
    )
    async def months(principal: Principal) -> StatementMonths:
        listed = await service.months(principal.merchant_id, principal.mode, clock.now())
        return StatementMonths([StatementMonth(**_bounds(each.month), final=each.is_final) for each in listed])

    @get(
        "/{month:str}",
        opt=requires(Scope.BALANCE_READ)
        | FROM_STANDBY
        | described(
            "Retrieve a statement",
            "The sums of a month: for each ledger the opening, all movements by kind, and the closing.",
            path=_MONTH,
            errors=[Code.NOT_FOUND],
            example=_STATEMENT,
        ),
        operation_id="getStatement",
    )
    async def statement(principal: Principal, month: str) -> Statement:
        found = await _found(principal, month)
        return Statement(
            **_bounds(found.month),
            final=found.is_final,
            checkpoint=found.checkpoint,
            ledgers=[_ledger(ledger) for ledger in found.ledgers],
            worth=_worths(found.worths),
            worth_unknown=found.unvalued,
        )

    @get(
        "/{month:str}/entries",
        opt=requires(Scope.BALANCE_READ)
        | FROM_STANDBY
        | described(
            "List a statement's entries",
            "The entries of one ledger in a month, oldest first, with fee, worth, invoice and transaction.",
            path=_MONTH,
            query={
                "asset": Parameter(description="The asset's symbol.", required=True, example="USDT"),
                "chain": Parameter(description="The chain that it is on.", required=True, example="ethereum"),
                **PAGE,
            },
            errors=[Code.NOT_FOUND],
            example=_LINES,
        ),
        operation_id="listStatementEntries",
    )
    async def entries(principal: Principal, month: str, parameters: Parameters) -> StatementLines:
        found = await _found(principal, month, summed=False)
        requested = parse_page(parameters, by_seq=True)
        ledger = found.ledger(parameters["chain"], parameters["asset"])
        if ledger is None:
            return StatementLines([], None)
        after_seq = 0 if requested.place is None else int(requested.place.key[0])
        lines = await service.lines_after(ledger, after_seq, requested.limit)
        last = lines[-1].entry.seq if lines else ledger.closing.state.seq
        following = Place((last,)) if last < ledger.closing.state.seq else None
        return StatementLines([_line(line, ledger.closing.decimals) for line in lines], next_cursor(following))

    return Router("/statements", route_handlers=[months, statement, entries], tags=["Balance and ledger"])


async def _found(principal: Principal, text: str, *, summed: bool = True) -> MonthStatement:
    """The statement of the month in a path. Raises NOT_FOUND."""
    month = parse_month(text)
    if month is not None:
        found = await service.of_month(principal.merchant_id, principal.mode, month, clock.now(), summed=summed)
        if found is not None:
            return found
    raise ApiError(Code.NOT_FOUND, "month: there is no statement of it")


def _bounds(month: Month) -> dict[str, str]:
    return {"month": str(month), "begins_at": rfc3339(month.begin), "ends_at": rfc3339(month.end)}


def _ledger(ledger: LedgerStatement) -> StatementLedger:
    decimals = ledger.closing.decimals
    return StatementLedger(
        asset=ledger.chain.asset,
        chain=ledger.chain.network.partition(":")[0],
        opening=_balance(ledger.opening, decimals),
        movements=[_movement(each, decimals) for each in ledger.movements],
        closing=_balance(ledger.closing.state, decimals),
    )


def _balance(state: State, decimals: int) -> StatementBalance:
    return StatementBalance(
        seq=state.seq,
        hash=state.hash,
        available_raw=str(state.available_raw),
        available_decimal=format_amount(state.available_raw, decimals),
        locked_raw=str(state.locked_raw),
        locked_decimal=format_amount(state.locked_raw, decimals),
    )


def _movement(each: Movement, decimals: int) -> StatementMovement:
    return StatementMovement(
        kind=each.kind,
        entries=each.count,
        available_raw=str(each.available_raw),
        available_decimal=format_amount(each.available_raw, decimals),
        locked_raw=str(each.locked_raw),
        locked_decimal=format_amount(each.locked_raw, decimals),
        fee_raw=str(each.fee_raw),
        fee_decimal=format_amount(each.fee_raw, decimals),
        worth=_worths(each.worths),
        worth_unknown=each.unvalued,
    )


def _line(line: Line, decimals: int) -> StatementLine:
    return StatementLine(
        entry=line.entry,
        fee_raw=str(line.fee_raw),
        fee_decimal=format_amount(line.fee_raw, decimals),
        worth=worth_body(line.worth_raw, line.currency),
        invoice_id=line.invoice_id,
        order_id=line.order_id,
        txid=line.txid,
    )


def _worths(worths: Mapping[str, int]) -> list[WorthBody]:
    found = [worth_body(worth_raw, currency) for currency, worth_raw in worths.items()]
    return [one for one in found if one is not None]
