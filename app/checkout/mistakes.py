"""Transfers that did not simply pay: what happened, what happens next, and what the customer can do.

`mistakes_of` makes the values of the page from the open reviews; `explain` puts one into words.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.checkout.source import ANOMALIES
from app.checkout.view import Anomaly, CheckoutView, Mistake, ReturnState, shorten
from app.core.money import format_amount, group_digits
from app.deposits.matching import Verdict
from app.invoices.states import Status
from app.networks.config import NetworkConfig
from app.networks.registry import Networks
from app.refunds.return_addresses_repository import Case
from app.web.languages import Language


class MistakeWords(msgspec.Struct, frozen=True, kw_only=True):
    """The sentences on one transfer. What is empty does not apply."""

    title: str
    """What happened."""
    difference: str
    """What the difference is called: too little or too much."""
    came_at: str
    due_at: str
    """The moments, in UTC; only where they are what went wrong."""
    happens_next: str
    how_long: str
    """How long a review takes."""
    can_do: str
    """What the customer can do, or must not do."""
    returning: str
    """What is known about where it should be sent back to."""
    ask: str
    """The label of the link to the page that asks."""


def mistakes_of(
    cases: Sequence[Case], networks: Networks, is_asked: Callable[[Case], bool], return_url: Callable[[str], str]
) -> tuple[Mistake, ...]:
    """The open cases of an invoice as its page shows them; `return_url` takes a deposit's id."""
    return tuple(mistake_of(case, networks.get(case.network), is_asked(case), return_url) for case in cases)


def mistake_of(case: Case, network: NetworkConfig, is_asked: bool, return_url: Callable[[str], str]) -> Mistake:
    """One open case as the page shows it."""
    facts: dict[str, Any] = json.loads(case.facts)
    asked = facts["asked"] or {}
    asked_asset = network.asset(asked.get("asset") or "")
    came_asset = network.asset(case.asset)
    assert came_asset is not None, "assets are never removed from a network that has deposits"
    difference_raw = 0
    if asked_asset is came_asset:
        difference_raw = abs(int(asked["amount_raw"]) - case.amount_raw)
    return Mistake(
        anomaly=ANOMALIES.get(Verdict(case.verdict), Anomaly.OTHER),
        asset=case.asset,
        came_decimal=format_amount(case.amount_raw, came_asset.decimals),
        came_at=datetime.fromisoformat(facts["came"]["at"]),
        asked_asset=asked_asset.symbol if asked_asset else "",
        asked_decimal=format_amount(int(asked["amount_raw"]), asked_asset.decimals) if asked_asset else "",
        difference_decimal=format_amount(difference_raw, came_asset.decimals) if difference_raw else "",
        due_at=datetime.fromisoformat(asked["before"]) if asked else None,
        is_returning=case.review_status == "returning",
        return_state=_return_state(case) if is_asked else ReturnState.NOT_ASKED,
        return_url=return_url(case.deposit_id) if is_asked else "",
        given_short=shorten(case.given.address) if case.given else "",
    )


def _return_state(case: Case) -> ReturnState:
    if case.given is None:
        return ReturnState.ASKED
    return {
        None: ReturnState.GIVEN,
        "confirmed": ReturnState.CONFIRMED,
        "rejected": ReturnState.REJECTED,
    }[case.given.decision]


def explain(mistake: Mistake, view: CheckoutView, language: Language) -> MistakeWords:
    """What happened to one transfer, in the reader's language."""
    is_late = mistake.anomaly in (Anomaly.LATE, Anomaly.AFTER_CANCELLATION)
    has_due = mistake.anomaly is Anomaly.LATE and mistake.due_at is not None
    returning, ask = _return_words(mistake, view, language)
    return MistakeWords(
        title=_title(mistake, view, language),
        difference=_difference(mistake, language),
        came_at=language.moment(mistake.came_at) if is_late else "",
        due_at=language.moment(mistake.due_at) if has_due and mistake.due_at else "",
        happens_next=_happens_next(mistake, view, language),
        how_long="" if mistake.is_returning else _how_long(view, language),
        can_do="" if mistake.is_returning else _can_do(mistake, view, language),
        returning=returning,
        ask=ask,
    )


def _title(mistake: Mistake, view: CheckoutView, language: Language) -> str:
    """What went wrong, in one sentence, and by how much."""
    _ = language.gettext
    if not mistake.difference_decimal or mistake.anomaly not in (Anomaly.LESS, Anomaly.MORE):
        return what_happened(mistake.anomaly, mistake.asked_asset or view.asset, language)
    if mistake.anomaly is Anomaly.LESS:
        words = _("%(amount)s less came in than was asked for.")
    else:
        words = _("%(amount)s more came in than was asked for.")
    return words % {"amount": language.isolate(f"{group_digits(mistake.difference_decimal)} {mistake.asset}")}


def what_happened(anomaly: Anomaly, asked_asset: str, language: Language) -> str:
    """What went wrong, in one sentence."""
    _ = language.gettext
    match anomaly:
        case Anomaly.LESS:
            return _("Less came in than was asked for.")
        case Anomaly.MORE:
            return _("More came in than was asked for.")
        case Anomaly.LATE:
            return _("The payment came in after its time was up.")
        case Anomaly.AFTER_CANCELLATION:
            return _("The payment came in after it had been cancelled.")
        case Anomaly.SECOND_TRANSFER:
            return _("A second payment came in.")
        case Anomaly.OTHER_ASSET:
            return _("Something other than %(asset)s came in.") % {"asset": language.isolate(asked_asset)}
        case Anomaly.OTHER:
            return _("The payment that came in doesn’t match what was asked for.")


def _difference(mistake: Mistake, language: Language) -> str:
    _ = language.gettext
    if mistake.difference_decimal and mistake.anomaly is Anomaly.LESS:
        return _("Too little")
    if mistake.difference_decimal and mistake.anomaly is Anomaly.MORE:
        return _("Too much")
    return ""


def _happens_next(mistake: Mistake, view: CheckoutView, language: Language) -> str:
    _ = language.gettext
    if mistake.is_returning and mistake.anomaly is Anomaly.MORE and view.is_settled:
        return _("What is too much is being sent back. Nothing more to do.")
    if mistake.is_returning:
        return _("It is being sent back. Nothing more to do.")
    match mistake.anomaly:
        case Anomaly.SECOND_TRANSFER:
            words = _("Your first payment counts. A person looks at the second one: it is credited or sent back.")
        case Anomaly.MORE:
            words = _("A person looks at it: it is accepted as it is, or what is too much is sent back.")
        case Anomaly.OTHER_ASSET:
            words = _("It doesn’t count as your payment. A person looks at it: it is credited or sent back.")
        case _:
            words = _("A person looks at it: it is accepted as it is, or it is sent back.")
    return words


def _how_long(view: CheckoutView, language: Language) -> str:
    _ = language.gettext
    if view.review_takes is None:
        return _("This is done by hand and can take some hours.")
    return _("Usual time of a review: %(duration)s.") % {
        "duration": language.isolate(language.duration(view.review_takes))
    }


def _can_do(mistake: Mistake, view: CheckoutView, language: Language) -> str:
    """What the customer can do now, and what not."""
    _ = language.gettext
    if view.is_settled or mistake.anomaly is Anomaly.SECOND_TRANSFER:
        return _("Please don’t send anything more.")
    if view.status in (Status.AWAITING_DEPOSIT, Status.CONFIRMING, Status.AWAITING_CHOICE):
        return ""  # the page itself says what to do
    amount = {"amount": language.isolate(f"{view.amount_decimal} {view.asset}")}
    if view.may_still_be_paid and mistake.anomaly is Anomaly.LESS and not view.accepts_parts:
        return (
            _(
                "Please don’t send only the rest: it would not count. You can wait for the outcome, or pay again in "
                "time: exactly %(amount)s in one transfer."
            )
            % amount
        )
    if view.may_still_be_paid and mistake.anomaly is Anomaly.OTHER_ASSET:
        return _("You can still pay in time: exactly %(amount)s in one transfer.") % amount
    if mistake.anomaly in (Anomaly.LATE, Anomaly.AFTER_CANCELLATION):
        return _("Please don’t send anything more. If you still want to buy, ask %(merchant)s for a new payment.") % {
            "merchant": language.isolate(view.merchant_name)
        }
    return _("Please don’t send anything more.")


def _return_words(mistake: Mistake, view: CheckoutView, language: Language) -> tuple[str, str]:
    """What is known about the return address, and the label of the link to its page."""
    _ = language.gettext
    address, merchant = language.isolate(mistake.given_short), language.isolate(view.merchant_name)
    match mistake.return_state:
        case ReturnState.NOT_ASKED:
            return "", ""
        case ReturnState.ASKED:
            return (
                _("If it is sent back, it needs an address of yours."),
                _("Where should it be sent back?"),
            )
        case ReturnState.GIVEN:
            return (
                _("If it is sent back, it goes to %(address)s.") % {"address": address},
                _("Change the address"),
            )
        case ReturnState.CONFIRMED:
            words = _("If it is sent back, it goes to %(address)s. %(merchant)s has confirmed this address.")
            return words % {"address": address, "merchant": merchant}, ""
        case ReturnState.REJECTED:
            words = _("%(merchant)s has not accepted the address %(address)s. Please name another one.")
            return words % {"address": address, "merchant": merchant}, _("Where should it be sent back?")
