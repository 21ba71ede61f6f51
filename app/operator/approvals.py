"""Approvals: a list of what waits, and a page of its own for each payout or refund, where it is approved.

Approving asks for a code in its very form, each time, whatever was given before; the form carries the digest of what
is shown, and the service refuses another.
"""

import binascii
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts.operators import stated_reason
from app.core import clock
from app.operator import lists
from app.operator.cautions import cautions, why_not
from app.operator.desk import Asked, Desk, nothing_here, operator_of, refusals
from app.operator.words import Words
from app.oversight import networks, queue, withdrawals
from app.oversight.withdrawals import Dossier
from app.portal.form_routes import StepUp, form_post
from app.portal.forms import Form, FormRefused
from app.withdrawals.states import Status

STATES = ("waiting", "moving", "decided")


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/approvals`."""
    gateway, portal = desk.gateway, desk.portal

    @get("/approvals")
    async def listed(request: Asked) -> Response[bytes]:
        state = lists.choice(request, "state", STATES, "waiting")
        context: dict[str, Any] = {"state": state}
        if state == "moving":
            return await desk.page(request, "approvals/moving", {**context, "moving": await networks.on_the_way()})
        after = lists.after_moment(request)
        if state == "decided":
            decided, last = await withdrawals.decided(after, lists.PAGE_SIZE)
            context |= {"decided": decided, "pager": lists.pager(request, {"state": state}, last)}
            return await desk.page(request, "approvals/decided", context)
        waiting, last = await queue.waiting_withdrawals(operator_of(request).account_id, after, lists.PAGE_SIZE)
        context |= {"waiting": waiting, "pager": lists.pager(request, {}, last)}
        return await desk.page(request, "approvals/list", context, actors=[one.requested_by for one in waiting])

    @get("/approvals/{withdrawal_id:str}")
    async def one(request: Asked, withdrawal_id: str) -> Response[bytes]:
        return await show(request, "one", await find(withdrawal_id), Form.empty())

    @form_post(
        "/approvals/{withdrawal_id:str}/approve",
        does="Approve a payout or refund",
        step_up=StepUp.CODE_EACH_TIME,
        page="/approvals/{withdrawal_id:str}",
    )
    async def approve(request: Asked, withdrawal_id: str) -> Response[bytes]:
        form, by = await portal.read_form(request), operator_of(request)
        file = await find(withdrawal_id)
        try:
            with refusals(form):
                status = await gateway.approvals.approve(
                    withdrawal_id,
                    by.account_id,
                    form.text("code").replace(" ", ""),
                    clock.now(),
                    shown=_digest(form.text("digest")),
                    address=by.address,
                )
        except FormRefused:
            return await show(request, "one", await find(withdrawal_id), form, status=422)
        what = _told(file, Words(gateway.networks))
        if status == Status.PENDING_APPROVAL:
            return desk.done(
                request, f"Your approval of {what} is written down. A second operator must approve it too."
            )
        return desk.done(request, f"Approved: {what}. The signer sends it next.")

    @get("/approvals/{withdrawal_id:str}/reject")
    async def ask_to_reject(request: Asked, withdrawal_id: str) -> Response[bytes]:
        return await show(request, "reject", await find(withdrawal_id), Form.empty())

    @form_post("/approvals/{withdrawal_id:str}/reject", does="Reject a payout or refund", step_up=StepUp.FRESH_CODE)
    async def reject(request: Asked, withdrawal_id: str) -> Response[bytes]:
        form = await portal.read_form(request)
        file = await find(withdrawal_id)
        try:
            by = await desk.proven(request, form)
            with refusals(form):
                await gateway.approvals.reject(
                    withdrawal_id, by.account_id, stated_reason(form.text("reason")), clock.now(), address=by.address
                )
        except FormRefused:
            return await show(request, "reject", await find(withdrawal_id), form, status=422)
        return desk.done(request, f"Rejected: {_told(file, Words(gateway.networks))}. Its money is available again.")

    async def find(withdrawal_id: str) -> Dossier:
        file = await withdrawals.dossier(withdrawal_id, clock.now())
        if file is None:
            raise nothing_here()
        return file

    async def show(request: Asked, template: str, file: Dossier, form: Form, *, status: int = 200) -> Response[bytes]:
        network = Words(gateway.networks).config(file.intent.network)
        asset = None if network is None else network.asset(file.intent.asset)
        context = {
            "file": file,
            "asset": asset,
            "cautions": cautions(file, asset),
            "why_not": why_not(file, operator_of(request).account_id),
            "form": form,
        }
        return await desk.page(request, f"approvals/{template}", context, actors=[file.requested_by], status=status)

    return [listed, one, approve, ask_to_reject, reject]


def _told(file: Dossier, words: Words) -> str:
    intent = file.intent
    amount = words.amount(intent.network, intent.asset, intent.amount_raw)
    return f"{intent.id}, {amount} to {words.short(intent.destination)}"


def _digest(text: str) -> bytes:
    """The digest that the form carries; what is none fits nothing."""
    try:
        return binascii.unhexlify(text.strip())
    except (binascii.Error, ValueError):
        return b"none"
