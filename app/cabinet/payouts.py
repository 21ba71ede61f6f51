"""Payouts: requesting one in two steps (what it costs, then the code), the list, one payout, cancelling it."""

from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import assets
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.forms import optional, required
from app.cabinet.guard import needs
from app.cabinet.withdrawals import detail_context, list_context
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.money import format_amount, group_digits
from app.identity import amounts
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.lists import ListQuery
from app.merchants.roles import Permission
from app.payouts.service import NewPayout, Quote
from app.reports.balances import AssetBalance
from app.reports.balances import balances as asset_balances
from app.web.idempotency import create_once, replay_of
from app.web.standby_reads import FROM_STANDBY
from app.withdrawals.presentation import PayoutBody
from app.withdrawals.states import Status

FIRST_STEP_FIELDS = ("asset", "amount", "destination", "description")
"""Fields of the first step, which the second step repeats."""

NOT_CANCELLABLE = "It can’t be cancelled any more: an operator has decided, or it was cancelled already."


def handlers(cabinet: Cabinet) -> list[Any]:
    """`payouts`, `payouts/new`, `payouts/review`, `payouts/{id}`, `payouts/{id}/cancel`."""
    services, identity = cabinet.services, cabinet.identity

    @get("/payouts", opt=needs(Permission.PAYOUTS_VIEW) | FROM_STANDBY)
    async def payouts(request: PageRequest) -> Response[Any]:
        context = await list_context(cabinet, request, "payout", services.withdrawal_reader.payouts)
        return await cabinet.page(request, "cabinet/payouts/list.html", context)

    async def form_context(ctx: MemberContext, form: Form) -> dict[str, Any]:
        places = {choice.value: place for place, choice in enumerate(assets.every(services, ctx))}
        held = await asset_balances(services.networks, ctx.merchant_id, ctx.mode)
        offered = sorted(held, key=lambda one: places[_value_of(one)])
        with_money = [one for one in offered if one.available_raw > 0]
        if not form.text("asset") and with_money:
            form.values["asset"] = _value_of(with_money[0])
        return {
            "form": form,
            "assets": [
                (
                    _value_of(one),
                    f"{one.asset.symbol} on {one.network.display_name}: "
                    f"{group_digits(format_amount(max(0, one.available_raw), one.asset.decimals))} available",
                )
                for one in offered
            ],
            "has_money": bool(with_money),
        }

    async def checked(request: PageRequest, form: Form) -> tuple[NewPayout, Quote | None]:
        """The payout in the form and what it costs. Records what is wrong with it, and notes what it leaves."""
        ctx = context_of(request)
        new, quote = _new_payout(assets.every(services, ctx), form), None
        if new.asset:
            with form.gathering():
                quote = await services.payouts.quote(ctx.member, ctx.mode, new)
            await _note_costs(ctx, form, new)
        return new, quote

    async def _note_costs(ctx: MemberContext, form: Form, new: NewPayout) -> None:
        """Say what the amount costs and leaves, or that it is more than there is."""
        if "amount" in form.errors:
            return
        costs = await services.payouts.costs(ctx.member, ctx.mode, new)
        unit = costs.asset.symbol

        def shown(raw: int) -> str:
            return f"{group_digits(format_amount(max(0, raw), costs.asset.decimals))} {unit}"

        fee = f"The fee is {shown(costs.fee_raw)}" if costs.fee_raw else "There is no fee"
        if costs.left_raw >= 0:
            leaves = f"{shown(costs.total_raw)} leaves your balance, and {shown(costs.left_raw)} stays available."
            form.notes["amount"] = f"{fee}. {leaves}"
        else:
            has = f"Your balance has {shown(costs.available_raw)}, and {fee[0].lower()}{fee[1:]}."
            form.record("amount", f"Enter a smaller amount. {has}")

    @get("/payouts/new", opt=needs(Permission.PAYOUTS_WRITE))
    async def new_payout(request: PageRequest) -> Response[Any]:
        given = {name: request.query_params.get(name, "") for name in FIRST_STEP_FIELDS}
        context = await form_context(context_of(request), Form.empty(**given))
        return await cabinet.page(request, "cabinet/payouts/new.html", context)

    @get("/payouts/review", opt=needs(Permission.PAYOUTS_WRITE))
    async def review(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        form = Form.empty(**{name: request.query_params.get(name, "") for name in FIRST_STEP_FIELDS})
        _, quote = await checked(request, form)
        if form.errors or quote is None:
            return await cabinet.page(request, "cabinet/payouts/new.html", await form_context(ctx, form))
        return await cabinet.page(request, "cabinet/payouts/review.html", _review_context(ctx, form, quote))

    @form_post(
        "/payouts/review",
        does="Request a payout",
        step_up=StepUp.FRESH_CODE,
        carries=FIRST_STEP_FIELDS,
        check=checked,
        opt=needs(Permission.PAYOUTS_WRITE),
    )
    async def request_payout(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        new, quote = await checked(request, form)
        if form.errors or quote is None:  # the first step again, which asks for no code
            return await cabinet.refused(request, form, "cabinet/payouts/new.html", await form_context(ctx, form))
        try:
            await identity.require_fresh_code(request, form)
            replay = replay_of(
                identity.form_key(request),
                merchant_id=ctx.merchant_id,
                mode=ctx.mode,
                endpoint="cabinet payout",
                body=(ctx.member.account_id, new.asset, new.chain, new.amount, new.destination),
            )
            with form.catching():
                made = await create_once(
                    replay, lambda replay: services.payouts.request(ctx.member, ctx.mode, new, replay, clock.now())
                )
        except FormRefused:
            if set(form.errors) & set(FIRST_STEP_FIELDS):
                return await cabinet.refused(request, form, "cabinet/payouts/new.html", await form_context(ctx, form))
            context = _review_context(ctx, form, quote)
            return await cabinet.refused(request, form, "cabinet/payouts/review.html", context)
        payout = msgspec.json.decode(made.body, type=PayoutBody)
        flash = "The payout is requested. An operator approves it before anything is sent."
        return identity.redirect(request, ctx.path("payouts", payout.id), flash=flash)

    async def found(ctx: MemberContext, payout_id: str) -> PayoutBody:
        payout = await services.withdrawal_reader.payout(ctx.merchant_id, ctx.mode, payout_id)
        if payout is None:
            raise ApiError(Code.PAYOUT_NOT_FOUND, "no such payout")
        return payout

    @get("/payouts/{payout_id:str}", opt=needs(Permission.PAYOUTS_VIEW))
    async def payout(request: PageRequest, payout_id: str) -> Response[Any]:
        ctx = context_of(request)
        body = await found(ctx, payout_id)
        context = {
            "payout": body,
            "can_cancel": body.status == Status.PENDING_APPROVAL and ctx.may(Permission.PAYOUTS_WRITE),
            **await detail_context(cabinet, ctx, body),
        }
        return await cabinet.page(request, "cabinet/payouts/detail.html", context)

    @get("/payouts/{payout_id:str}/cancel", opt=needs(Permission.PAYOUTS_WRITE))
    async def cancel_page(request: PageRequest, payout_id: str) -> Response[Any]:
        ctx = context_of(request)
        body = await found(ctx, payout_id)
        if body.status != Status.PENDING_APPROVAL:
            return identity.redirect(request, ctx.path("payouts", body.id), flash=NOT_CANCELLABLE, tone="caution")
        return await cabinet.page(request, "cabinet/payouts/cancel.html", {"payout": body, "form": Form.empty()})

    @form_post(
        "/payouts/{payout_id:str}/cancel",
        does="Cancel a payout",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.PAYOUTS_WRITE),
    )
    async def cancel(request: PageRequest, payout_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        body = await found(ctx, payout_id)
        back = ctx.path("payouts", body.id)
        try:
            await identity.require_fresh_code(request, form)
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/payouts/cancel.html", {"payout": body})
        try:
            await services.payouts.cancel_by(ctx.member, ctx.mode, payout_id, clock.now())
        except ApiError as error:
            if error.code is not Code.PAYOUT_NOT_CANCELLABLE:
                raise
            return identity.nothing_done(request, back, NOT_CANCELLABLE)
        return identity.redirect(request, back, flash="The payout is cancelled, and its amount available again.")

    return [payouts, new_payout, review, request_payout, payout, cancel_page, cancel]


def _value_of(one: AssetBalance) -> str:
    """The value of an asset in the form's select."""
    return f"{one.asset.symbol}@{one.network.chain}"


def _new_payout(choices: list[assets.Choice], form: Form) -> NewPayout:
    """The payout that the form requests. Records what is wrong with it; `asset` is empty where none is chosen."""
    choice = assets.chosen(form, choices, form.text("asset"), "asset")
    return NewPayout(
        asset=choice.asset.symbol if choice else "",
        chain=choice.network.chain if choice else "",
        amount=amounts.amount(form, "amount", choice.asset.symbol if choice else ""),
        destination=required(form, "destination", "Enter the destination address."),
        description=optional(form, "description", 500),
        requested_by="",  # the service writes who requests it
    )


def _review_context(ctx: MemberContext, form: Form, quote: Quote) -> dict[str, Any]:
    def decimal(raw: int) -> str:
        return format_amount(raw, quote.asset.decimals)

    return {
        "form": form,
        "first_step": [(name, form.text(name)) for name in FIRST_STEP_FIELDS],
        "quote": quote,
        "amount": decimal(quote.amount_raw),
        "fee": decimal(quote.fee_raw),
        "total": decimal(quote.total_raw),
        "available": decimal(quote.available_raw),
        "left": decimal(quote.left_raw),
        "change_url": ListQuery(
            ctx.path("payouts", "new"), {name: form.text(name) for name in FIRST_STEP_FIELDS}
        ).first_url,
    }
