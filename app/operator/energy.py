"""Where transactions take energy: the sweeps that wait and the approval of dear ones, loans of energy, and the hot
wallet's stake."""

from typing import get_args

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.backoffice import energy, sweeps
from app.backoffice.networks import NetworkState
from app.backoffice.sweeps import DearApproval, ListedSweep
from app.core import clock
from app.core.keyset import page_or_first
from app.core.money import MAX_DIGITS, parse_amount
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.keeping import OWN
from app.identity.paging import PAGE_LENGTH, by_number
from app.networks.config import Asset
from app.operator import lists
from app.operator.desk import Desk, code_of, gathering, nothing_here, operator_of, refusals
from app.operator.networks import path_of, state_of
from app.signer.energy_repository import StakeAction
from app.web.row_ids import RowId

STATES: tuple[sweeps.Which, ...] = ("all", "dear")
STAKE_ACTIONS: tuple[StakeAction, ...] = get_args(StakeAction)
MOST_APPROVALS = 20
"""Approvals that the list of sweeps shows."""


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/networks/{chain}/{mode}` that are about energy."""
    services = desk.services

    @get("/networks/{chain:str}/{mode:str}/sweeps")
    async def listed(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        key = state.network.key
        which: sweeps.Which = "dear" if lists.choice(request, "state", STATES, "all") == "dear" else "all"
        query = lists.list_query(request, by_number, state="dear" if which == "dear" else "")
        rows = await page_or_first(lambda place: sweeps.page(key, which, place, PAGE_LENGTH), query.place)
        approvals = await sweeps.approvals(key, MOST_APPROVALS)
        context = {
            "state": state,
            "sweeps": rows,
            "sweep_counts": await sweeps.counts(key),
            "which": which,
            "approvals": approvals,
            "cost_share_bps": sweeps.cost_share_bps,
            "pager": query.pager(rows),
        }
        return await desk.page(
            request, "networks/sweeps", context, actors=[_actor(one.approved_by) for one in approvals]
        )

    @get("/networks/{chain:str}/{mode:str}/sweeps/{candidate_id:int}")
    async def one(request: PageRequest, chain: str, mode: str, candidate_id: RowId) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        return await show_sweep(request, state, await sweep_of(state, candidate_id), Form.empty())

    @form_post(
        "/networks/{chain:str}/{mode:str}/sweeps/{candidate_id:int}/approve",
        does="Approve a dear sweep",
        step_up=StepUp.CODE_EACH_TIME,
        page="/networks/{chain:str}/{mode:str}/sweeps/{candidate_id:int}",
        shown_as=OWN,
    )
    async def approve(request: PageRequest, chain: str, mode: str, candidate_id: RowId) -> Response[bytes]:
        form, by = await desk.identity.read_form(request), operator_of(request)
        state = await state_of(desk, chain, mode)
        sweep = await sweep_of(state, candidate_id)
        code = form.text("code").replace(" ", "")
        try:
            up_to_raw = _shown_cost(form, sweep)
            with refusals(form):
                await services.dear_sweeps.approve(
                    sweep.id, by.account_id, code, clock.now(), up_to_raw=up_to_raw, address=by.address
                )
        except FormRefused:
            return await show_sweep(request, state, sweep, form, status=422)
        return desk.done(
            request,
            "Approved: it is swept as soon as that is possible at this cost.",
            f"{path_of(state)}/sweeps",
        )

    @get("/networks/{chain:str}/{mode:str}/sweeps/approvals/{approval_id:int}")
    async def approval(request: PageRequest, chain: str, mode: str, approval_id: RowId) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        return await show_approval(request, state, await approval_of(state, approval_id), Form.empty())

    @form_post(
        "/networks/{chain:str}/{mode:str}/sweeps/approvals/{approval_id:int}/revoke",
        does="Revoke the approval of a dear sweep",
        step_up=StepUp.FRESH_CODE,
        page="/networks/{chain:str}/{mode:str}/sweeps/approvals/{approval_id:int}",
        shown_as=OWN,
    )
    async def revoke(request: PageRequest, chain: str, mode: str, approval_id: RowId) -> Response[bytes]:
        form = await desk.identity.read_form(request)
        state = await state_of(desk, chain, mode)
        held = await approval_of(state, approval_id)
        try:
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await services.dear_sweeps.revoke(
                    state.network.key, held.asset, held.address, by.account_id, clock.now(), address=by.address
                )
        except FormRefused:
            return await show_approval(request, state, held, form, status=422)
        return desk.done(request, "Revoked: a dear sweep of this address waits again.", f"{path_of(state)}/sweeps")

    @get("/networks/{chain:str}/{mode:str}/loans")
    async def loans(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        query = lists.list_query(request, by_number)
        rows = await page_or_first(lambda place: energy.loans_page(state.network.key, place, PAGE_LENGTH), query.place)
        context = {"state": state, "loans": rows, "pager": query.pager(rows)}
        return await desk.page(request, "networks/loans", context)

    @get("/networks/{chain:str}/{mode:str}/stake")
    async def stake(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        return await show_stake(request, state, Form.empty(action="stake"))

    @form_post(
        "/networks/{chain:str}/{mode:str}/stake",
        does="Stake or unstake coin of the hot wallet",
        step_up=StepUp.CODE_EACH_TIME,
    )
    async def request_stake(request: PageRequest, chain: str, mode: str) -> Response[bytes]:
        form, by = await desk.identity.read_form(request), operator_of(request)
        state = await state_of(desk, chain, mode)
        coin = coin_of(state)
        code = code_of(form)
        action, amount_raw = _wanted(form, coin)
        try:
            form.refuse_if_wrong()
            with refusals(form):
                await services.stake.request(
                    state.network.key, action, amount_raw, by.account_id, code, clock.now(), address=by.address
                )
        except FormRefused:
            return await show_stake(request, state, form, status=422)
        return desk.done(request, "Requested: the signer does one request after another.", f"{path_of(state)}/stake")

    @get("/networks/{chain:str}/{mode:str}/stake/{request_id:int}")
    async def stake_request(request: PageRequest, chain: str, mode: str, request_id: RowId) -> Response[bytes]:
        state = await state_of(desk, chain, mode)
        return await show_request(request, state, request_id, Form.empty())

    @form_post(
        "/networks/{chain:str}/{mode:str}/stake/{request_id:int}/cancel",
        does="Cancel a request to stake or unstake",
        step_up=StepUp.FRESH_CODE,
        page="/networks/{chain:str}/{mode:str}/stake/{request_id:int}",
        shown_as=OWN,
    )
    async def cancel(request: PageRequest, chain: str, mode: str, request_id: RowId) -> Response[bytes]:
        form = await desk.identity.read_form(request)
        state = await state_of(desk, chain, mode)
        if await energy.stake_request(state.network.key, request_id) is None:
            raise nothing_here()
        try:
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await services.stake.cancel(
                    state.network.key, request_id, by.account_id, clock.now(), address=by.address
                )
        except FormRefused:
            return await show_request(request, state, request_id, form, status=422)
        return desk.done(request, "Cancelled: nothing was signed for it.", f"{path_of(state)}/stake")

    async def show_sweep(
        request: PageRequest, state: NetworkState, sweep: ListedSweep, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        held = None if sweep.approval is None else await sweeps.approval(state.network.key, sweep.approval)
        context = {
            "state": state,
            "sweep": sweep,
            "share_bps": sweeps.cost_share_bps(state.network, sweep),
            "approval": held,
            "form": form,
        }
        actors = [] if held is None else [_actor(held.approved_by)]
        return await desk.page(request, "networks/sweep", context, actors=actors, status=status)

    async def show_approval(
        request: PageRequest, state: NetworkState, held: DearApproval, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        context = {"state": state, "approval": held, "form": form}
        return await desk.page(
            request, "networks/dear_approval", context, actors=[_actor(held.approved_by)], status=status
        )

    async def show_stake(
        request: PageRequest, state: NetworkState, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        coin = coin_of(state)
        query = lists.list_query(request, by_number)
        key = state.network.key
        rows = await page_or_first(lambda place: energy.stake_requests_page(key, place, PAGE_LENGTH), query.place)
        context = {
            "state": state,
            "coin": coin.symbol,
            "resources": await energy.resources(key),
            "requests": rows,
            "pager": query.pager(rows),
            "form": form,
        }
        actors = [_actor(one.requested_by) for one in rows]
        return await desk.page(request, "networks/stake", context, actors=actors, status=status)

    async def show_request(
        request: PageRequest, state: NetworkState, request_id: int, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        shown = await energy.stake_request(state.network.key, request_id)
        if shown is None:
            raise nothing_here()
        context = {"state": state, "coin": coin_of(state).symbol, "request_row": shown, "form": form}
        return await desk.page(
            request, "networks/stake_request", context, actors=[_actor(shown.requested_by)], status=status
        )

    async def sweep_of(state: NetworkState, candidate_id: int) -> ListedSweep:
        sweep = await sweeps.one(state.network.key, candidate_id)
        if sweep is None:
            raise nothing_here()
        return sweep

    async def approval_of(state: NetworkState, approval_id: int) -> DearApproval:
        held = await sweeps.approval(state.network.key, approval_id)
        if held is None:
            raise nothing_here()
        return held

    return [
        listed,
        one,
        approve,
        approval,
        revoke,
        loans,
        stake,
        request_stake,
        stake_request,
        cancel,
    ]


def coin_of(state: NetworkState) -> Asset:
    """The coin that the hot wallet stakes. Raises NOT_FOUND where nothing is staked."""
    native = state.network.native
    if not state.network.has_stake or state.network.hot_wallet_address is None or native is None:
        raise nothing_here()
    return native


def _actor(account_id: str) -> str:
    return f"account:{account_id}"


def _shown_cost(form: Form, sweep: ListedSweep) -> int:
    """The cost that the page has shown, which the approval is up to: no more than the cost of now. Raises
    FormRefused."""
    text = form.text("up_to")
    if sweep.cost_raw is None or not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise form.refuse("", "this is not what you were shown: look at it again")
    return min(int(text), sweep.cost_raw)


def _wanted(form: Form, coin: Asset) -> tuple[StakeAction, int]:
    """What to do with how much, in minor units: nothing where everything is withdrawn. What is wrong is recorded."""
    action = next((known for known in STAKE_ACTIONS if known == form.text("action")), None)
    amount_raw = 0
    if action is None:
        form.record("action", "Choose one.")
    if action != "withdraw":
        with gathering(form):
            amount_raw = parse_amount(form.text("amount").replace(",", ""), coin.decimals, "amount")
    return action or "stake", amount_raw
