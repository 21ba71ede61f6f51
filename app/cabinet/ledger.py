"""The ledger explorer: every entry with its hash, and a button that re-computes the chain."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from litestar import Response, get

from app.cabinet import assets, labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.cabinet.lists import chips, list_query
from app.cabinet.works import VERIFICATION
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.keyset import Total, page_or_first
from app.core.money import format_amount
from app.deposits import references_repository
from app.identity.form_routes import NoStepUp, form_post
from app.identity.identity import PageRequest
from app.identity.paging import by_number
from app.jobs import service as jobs
from app.ledger import repository as ledger
from app.ledger import verify
from app.ledger.hashchain import ChainId, Entry
from app.merchants.roles import Permission
from app.web.row_ids import RowId
from app.web.standby_reads import FROM_STANDBY
from app.withdrawals.presented_repository import Filters

VERIFIED_AT_ONCE = 10_000
"""Entries that are re-computed while the page waits; a longer ledger is verified by a worker, with its progress."""

_PLACES = {"payout": "payouts", "refund": "refunds"}
"""The pages of the nouns that an entry can refer to. A deposit is on the page of its invoice."""

MOST_OF_INVOICE = 100
"""Deposits and refunds of an invoice whose entries a search finds."""


def handlers(cabinet: Cabinet) -> list[Any]:
    """`ledger`, `ledger/{asset}@{chain}`, `…/verify`, `…/{seq}`."""
    services = cabinet.services

    @get("/ledger", opt=needs(Permission.BOOKS_VIEW))
    async def ledgers(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        heads = {(head.chain.network, head.chain.asset): head for head in await ledger.heads(ctx.merchant_id)}
        begun = [one for one in assets.every(services, ctx) if (one.network.key, one.asset.symbol) in heads]
        if len(begun) == 1:
            return cabinet.identity.redirect(request, ctx.path("ledger", begun[0].value))
        rows = [{"choice": one, "state": heads[(one.network.key, one.asset.symbol)].state} for one in begun]
        return await cabinet.page(request, "cabinet/ledger/list.html", {"rows": rows})

    @get("/ledger/{name:str}", opt=needs(Permission.BOOKS_VIEW) | FROM_STANDBY)
    async def one_ledger(request: PageRequest, name: str) -> Response[Any]:
        ctx = context_of(request)
        choice, head = await found(ctx, name)
        query = list_query(request, "reference", key=by_number)
        wanted = await references(ctx, query.get("reference"))
        page = await page_or_first(lambda place: ledger.page(head.ledger, place, query.rows, wanted), query.place)
        invoices = await _invoices_of(page)
        total = Total(head.state.seq, is_exact=True) if wanted is None else await ledger.total(head.ledger, wanted)
        context = {
            "query": query,
            "chips": chips(query),
            "choice": choice,
            "head": head,
            "available": format_amount(head.state.available_raw, choice.asset.decimals),
            "locked": format_amount(head.state.locked_raw, choice.asset.decimals),
            "rows": [_row(entry, choice, ctx, invoices) for entry in page],
            "pager": query.pager(page),
            "total": total.beside(page),
            "verified": None,
        }
        return await cabinet.page(request, "cabinet/ledger/detail.html", context)

    @form_post(
        "/ledger/{name:str}/verify",
        does="Verify a ledger",
        step_up=NoStepUp("it changes nothing"),
        page="/ledger/{name:str}",
        opt=needs(Permission.BOOKS_VIEW),
    )
    async def verification(request: PageRequest, name: str) -> Response[Any]:
        ctx = context_of(request)
        choice, head = await found(ctx, name)
        back = ctx.path("ledger", choice.value)
        if head.state.seq > VERIFIED_AT_ONCE:
            chain = {"name": choice.value, "network": choice.network.key, "asset": choice.asset.symbol}
            try:
                job_id = await jobs.start(ctx.member, ctx.mode, VERIFICATION, chain, clock.now())
            except ApiError as error:
                return cabinet.identity.nothing_done(request, back, error.message.partition(": ")[2].capitalize() + ".")
            return cabinet.identity.redirect(request, ctx.path("work", job_id))
        result = await verify.verify_chain(head)
        if result.fault is None:
            entries = labels.plural(result.seq, "entry", "entries")
            flash = f"The chain holds: {entries} re-computed, the last hash is {result.head_hash[:16]}…"
            return cabinet.identity.redirect(request, back, flash=flash)
        flash = f"The chain breaks at entry {result.fault.seq}: {result.fault.problem}. Tell the operator at once."
        return cabinet.identity.redirect(request, back, flash=flash, tone="critical")

    @get("/ledger/{name:str}/{seq:int}", opt=needs(Permission.BOOKS_VIEW))
    async def one_entry(request: PageRequest, name: str, seq: RowId) -> Response[Any]:
        ctx = context_of(request)
        choice, head = await found(ctx, name)
        entry = await ledger.entry(head.ledger, seq) if 0 < seq <= head.state.seq else None
        if entry is None:
            raise ApiError(Code.NOT_FOUND, "no such entry")
        context = {
            "choice": choice,
            "row": _row(entry, choice, ctx, await _invoices_of([entry])),
            "entry": entry,
            "available_after": _decimal(entry.available_after_raw, choice),
            "locked_after": _decimal(entry.locked_after_raw, choice),
            "is_last": seq == head.state.seq,
        }
        return await cabinet.page(request, "cabinet/ledger/entry.html", context)

    async def references(ctx: MemberContext, text: str | None) -> list[str] | None:
        """The ids by which entries are booked that a search finds: one id, or all that belongs to an invoice."""
        if text is None:
            return None
        wanted = text.upper()
        if not wanted.startswith("INV-"):
            return [text, wanted]
        deposits = await references_repository.of_invoice(wanted, MOST_OF_INVOICE)
        refunds = await services.withdrawal_reader.refunds(
            ctx.merchant_id, ctx.mode, Filters(invoice_id=wanted), None, MOST_OF_INVOICE
        )
        booked = [[one.id, *(f"{one.id}#{time + 2}" for time in range(one.times_reversed))] for one in deposits]
        return [*(name for names in booked for name in names), *(refund.id for refund in refunds)]

    async def found(ctx: MemberContext, name: str) -> tuple[assets.Choice, ledger.Head]:
        choice = assets.find(assets.every(services, ctx), name)
        if choice is None:
            raise ApiError(Code.NOT_FOUND, "no such ledger")
        chain = ChainId(owner=ctx.merchant_id, network=choice.network.key, asset=choice.asset.symbol)
        head = await ledger.head(chain)
        if head is None:
            raise ApiError(Code.NOT_FOUND, "no such ledger")
        return choice, head

    return [ledgers, one_ledger, verification, one_entry]


async def _invoices_of(entries: Iterable[Entry]) -> dict[str, str]:
    """The invoice of each deposit that the entries refer to."""
    deposits = {_deposit(entry) for entry in entries if entry.reference.type == "deposit"}
    return await references_repository.of_deposits(deposits) if deposits else {}


def _deposit(entry: Entry) -> str:
    """The deposit that an entry refers to: booked again after a reversal, it has a number behind its id."""
    return entry.reference.id.partition("#")[0]


def _href(entry: Entry, ctx: MemberContext, invoices: Mapping[str, str]) -> str:
    """The page of what an entry refers to, empty where it has none."""
    if entry.reference.type == "deposit":
        invoice = invoices.get(_deposit(entry))
        return f"{ctx.path('invoices', invoice)}#payments" if invoice else ""
    place = _PLACES.get(entry.reference.type)
    return ctx.path(place, entry.reference.id) if place else ""


def _row(entry: Entry, choice: assets.Choice, ctx: MemberContext, invoices: Mapping[str, str]) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "kind": labels.entry_kind(entry.kind),
        "available": _signed(entry.available_delta_raw, choice),
        "locked": _signed(entry.locked_delta_raw, choice),
        "balance": _decimal(entry.available_after_raw, choice),
        "reference": entry.reference.id,
        "href": _href(entry, ctx, invoices),
        "created_at": datetime.fromisoformat(entry.created_at),
        "hash": entry.hash,
    }


def _decimal(raw: str, choice: assets.Choice) -> str:
    return format_amount(int(raw), choice.asset.decimals)


def _signed(raw: str, choice: assets.Choice) -> str:
    """`+5.00`, `-5.00`, or nothing where nothing moved."""
    amount = int(raw)
    return "" if amount == 0 else f"{'+' if amount > 0 else ''}{format_amount(amount, choice.asset.decimals)}"
