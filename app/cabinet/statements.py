"""Statements: the list of months, one month with the sums of each ledger, its lines, and its form for paper."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.cabinet.labels import plural
from app.cabinet.lists import list_query
from app.cabinet.statement_files import worth_text
from app.cabinet.works import EVIDENCE
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.keyset import Page, Place
from app.core.money import format_amount
from app.core.zones import in_words
from app.identity.form_routes import NoStepUp, form_post
from app.identity.identity import PageRequest
from app.identity.paging import by_number
from app.jobs import service as jobs
from app.ledger.hashchain import State
from app.merchants import applications
from app.merchants.roles import Permission
from app.networks.registry import Networks
from app.statements import service
from app.statements.months import parse_month
from app.statements.repository import Line
from app.statements.service import LedgerStatement, MonthStatement
from app.web.standby_reads import FROM_STANDBY

PRINTED = 1_000
"""Lines of a month on paper, about fifty pages; the file has those of a longer one."""


class SumRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a ledger's sums: a balance, or all entries of a kind. What has no figure is empty. `worths` are amounts
    and their currencies, `unknown` says of how many entries the worth is not known."""

    label: str
    count: str
    available: str
    locked: str
    fee: str
    worths: Sequence[tuple[str, str]] = ()
    unknown: str = ""
    is_balance: bool = False


class LineRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a statement as pages and paper show it. `when` is in UTC, as its month is, whoever reads it."""

    seq: int
    kind: str
    at: datetime
    when: str
    about: str
    available: str
    locked: str
    fee: str
    worths: Sequence[tuple[str, str]]
    unknown: str
    txid: str
    hash: str


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger of a statement, in words. `rows` are its sums between opening and closing."""

    value: str
    label: str
    symbol: str
    count: int
    opening: State
    closing: State
    rows: Sequence[SumRow]
    statement: LedgerStatement
    missing: str


def handlers(cabinet: Cabinet) -> list[Any]:
    """`statements`, `statements/{month}`, `…/print`, `…/evidence`, `…/{name}`."""
    identity, networks = cabinet.identity, cabinet.services.networks

    @get("/statements", opt=needs(Permission.BOOKS_VIEW) | FROM_STANDBY)
    async def months(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        listed = await service.months(ctx.merchant_id, ctx.mode, clock.now())
        return await cabinet.page(request, "cabinet/statements/list.html", {"months": listed})

    @get("/statements/{month:str}", opt=needs(Permission.BOOKS_VIEW) | FROM_STANDBY)
    async def one_month(request: PageRequest, month: str) -> Response[Any]:
        statement = await found_statement(context_of(request), month)
        return await cabinet.page(request, "cabinet/statements/month.html", context_of_month(networks, statement))

    @get("/statements/{month:str}/print", opt=needs(Permission.BOOKS_VIEW) | FROM_STANDBY)
    async def paper(request: PageRequest, month: str) -> Response[Any]:
        ctx = context_of(request)
        statement = await found_statement(ctx, month)
        context = context_of_month(networks, statement)
        approved = [one for one in await applications.of_merchant(ctx.merchant_id) if one.status == "approved"]
        printed: dict[str, list[LineRow]] = {}
        if sum(one.count for one in statement.ledgers) <= PRINTED:
            for ledger in context["ledgers"]:
                lines = [line async for line in service.lines_of(ledger.statement)]
                printed[ledger.value] = [line_row(line, ledger.statement) for line in lines]
        context |= {
            "printed": printed,
            "most": PRINTED,
            "business": approved[0] if approved else None,
            "country": applications.COUNTRIES.get(approved[0].country, "") if approved else "",
            "made_at": clock.now(),
        }
        return await cabinet.page(request, "cabinet/statements/print.html", context)

    @get("/statements/{month:str}/{name:str}", opt=needs(Permission.BOOKS_VIEW) | FROM_STANDBY)
    async def lines(request: PageRequest, month: str, name: str) -> Response[Any]:
        statement = await found_statement(context_of(request), month, summed=False)
        context = context_of_month(networks, statement)
        ledger = next((one for one in context["ledgers"] if one.value == name), None)
        if ledger is None:
            raise ApiError(Code.NOT_FOUND, "this month has no such ledger")
        query = list_query(request, key=by_number)
        page = await page_of_lines(ledger.statement, query.place, query.rows)
        rows = [line_row(line, ledger.statement) for line in page]
        context |= {"ledger": ledger, "query": query, "pager": query.pager(page), "rows": rows}
        return await cabinet.page(request, "cabinet/statements/lines.html", context)

    @form_post(
        "/statements/{month:str}/evidence",
        does="Prepare the evidence of a month",
        step_up=NoStepUp("it reads what its role may export anyway"),
        page="/statements/{month:str}",
        opt=needs(Permission.EXPORTS_VIEW, Permission.BOOKS_VIEW),
    )
    async def evidence(request: PageRequest, month: str) -> Response[Any]:
        ctx = context_of(request)
        statement = await found_statement(ctx, month, summed=False)
        back = ctx.path("statements", str(statement.month))
        if not statement.is_final:
            words = "There is no evidence yet: the month is not final before a signed checkpoint has closed it."
            return identity.nothing_done(request, back, words)
        try:
            job_id = await jobs.start(ctx.member, ctx.mode, EVIDENCE, {"month": str(statement.month)}, clock.now())
        except ApiError as error:
            return identity.nothing_done(request, back, f"That was not started: {error.message.partition(': ')[2]}.")
        return identity.redirect(request, ctx.path("work", job_id))

    return [months, one_month, paper, lines, evidence]


async def found_statement(ctx: MemberContext, text: str, *, summed: bool = True) -> MonthStatement:
    """The statement of a month that an address names. Raises NOT_FOUND."""
    month = parse_month(text)
    if month is not None:
        statement = await service.of_month(ctx.merchant_id, ctx.mode, month, clock.now(), summed=summed)
        if statement is not None:
            return statement
    raise ApiError(Code.NOT_FOUND, "there is no statement of this month")


def context_of_month(networks: Networks, statement: MonthStatement) -> dict[str, Any]:
    """What every page of a month shows."""
    month = statement.month
    ordered = sorted(
        statement.ledgers, key=lambda one: (networks.place_of(one.chain.network, one.chain.asset), one.chain)
    )
    return {
        "statement": statement,
        "month": month,
        "first_day": month.begin,
        "last_day": month.end - timedelta(days=1),
        "closable_from": month.closable_from,
        "ledgers": [_ledger(networks, one) for one in ordered],
        "worths": [(currency, worth_text(raw, currency)) for currency, raw in statement.worths.items()],
        "missing": _missing(statement.unvalued),
        "next_month": month.following.words,
    }


async def page_of_lines(ledger: LedgerStatement, place: Place | None, limit: int) -> Page[Line]:
    """A page of a ledger's lines, oldest first. Seqs have no gaps, so each page is found at once."""
    first = ledger.opening.seq + 1
    if place is not None:
        number = int(place.key[0])
        first = max(first, number - limit if place.is_end else number if place.is_head else number + 1)
    rows = await service.lines_after(ledger, first - 1, limit)
    last = rows[-1].entry.seq if rows else 0
    return Page(
        rows,
        Place((first,), is_end=True) if rows and first > ledger.opening.seq + 1 else None,
        Place((last,)) if rows and last < ledger.closing.state.seq else None,
    )


def line_row(line: Line, ledger: LedgerStatement) -> LineRow:
    """A line in words."""
    entry, decimals = line.entry, ledger.closing.decimals
    at = datetime.fromisoformat(entry.created_at)
    about = [each for each in (line.invoice_id, line.order_id, entry.reference.id) if each]
    return LineRow(
        seq=entry.seq,
        kind=labels.entry_kind(entry.kind),
        at=at,
        when=in_words(at, UTC),
        about=" · ".join(about),
        available=_signed(int(entry.available_delta_raw), decimals),
        locked=_signed(int(entry.locked_delta_raw), decimals),
        fee=format_amount(line.fee_raw, decimals) if line.fee_raw else "",
        worths=_worths({line.currency: line.worth_raw}) if line.currency and line.worth_raw is not None else (),
        unknown="not known" if line.needs_worth and line.currency is None else "",
        txid=line.txid or "",
        hash=entry.hash,
    )


def _ledger(networks: Networks, one: LedgerStatement) -> Ledger:
    chain, decimals = one.chain, one.closing.decimals
    place = chain.network.partition(":")[0]
    names = {network.key: network.display_name for network in networks}
    opening = _balance("Opening balance", one.opening, decimals)
    movements = [
        SumRow(
            label=labels.entry_kind(each.kind),
            count=str(each.count),
            available=_signed(each.available_raw, decimals),
            locked=_signed(each.locked_raw, decimals),
            fee=format_amount(each.fee_raw, decimals) if each.fee_raw else "",
            worths=_worths(each.worths),
            unknown=f"{each.unvalued} not known" if each.unvalued else "",
        )
        for each in one.movements
    ]
    return Ledger(
        value=f"{chain.asset}@{place}",
        label=f"{chain.asset} on {names.get(chain.network, place)}",
        symbol=chain.asset,
        count=one.count,
        opening=one.opening,
        closing=one.closing.state,
        rows=[opening, *movements, _balance("Closing balance", one.closing.state, decimals)],
        statement=one,
        missing=_missing(one.unvalued),
    )


def _balance(label: str, state: State, decimals: int) -> SumRow:
    available, locked = (format_amount(raw, decimals) for raw in (state.available_raw, state.locked_raw))
    return SumRow(label=label, count="", available=available, locked=locked, fee="", is_balance=True)


def _worths(worths: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(f"{_plus(raw)}{worth_text(raw, currency)}", currency) for currency, raw in worths.items()]


def _missing(unvalued: int) -> str:
    """How many entries have no worth, as a sentence."""
    if not unvalued:
        return ""
    verb = "has" if unvalued == 1 else "have"
    return f"{plural(unvalued, 'entry', 'entries')} {verb} no known worth, and no part in these sums."


def _signed(raw: int, decimals: int) -> str:
    """`+5.00`, `-5.00`, or nothing where nothing moved."""
    return "" if raw == 0 else f"{_plus(raw)}{format_amount(raw, decimals)}"


def _plus(raw: int) -> str:
    return "+" if raw > 0 else ""
