"""Approvals: the list of waiting payouts and refunds with its filters, and the page of each, where it is approved.

Each approval needs a code in the same form, or a passkey that has signed the payment's digest. The form has the digest
of the payment that is shown, and the service refuses any other. Attaching a transaction that has paid it already works
the same way. A decision leads to the next case of the list as it was filtered.
"""

import binascii
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.audit import log
from app.audit.log import Filters
from app.backoffice import hands, networks, node_looks, queue, withdrawals
from app.backoffice.node_looks import Booked, NodeLook
from app.backoffice.withdrawals import WithdrawalDetails
from app.case_notes.service import Kind
from app.core import clock
from app.core.keyset import Place, Total
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest, visitor_of
from app.identity.keeping import NOTE, OWN
from app.identity.paging import by_moment
from app.identity.passkey_forms import Asked, answer_of
from app.invoices.quoting import format_price
from app.lookups import limits
from app.networks.config import Asset
from app.operator import cases, lists, notes
from app.operator.beside import beside
from app.operator.cases import CaseQueue
from app.operator.desk import Desk, code_of, nothing_here, operator_of, reason_of, refusals
from app.operator.labels import Labels
from app.operator.warnings import warnings_about, why_not, why_not_attach
from app.rates.service import worth_raw
from app.signer import approvers_repository
from app.withdrawals.conflicts import Conflict, conflict_of
from app.withdrawals.digest import digest
from app.withdrawals.states import Status

STATES = ("waiting", "moving", "decided")

ACTIONS_SHOWN = 20


class Case(msgspec.Struct, frozen=True):
    """A payout or refund, in the queue from which it was opened. `next_id` is the next one that the operator may
    approve, None where there is none."""

    details: WithdrawalDetails
    queue: CaseQueue
    next_id: str | None

    @property
    def kind(self) -> Kind:
        """Payout or refund, as a kind of case."""
        return "refund" if self.details.kind == "refund" else "payout"


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/approvals`."""
    services, identity = desk.services, desk.identity

    @get("/approvals")
    async def listed(request: PageRequest) -> Response[bytes]:
        state = lists.choice(request, "state", STATES, "waiting")
        context: dict[str, Any] = {"state": state}
        if state == "moving":
            moving = await networks.on_the_way()
            total = Total(len(moving), is_exact=len(moving) < networks.MOST_WAITING)
            return await desk.page(request, "approvals/moving", {**context, "moving": moving, "total": total})
        choices = {"kind": cases.KINDS, **cases.money_choices(services)}
        if state == "decided":
            ended, choices = cases.decided_queue(request, clock.now()), {**choices, "status": cases.ENDS}
            decided, around = await lists.read(
                ended.pages(request, by_moment, state=state),
                lambda place, limit: withdrawals.decided(place, limit, ended.filters),
                lambda: withdrawals.total_decided(ended.filters),
                **choices,
            )
            context |= {**around, "decided": decided, "choices": choices}
            return await desk.page(request, "approvals/decided", context)
        cases_queue, account_id = cases.approvals_queue(request, clock.now()), operator_of(request).account_id
        choices |= {"age": cases.age_choices(), "who": cases.APPROVALS_OF_WHOM}
        waiting, around = await lists.read(
            cases_queue.pages(request, by_moment),
            lambda place, limit: queue.waiting_withdrawals(account_id, place, limit, cases_queue.filters),
            lambda: queue.total_waiting(account_id, cases_queue.filters),
            **choices,
        )
        context |= {
            **around,
            "waiting": waiting,
            "queue": cases_queue,
            "sums": await queue.waiting_sums(account_id, cases_queue.filters),
            "choices": choices,
        }
        return await desk.page(request, "approvals/list", context, actors=[one.requested_by for one in waiting])

    @get("/approvals/{withdrawal_id:str}")
    async def one(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        return await show(request, "one", await find(request, withdrawal_id), Form.empty())

    @form_post(
        "/approvals/{withdrawal_id:str}/approve",
        does="Approve a payout or refund",
        step_up=StepUp.CODE_EACH_TIME,
        page="/approvals/{withdrawal_id:str}",
        shown_as=OWN,
    )
    async def approve(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        form, by = await identity.read_form(request), operator_of(request)
        case, passkey = await find(request, withdrawal_id), answer_of(form)
        try:
            with refusals(form):
                if passkey is None:
                    status = await services.approvals.approve(
                        withdrawal_id,
                        by.account_id,
                        form.text("code").replace(" ", ""),
                        clock.now(),
                        shown=_digest(form.text("digest")),
                        address=by.address,
                    )
                else:  # it has signed the digest of what was shown
                    status = await services.approvals.approve_by_passkey(
                        withdrawal_id,
                        by.account_id,
                        passkey.answer,
                        clock.now(),
                        shown=_digest(form.text("digest")),
                        address=by.address,
                    )
        except FormRefused:
            return await show(request, "one", await find(request, withdrawal_id), form, status=422)
        what = _text_of(case.details, Labels(services.networks))
        if status == Status.PENDING_APPROVAL:
            return onward(request, case, f"Your approval of {what} is recorded. A second operator must approve it too.")
        return onward(request, case, f"Approved: {what}. The signer sends it next.")

    @get("/approvals/{withdrawal_id:str}/reject")
    async def reject_page(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        return await show(request, "reject", await find(request, withdrawal_id), Form.empty())

    @form_post("/approvals/{withdrawal_id:str}/reject", does="Reject a payout or refund", step_up=StepUp.FRESH_CODE)
    async def reject(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        form = await identity.read_form(request)
        case = await find(request, withdrawal_id)
        try:
            reason = reason_of(form)
            by = await desk.verified_operator(request, form)
            with refusals(form):
                await services.approvals.reject(withdrawal_id, by.account_id, reason, clock.now(), address=by.address)
        except FormRefused:
            return await show(request, "reject", await find(request, withdrawal_id), form, status=422)
        what = _text_of(case.details, Labels(services.networks))
        return onward(request, case, f"Rejected: {what}. Its money is available again.")

    @get("/approvals/{withdrawal_id:str}/attach")
    async def attach_page(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        return await show(request, "attach", await find(request, withdrawal_id), Form.empty())

    @form_post(
        "/approvals/{withdrawal_id:str}/attach",
        does="Attach a transaction that paid it already",
        step_up=StepUp.CODE_EACH_TIME,
    )
    async def attach(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        form, by = await identity.read_form(request), operator_of(request)
        case = await find(request, withdrawal_id)
        try:
            reason, code = reason_of(form), code_of(form)
            if not form.text("txid"):
                form.record("txid", "Enter the id of the transaction.")
            form.refuse_if_wrong()
            with refusals(form):
                await services.adoption.adopt(
                    withdrawal_id,
                    form.text("txid"),
                    by.account_id,
                    code,
                    reason,
                    clock.now(),
                    shown=_digest(form.text("digest")),
                    address=by.address,
                )
        except FormRefused:
            return await show(request, "attach", await find(request, withdrawal_id), form, status=422)
        what = _text_of(case.details, Labels(services.networks))
        return onward(request, case, f"Confirmed with its transaction: {what}.")

    @form_post(
        "/approvals/{withdrawal_id:str}/notes",
        does="Leave a note on a payout or refund",
        step_up=StepUp.FRESH_CODE,
        page="/approvals/{withdrawal_id:str}",
        shown_as=NOTE,
    )
    async def leave_note(request: PageRequest, withdrawal_id: str) -> Response[bytes]:
        case = await find(request, withdrawal_id)
        refused = await notes.leave(desk, request, case.kind, withdrawal_id)
        if refused is not None:
            return await show(request, "one", case, Form.empty(), note_form=refused, status=422)
        return desk.done(request, notes.NOTE_LEFT, case.queue.case(withdrawal_id))

    def onward(request: PageRequest, case: Case, flash: str) -> Response[bytes]:
        """To the next case of the queue, with what was done and the way back to it."""
        case_id = case.details.intent.id
        return desk.done(request, flash, case.queue.onward(case.next_id), (f"See {case_id}", case.queue.case(case_id)))

    async def find(request: PageRequest, withdrawal_id: str) -> Case:
        now = clock.now()
        details = await withdrawals.details_of(withdrawal_id, now)
        if details is None:
            raise nothing_here()
        found = cases.approvals_queue(request, now)
        after = Place((details.created_at, withdrawal_id))
        by = operator_of(request).account_id
        return Case(details, found, await queue.next_to_approve(by, found.filters, after, but=withdrawal_id))

    async def show(
        request: PageRequest,
        template: str,
        case: Case,
        form: Form,
        *,
        note_form: Form | None = None,
        status: int = 200,
    ) -> Response[bytes]:
        by, details = operator_of(request), case.details
        case_id = details.intent.id
        network = Labels(services.networks).config(details.intent.network)
        asset = None if network is None else network.asset(details.intent.asset)
        conflict = await conflict_of(case_id, by.account_id)
        actions = await log.page(Filters(subject=case_id), None, ACTIONS_SHOWN)
        signers = await approvers_repository.reported()
        context = {
            "details": details,
            "asset": asset,
            "worth_now": None if asset is None else await _worth_now(details, asset),
            "warnings": warnings_about(details, asset),
            "why_not": why_not(details, by.account_id, conflict),
            "why_not_attach": why_not_attach(details, conflict),
            "asked": await asked_to_sign(request, details, conflict),
            "signer_asks": bool(signers),
            "form": form,
            "queue": case.queue,
            "next_id": case.next_id,
            "hands": await hands.of_withdrawal(case_id, {each.fingerprint for each in signers}),
            "beside": beside(
                details, await networks.hot_wallet_amounts(details.intent.network), Labels(services.networks)
            ),
            "actions": actions,
            "decided": next((each for each in actions if each.action in _DECISIONS), None),
            **await notes.shown(
                case.kind, case_id, case.queue.with_filters(f"/desk/approvals/{case_id}/notes"), note_form
            ),
            "can_have_passkeys": services.passkeys.can_be,
            "node": await node_look(request, details),
        }
        actors = [details.requested_by, *(each.actor for each in actions)]
        return await desk.page(request, f"approvals/{template}", context, actors=actors, status=status)

    async def asked_to_sign(
        request: PageRequest, details: WithdrawalDetails, conflict: Conflict | None
    ) -> Asked | None:
        """What the page asks the operator's passkey for: a signature of the payment's digest, while it may count."""
        session = visitor_of(request).session
        is_open = details.status in (Status.PENDING_APPROVAL, Status.APPROVED) and not details.transactions
        if not (services.passkeys.can_be and session.has_passkey and is_open and conflict is None):
            return None
        return Asked.of(await services.passkeys.to_approve(session.account_id, digest(details.intent)), None)

    async def node_look(request: PageRequest, details: WithdrawalDetails) -> NodeLook | None:
        """What a node says of the newest transaction, where the page was asked for that (`?node=1`)."""
        if request.query_params.get("node") != "1" or not details.transactions:
            return None
        await limits.count(identity.rate_limiter, request.scope["state"])
        newest, intent = details.transactions[0], details.intent
        booked = Booked(
            network=intent.network,
            txid=newest.txid,
            asset=intent.asset,
            amount_raw=intent.amount_raw,
            to_address=intent.destination,
            block_height=newest.block_height,
        )
        return await node_looks.look(services.networks, booked)

    return [listed, one, approve, reject_page, reject, attach_page, attach, leave_note]


_DECISIONS = ("withdrawal.approved", "withdrawal.rejected", "withdrawal.transaction_adopted")


async def _worth_now(details: WithdrawalDetails, asset: Asset) -> dict[str, str] | None:
    """What the amount is worth now, in the currency of the invoice's price, else of the merchant's books: `amount` is
    empty where there is no rate, `price` where there is no price. None without a currency."""
    currency = details.price.currency if details.price else details.reporting_currency
    if currency is None:
        return None
    worth = await worth_raw(details.intent.amount_raw, asset.symbol, asset.decimals, currency, clock.now())
    return {
        "currency": currency,
        "amount": "" if worth is None else format_price(worth, currency),
        "price": "" if details.price is None else format_price(details.price.raw, currency),
    }


def _text_of(details: WithdrawalDetails, labels: Labels) -> str:
    intent = details.intent
    amount = labels.amount_in_text(intent.network, intent.asset, intent.amount_raw)
    return f"{intent.id}, {amount} to {labels.short(intent.destination)}"


def _digest(text: str) -> bytes:
    """The digest that the form carries; an invalid one becomes empty and matches nothing."""
    try:
        return binascii.unhexlify(text.strip())
    except (binascii.Error, ValueError):
        return b"none"
