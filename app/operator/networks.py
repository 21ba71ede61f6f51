"""Networks and wallets: the progress of the watchers, the use of the pools, the balances of the hot wallets, and, where
a network has them, frozen addresses, payments that wait for a block, coins, fee rates, and the approval of
consolidation. What there is where transactions take energy has pages of its own: `energy.py`."""

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.backoffice import alerts, coins, energy, frozen, networks, pool, sweeps, transactions
from app.backoffice.networks import NetworkState
from app.core import clock
from app.core.keyset import page_or_first
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.keeping import OWN
from app.identity.paging import PAGE_LENGTH, by_moment, by_number
from app.networks.port import NotATransfer
from app.operator import lists
from app.operator.desk import Desk, nothing_here, operator_of, refusals
from app.web.row_ids import RowId

SHOWN_FIRST = 5
"""Rows of each list on a network's own page; the list's page has all."""


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/networks`."""
    services = desk.services

    @get("/networks")
    async def listed(request: PageRequest) -> Response[bytes]:
        now = clock.now()
        states = await networks.states(services.networks, now)
        return await desk.page(
            request, "networks/list", {"states": states, "healths": {s.network.key: health(s) for s in states}}
        )

    @get("/networks/{chain:str}/{mode:str}")
    async def one(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        key = state.network.key
        rate = await networks.fee_rate(key)
        policy = await services.consolidation.approved(key)
        resources = await energy.resources(key)
        context = {
            "state": state,
            "health": health(state),
            "moving": await networks.on_the_way(key),
            "frozen": await frozen.open_ones(key, SHOWN_FIRST),
            "top_ups": await networks.top_ups(key),
            "pool": await pool.page(key, None, SHOWN_FIRST),
            "pool_sums": await pool.sums(key),
            "rate": rate,
            "coins": await coins.sums(key, height_of(state), cost_of_a_coin(state, rate)),
            "transactions": await transactions.page(key, None, SHOWN_FIRST),
            "policy": policy,
            "fee_rate_of": fee_rate_of,
            "alerts": await alerts.open_of(key, SHOWN_FIRST),
            "resources": resources,
            "costs": [] if resources is None else await energy.transfer_costs(key, resources),
            "sweep_counts": await sweeps.counts(key),
            "sweeps": await first_sweeps(key),
            "cost_share_bps": sweeps.cost_share_bps,
            "loans": await energy.open_loans(key, SHOWN_FIRST),
            "stake_requests": await energy.open_stake_requests(key, SHOWN_FIRST),
        }
        return await desk.page(
            request, "networks/one", context, actors=[None if policy is None else f"account:{policy.approved_by}"]
        )

    @get("/networks/{chain:str}/{mode:str}/pool")
    async def waiting(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        query = lists.list_query(request, by_moment)
        rows = await page_or_first(lambda place: pool.page(state.network.key, place, PAGE_LENGTH), query.place)
        context = {"state": state, "pool": rows, "pager": query.pager(rows)}
        return await desk.page(request, "networks/pool", context)

    @get("/networks/{chain:str}/{mode:str}/frozen")
    async def stopped(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        query = lists.list_query(request, by_number)
        rows = await page_or_first(lambda place: frozen.page(state.network.key, place, PAGE_LENGTH), query.place)
        context = {"state": state, "frozen": rows, "pager": query.pager(rows)}
        return await desk.page(request, "networks/frozen", context)

    @get("/networks/{chain:str}/{mode:str}/coins")
    async def unspent(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        key, height = state.network.key, height_of(state)
        cost_raw = cost_of_a_coin(state, await networks.fee_rate(key))
        query = lists.list_query(request, by_number)
        rows = await page_or_first(lambda place: coins.page(key, height, place, PAGE_LENGTH), query.place)
        context = {"state": state, "coins": rows, "cost_raw": cost_raw, "pager": query.pager(rows)}
        return await desk.page(request, "networks/coins", context)

    @get("/networks/{chain:str}/{mode:str}/transactions")
    async def ours(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        query = lists.list_query(request, by_number)
        rows = await page_or_first(lambda place: transactions.page(state.network.key, place, PAGE_LENGTH), query.place)
        context = {"state": state, "transactions": rows, "pager": query.pager(rows), "fee_rate_of": fee_rate_of}
        return await desk.page(request, "networks/transactions", context)

    @get("/networks/{chain:str}/{mode:str}/transactions/{transaction_id:int}")
    async def transaction(request: PageRequest, chain: str, mode: str, transaction_id: RowId) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        attempts = await transactions.attempts(state.network.key, transaction_id)
        shown = next((attempt for attempt in attempts if attempt.id == transaction_id), None)
        if shown is None:
            raise nothing_here()
        context = {
            "state": state,
            "transaction": shown,
            "payments": await transactions.payments(shown.id),
            "attempts": attempts,
            "fee_rate_of": fee_rate_of,
        }
        return await desk.page(request, "networks/transaction", context)

    @get("/networks/{chain:str}/{mode:str}/consolidation")
    async def consolidation(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        return await show_consolidation(request, await state_of(desk, chain, mode), Form.empty())

    @form_post(
        "/networks/{chain:str}/{mode:str}/consolidation/approve",
        does="Approve the consolidation of small coins",
        step_up=StepUp.CODE_EACH_TIME,
        page="/networks/{chain:str}/{mode:str}/consolidation",
        shown_as=OWN,
    )
    async def approve(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        form, by = await desk.identity.read_form(request), operator_of(request)
        state = await state_of(desk, chain, mode)
        code = form.text("code").replace(" ", "")
        try:
            with refusals(form):
                await services.consolidation.approve(
                    state.network.key, by.account_id, code, clock.now(), address=by.address
                )
        except FormRefused:
            return await show_consolidation(request, state, form, status=422)
        return desk.done(request, "Approved: the signer merges small coins while fees are low.", path_of(state))

    @form_post(
        "/networks/{chain:str}/{mode:str}/consolidation/revoke",
        does="Revoke the approval of consolidation",
        step_up=StepUp.FRESH_CODE,
        page="/networks/{chain:str}/{mode:str}/consolidation",
        shown_as=OWN,
    )
    async def revoke(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        form = await desk.identity.read_form(request)
        state = await state_of(desk, chain, mode)
        try:
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await services.consolidation.revoke(state.network.key, by.account_id, clock.now(), address=by.address)
        except FormRefused:
            return await show_consolidation(request, state, form, status=422)
        return desk.done(request, "Revoked: the signer begins no further consolidation.", path_of(state))

    async def show_consolidation(
        request: PageRequest, state: NetworkState, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        policy = await services.consolidation.approved(state.network.key)
        if policy is None and state.network.consolidation_limit is None:
            raise nothing_here()
        context: dict[str, Any] = {"state": state, "policy": policy, "form": form}
        actors = [None if policy is None else f"account:{policy.approved_by}"]
        return await desk.page(request, "networks/consolidation", context, actors=actors, status=status)

    def fee_rate_of(transaction: transactions.ListedTransaction) -> str:
        """What a transaction pays for its size, in words; empty where that means nothing."""
        try:
            rate = services.networks.fee_rate(transaction.network, transaction.signed_bytes, transaction.fee_raw)
        except NotATransfer:  # an edited row, which the signer reports
            return ""
        return "" if rate is None else services.networks.get(transaction.network).fee_rate_in_words(rate)

    def health(state: NetworkState) -> str:
        """`halted`, `not watched`, `behind` or `watched`, as in `/readyz`."""
        if state.halted_reason is not None:
            return "halted"
        if state.coverage is None or clock.now() - state.coverage.checked_at > networks.MAX_UNCHECKED:
            return "not watched"
        return "behind" if state.coverage.lag_blocks > networks.MAX_LAG_BLOCKS else "watched"

    return [listed, one, waiting, stopped, unspent, ours, transaction, consolidation, approve, revoke]


async def state_of(desk: Desk, chain: str, mode: str) -> NetworkState:
    """The network of a page's address. Raises NOT_FOUND."""
    states = await networks.states(desk.services.networks, clock.now())
    state = next((state for state in states if state.network.key == f"{chain}:{mode}"), None)
    if state is None:
        raise nothing_here()
    return state


def path_of(state: NetworkState) -> str:
    """The page of a network."""
    return f"/desk/networks/{state.network.chain}/{state.network.mode}"


async def first_sweeps(network: str) -> list[sweeps.ListedSweep]:
    """Some of the sweeps that wait: dear ones, or the newest where none is dear."""
    dear = await sweeps.page(network, "dear", None, SHOWN_FIRST)
    return dear or await sweeps.page(network, "all", None, SHOWN_FIRST)


def height_of(state: NetworkState) -> int:
    """The newest scanned block; -1 where none is."""
    return -1 if state.coverage is None else state.coverage.scanned_height


def cost_of_a_coin(state: NetworkState, rate: networks.FeeRate | None) -> int | None:
    """What it costs to spend one coin now, in minor units; None where that isn't known, or where there are no coins."""
    return None if rate is None or rate.rate_raw is None else state.network.coin_cost_raw(rate.rate_raw)
