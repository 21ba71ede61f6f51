"""Return addresses: the rule for them, what customers have given for an invoice, and a member's decision on one."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, get_args

from litestar import Response, get

from app.cabinet import labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.forms import one_of
from app.cabinet.guard import needs
from app.core import clock
from app.core.errors import ApiError, Code
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import settings
from app.merchants.repository import ReturnRule
from app.merchants.roles import Permission
from app.refunds import return_addresses
from app.refunds.return_addresses import Refusal, ReturnAddressRefused
from app.refunds.return_addresses_repository import Case, Decision

GROUP = 4
"""Characters in one group of an address, for comparing by eye."""

STATES: Mapping[str | None, tuple[str, str]] = MappingProxyType(
    {None: ("Waits for you", "caution"), "confirmed": ("Confirmed", "positive"), "rejected": ("Rejected", "neutral")}
)
"""A decision's words and tone."""

_REFUSED: Mapping[Refusal, str] = MappingProxyType(
    {
        Refusal.NOT_ASKED: "Nothing is to be sent back any more, or the return is under way.",
        Refusal.REPLACED: "The customer has given another address meanwhile. Look at it first.",
        Refusal.DECIDED: "This address was decided on before.",
    }
)


def handlers(cabinet: Cabinet) -> list[Any]:
    """`reviews/{deposit}/return-address`, `settings/returns`."""
    services, identity = cabinet.services, cabinet.identity

    async def case_in(request: PageRequest, deposit_id: str) -> Case:
        ctx = context_of(request)
        case = await return_addresses.case_of(deposit_id)
        if case is None or (case.merchant_id, case.mode) != (ctx.merchant_id, ctx.mode):
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        return case

    def context(ctx: MemberContext, case: Case, form: Form) -> dict[str, Any]:
        shown = row_of(cabinet, ctx, case)
        address = case.given.address if case.given else ""
        groups = [address[at : at + GROUP] for at in range(0, len(address), GROUP)]
        return {"form": form, "verdicts": labels.VERDICTS, "states": STATES, "groups": groups, **shown}

    @get("/reviews/{deposit_id:str}/return-address", opt=needs(Permission.VIEW))
    async def address(request: PageRequest, deposit_id: str) -> Response[Any]:
        case = await case_in(request, deposit_id)
        shown = context(context_of(request), case, Form.empty())
        return await cabinet.page(request, "cabinet/returns/address.html", shown)

    @form_post(
        "/reviews/{deposit_id:str}/return-address",
        does="Confirm or reject a return address",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.RETURNS_WRITE),
    )
    async def decide(request: PageRequest, deposit_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        case = await case_in(request, deposit_id)
        try:
            decision = _decision(form)
            address_id = int(form.text("address_id")) if form.text("address_id").isdecimal() else 0
            await identity.require_fresh_code(request, form)
            assert decision is not None, "without a decision the form was refused"
            try:
                await services.return_addresses.decide(ctx.member, deposit_id, address_id, decision, clock.now())
            except ReturnAddressRefused as refused:
                raise form.refuse("", _REFUSED[refused.refusal]) from None
        except FormRefused:
            case = await case_in(request, deposit_id)
            return await cabinet.refused(request, form, "cabinet/returns/address.html", context(ctx, case, form))
        done = "confirmed. An operator decides on the return" if decision == "confirmed" else "rejected"
        return identity.redirect(request, ctx.path("invoices", case.invoice_id), flash=f"The return address is {done}.")

    @get("/settings/returns", opt=needs(Permission.SETTINGS_MANAGE))
    async def returns(request: PageRequest) -> Response[Any]:
        form = Form.empty(return_addresses=await settings.return_rule(context_of(request).merchant_id))
        return await cabinet.page(request, "cabinet/settings/returns.html", {"form": form})

    @form_post(
        "/settings/returns",
        does="Change return addresses",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.SETTINGS_MANAGE),
    )
    async def set_returns(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            rules = get_args(ReturnRule)
            one_of(form, "return_addresses", rules, "Choose whether customers are asked for a return address.")
            await identity.require_fresh_code(request, form)
            with form.catching():
                await settings.set_return_rule(ctx.member, form.text("return_addresses"), clock.now())
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/settings/returns.html", {"form": form})
        return identity.redirect(request, ctx.path("settings"), flash="Saved. It applies at once.")

    return [address, decide, returns, set_returns]


def row_of(cabinet: Cabinet, ctx: MemberContext, case: Case) -> dict[str, Any]:
    """A case as the cabinet shows it; `link` is empty where the customer is not asked."""
    services, given = cabinet.services, case.given
    is_asked = services.return_addresses.is_asked(case)
    return {
        "case": case,
        "given": given,
        "amount": labels.decimal(services.networks, case.network, case.asset, case.amount_raw),
        "network_name": services.networks.get(case.network).display_name,
        "link": services.links.return_url(case.invoice_id, case.deposit_id) if is_asked else "",
        "can_decide": (
            given is not None
            and given.decision != "rejected"
            and case.review_status == "open"
            and ctx.may(Permission.RETURNS_WRITE)
        ),
    }


def waits_for_merchant(case: Case) -> bool:
    """Whether an address was given on which the merchant can decide, and has not."""
    return case.given is not None and case.given.decision is None and case.review_status == "open"


def _decision(form: Form) -> Decision | None:
    """The decision in the form. Records an error where there is none."""
    match form.text("decision"):
        case "confirmed":
            return "confirmed"
        case "rejected":
            return "rejected"
    form.record("decision", "Choose whether the address is right.")
    return None
