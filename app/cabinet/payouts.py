"""Payouts: requesting one in two steps (what it costs, then the code), the list, one payout, cancelling it."""

from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import assets
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.forms import catching, optional, required
from app.cabinet.guard import needs
from app.cabinet.withdrawals import detail_context, list_context
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.money import format_amount, group_digits
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.identity.lists import ListQuery
from app.merchants.roles import Permission
from app.payouts.service import NewPayout, Quote
from app.reports.balances import balances
from app.web.idempotency import create_once, replay_of
from app.withdrawals.presentation import PayoutBody
from app.withdrawals.states import Status

FIRST_STEP_FIELDS = ("asset", "amount", "destination", "description")
"""Fields of the first step, which the second step repeats."""

NOT_CANCELLABLE = "It can’t be cancelled any more: an operator has decided, or it was cancelled already."


def handlers(cabinet: Cabinet) -> list[Any]:
    """`payouts`, `payouts/new`, `payouts/review`, `payouts/{id}`, `payouts/{id}/cancel`."""
    services, identity = cabinet.services, cabinet.identity

    @get("/payouts", opt=needs(Permission.VIEW))
    async def payouts(request: PageRequest) -> Response[Any]:
        context = await list_context(cabinet, request, "payout", services.withdrawal_reader.payouts)
        return await cabinet.page(request, "cabinet/payouts/list.html", context)

    async def form_context(ctx: MemberContext, form: Form) -> dict[str, Any]:
        held = await balances(services.networks, ctx.merchant_id, ctx.mode)
        offered = [
            (
                f"{one.asset.symbol}@{one.network.chain}",
                f"{one.asset.symbol} on {one.network.display_name}: "
                f"{group_digits(format_amount(max(0, one.available_raw), one.asset.decimals))} available",
            )
            for one in held
        ]
        return {"form": form, "assets": offered, "has_money": any(one.available_raw > 0 for one in held)}

    @get("/payouts/new", opt=needs(Permission.PAYOUTS_WRITE))
    async def new_payout(request: PageRequest) -> Response[Any]:
        given = {name: request.query_params.get(name, "") for name in FIRST_STEP_FIELDS}
        context = await form_context(context_of(request), Form.empty(**given))
        return await cabinet.page(request, "cabinet/payouts/new.html", context)

    @get("/payouts/review", opt=needs(Permission.PAYOUTS_WRITE))
    async def review(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        form = Form.empty(**{name: request.query_params.get(name, "") for name in FIRST_STEP_FIELDS})
        try:
            with catching(form):
                quote = await services.payouts.quote(
                    ctx.member, ctx.mode, _new_payout(assets.every(services, ctx), form)
                )
        except FormRefused:
            context = await form_context(ctx, form)
            return await cabinet.refused(request, form, "cabinet/payouts/new.html", context)
        return await cabinet.page(request, "cabinet/payouts/review.html", _review_context(ctx, form, quote))

    @form_post(
        "/payouts/review", does="Request a payout", step_up=StepUp.FRESH_CODE, opt=needs(Permission.PAYOUTS_WRITE)
    )
    async def request_payout(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            with catching(form):
                new = _new_payout(assets.every(services, ctx), form)
                quote = await services.payouts.quote(ctx.member, ctx.mode, new)
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/payouts/new.html", await form_context(ctx, form))
        try:
            with catching(form):
                await identity.require_fresh_code(request, form)
                replay = replay_of(
                    identity.form_key(request),
                    merchant_id=ctx.merchant_id,
                    mode=ctx.mode,
                    endpoint="cabinet payout",
                    body=(ctx.member.account_id, new.asset, new.chain, new.amount, new.destination),
                )
                made = await create_once(
                    replay, lambda replay: services.payouts.request(ctx.member, ctx.mode, new, replay, clock.now())
                )
        except FormRefused:
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

    @get("/payouts/{payout_id:str}", opt=needs(Permission.VIEW))
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


def _new_payout(choices: list[assets.Choice], form: Form) -> NewPayout:
    """The payout that the form requests. Raises FormRefused, INVALID_INPUT."""
    choice = assets.chosen(choices, form.text("asset"), "asset")
    return NewPayout(
        asset=choice.asset.symbol,
        chain=choice.network.chain,
        amount=required(form, "amount", "enter an amount"),
        destination=required(form, "destination", "enter a destination address"),
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
