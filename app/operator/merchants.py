"""Merchants: a list with a search, one merchant with all its details, and the settings for operators."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts.operators import Operator
from app.audit import log
from app.audit.log import Filters
from app.backoffice import merchants
from app.backoffice.merchants import AssetSetting, MerchantDetails
from app.core import clock
from app.core.money import format_amount, parse_amount
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.paging import by_moment
from app.merchants import administration
from app.merchants.repository import AssetTerms
from app.merchants.service import MAX_FEE_BPS, MAX_TOLERANCE_BPS
from app.networks.config import Asset, NetworkConfig
from app.networks.recognition import recognise
from app.networks.registry import UnknownNetwork
from app.operator import lists
from app.operator.desk import Desk, gathering, nothing_here, reason_of, refusals
from app.operator.words import MERCHANT_STATES
from app.web.standby_reads import FROM_STANDBY

ACTIONS_SHOWN = 12

Action = Callable[[str, str, Operator, datetime], Awaitable[None]]

STANDINGS: dict[str, tuple[Action, str]] = {
    "suspend": (administration.suspend, "suspended, its keys are refused at once."),
    "reinstate": (administration.reinstate, "reinstated, its keys work again."),
    "ban": (administration.ban, "banned, its keys are refused for good."),
}
"""The changes of a merchant's status by the last part of the page's URL: the action, and the message after it."""

CHANGES: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    (
        "suspend",
        "Suspend",
        ("approved",),
        "Its API keys are refused at once, until somebody reinstates it. Balances and what waits stay as they are.",
    ),
    ("reinstate", "Reinstate", ("suspended", "banned"), "Its API keys work again at once."),
    (
        "ban",
        "Ban",
        ("approved", "suspended"),
        "Its API keys are refused for good. Balances and what waits stay as they are.",
    ),
)
"""Each change: its name in the URL, its label, the states in which it is possible, and what happens."""


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/merchants`."""
    networks = desk.services.networks

    @get("/merchants", opt=FROM_STANDBY)
    async def listed(request: PageRequest) -> Response[bytes]:
        search = lists.text(request, "q")
        status = lists.choice(request, "status", merchants.STATUSES)
        now = clock.now()
        found, around = await lists.read(
            lists.list_query(request, by_moment, q=search, status=status),
            lambda place, limit: merchants.page(search, networks, status or None, place, limit, now),
            lambda: merchants.total(search, networks, status or None, now),
            {"status": "Standing"},
            status=MERCHANT_STATES,
        )
        context = {
            **around,
            "merchants": found,
            "search": search,
            "search_is": recognise(search),
            "status": status,
            "statuses": MERCHANT_STATES,
        }
        return await desk.page(request, "merchants/list", context)

    @get("/merchants/{merchant_id:str}")
    async def one(request: PageRequest, merchant_id: str) -> Response[bytes]:
        actions = await log.page(Filters(merchant_id=merchant_id), None, ACTIONS_SHOWN)
        context = {"details": await find(merchant_id), "actions": actions}
        return await desk.page(request, "merchants/one", context, actors=[action.actor for action in actions])

    @get("/merchants/{merchant_id:str}/standing/{change:str}")
    async def standing_page(request: PageRequest, merchant_id: str, change: str) -> Response[bytes]:
        return await show_standing(request, merchant_id, change, Form.empty())

    @form_post(
        "/merchants/{merchant_id:str}/standing/{change:str}",
        does="Suspend, reinstate or ban a merchant",
        step_up=StepUp.FRESH_CODE,
    )
    async def set_standing(request: PageRequest, merchant_id: str, change: str) -> Response[bytes]:
        if change not in STANDINGS:
            raise nothing_here()
        form, details = await desk.identity.read_form(request), await find(merchant_id)
        verb, done = STANDINGS[change]
        try:
            reason = reason_of(form)
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await verb(merchant_id, reason, by, clock.now())
        except FormRefused:
            return await show_standing(request, merchant_id, change, form, status=422)
        return desk.done(request, f"{details.name}: {done}", f"/desk/merchants/{merchant_id}")

    @get("/merchants/{merchant_id:str}/terms")
    async def terms_page(request: PageRequest, merchant_id: str) -> Response[bytes]:
        details = await find(merchant_id)
        form = Form.empty(service_fee_bps=str(details.service_fee_bps), tolerance_bps=str(details.tolerance_bps))
        return await desk.page(request, "merchants/terms", {"details": details, "form": form})

    @form_post("/merchants/{merchant_id:str}/terms", does="Change a merchant’s terms", step_up=StepUp.FRESH_CODE)
    async def set_terms(request: PageRequest, merchant_id: str) -> Response[bytes]:
        form, details = await desk.identity.read_form(request), await find(merchant_id)
        try:
            fee_bps = _bps(form, "service_fee_bps", MAX_FEE_BPS)
            tolerance_bps = _bps(form, "tolerance_bps", MAX_TOLERANCE_BPS)
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await administration.set_terms(merchant_id, fee_bps, tolerance_bps, by, clock.now())
        except FormRefused:
            return await desk.page(request, "merchants/terms", {"details": details, "form": form}, status=422)
        done = "The fee applies to invoices created from now on, the tolerance to payments from now on."
        return desk.done(request, done, f"/desk/merchants/{merchant_id}")

    @get("/merchants/{merchant_id:str}/assets/{chain:str}/{mode:str}/{symbol:str}")
    async def asset(request: PageRequest, merchant_id: str, chain: str, mode: str, symbol: str) -> Response[bytes]:
        return await show_asset(request, merchant_id, f"{chain}:{mode}", symbol, None)

    @form_post(
        "/merchants/{merchant_id:str}/assets/{chain:str}/{mode:str}/{symbol:str}",
        does="Change a merchant’s asset",
        step_up=StepUp.FRESH_CODE,
    )
    async def set_asset(request: PageRequest, merchant_id: str, chain: str, mode: str, symbol: str) -> Response[bytes]:
        network, configured = find_asset(f"{chain}:{mode}", symbol)
        form = await desk.identity.read_form(request)
        await find(merchant_id)
        try:
            terms = AssetTerms(
                enabled=form.has("enabled"),
                min_raw=_amount(form, "min_raw", configured),
                max_raw=_amount(form, "max_raw", configured),
                daily_cap_raw=_amount(form, "daily_cap_raw", configured),
            )
            with gathering(form):
                administration.check_terms(terms)
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await administration.set_asset_terms(merchant_id, network, configured, terms, by, clock.now())
        except FormRefused:
            return await show_asset(request, merchant_id, network.key, symbol, form, status=422)
        return desk.done(request, f"The settings of {symbol} are saved.", f"/desk/merchants/{merchant_id}")

    async def find(merchant_id: str) -> MerchantDetails:
        details = await merchants.details_of(merchant_id, networks, clock.now())
        if details is None:
            raise nothing_here()
        return details

    async def show_standing(
        request: PageRequest, merchant_id: str, change: str, form: Form, *, status: int = 200
    ) -> Response[bytes]:
        if change not in STANDINGS:
            raise nothing_here()
        label, states, words = next(rest for name, *rest in CHANGES if name == change)
        context = {
            "details": await find(merchant_id),
            "change": change,
            "label": label,
            "states": states,
            "words": words,
            "form": form,
        }
        return await desk.page(request, "merchants/change_status", context, status=status)

    def find_asset(key: str, symbol: str) -> tuple[NetworkConfig, Asset]:
        try:
            network = networks.get(key)
        except UnknownNetwork:
            raise nothing_here() from None
        configured = network.asset(symbol)
        if configured is None:
            raise nothing_here()
        return network, configured

    async def show_asset(
        request: PageRequest, merchant_id: str, key: str, symbol: str, form: Form | None, *, status: int = 200
    ) -> Response[bytes]:
        network, configured = find_asset(key, symbol)
        details = await find(merchant_id)
        setting = next(one for one in details.assets if (one.network, one.asset) == (key, symbol))
        context = {
            "details": details,
            "network": network,
            "asset": configured,
            "setting": setting,
            "form": _asset_form(setting, configured) if form is None else form,
        }
        return await desk.page(request, "merchants/asset", context, status=status)

    return [listed, one, standing_page, set_standing, terms_page, set_terms, asset, set_asset]


def _asset_form(setting: AssetSetting, asset: Asset) -> Form:
    def shown(raw: int | None) -> str:
        return "" if raw is None else format_amount(raw, asset.decimals)

    values = {
        "min_raw": shown(setting.min_raw),
        "max_raw": shown(setting.max_raw),
        "daily_cap_raw": shown(setting.cap.cap_raw),
    }
    return Form.empty(**values, **({"enabled": "on"} if setting.enabled else {}))


def _amount(form: Form, name: str, asset: Asset) -> int | None:
    """A decimal amount of a field that may be empty; None too where it is refused, which is recorded."""
    text = form.text(name).replace(",", "").strip()
    amount_raw = None
    with gathering(form):
        amount_raw = parse_amount(text, asset.decimals, name) if text else None
    return amount_raw


def _bps(form: Form, name: str, most: int) -> int:
    """A share of a field, in 1/10,000, up to `most`; 0 where it is refused, which is recorded."""
    text = form.text(name)
    if not (text.isascii() and text.isdigit()):
        form.record(name, "Enter a whole number of basis points, such as 80.")
        return 0
    if len(text) > 6 or int(text) > most:
        form.record(name, f"Enter at most {most} basis points.")
        return 0
    return int(text)
