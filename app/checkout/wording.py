"""A `CheckoutView` in plain words: where the payment stands, and what to do about it.

Every sentence goes through `_()` or `ngettext()`, so that Babel finds it; names and figures are filled in
afterwards, as plain text that the template escapes. Amounts of money are filled in as they are and not formatted
for the language: "1.234,5" and "1,234.5" are different sums to different wallets, and the digits identify the payment.
"""

from msgspec import Struct

from app.checkout import choosing
from app.checkout.mistakes import what_happened
from app.checkout.view import CheckoutView, FeePayer, Gone
from app.core.money import group_digits
from app.invoices.states import Status
from app.web.languages import Language

RETURN_AFTER_S = 10
"""Long enough to read "Paid" and to stop the redirect, and short enough to wait for."""


NON_BREAKING_HYPHEN = "\N{NON-BREAKING HYPHEN}"


class Words(Struct, frozen=True, kw_only=True):
    """The sentences of one page, translated."""

    headline: str
    next_step: str
    anomaly: str
    """The anomaly of the deposit, or empty; empty too where the page explains each transfer (mistakes.py)."""
    gone: str
    """What became of the payment that was seen, or empty."""
    amount_label: str
    tail_hint: str
    """Why the digits matter, or empty where the invoice is not payable."""
    network: str
    """`Tron (TRC-20)`."""
    network_warning: str
    fee: str
    """Who pays the service fee, or that it was included; empty if there is nothing to say."""
    on_top: str
    """That fees of networks and exchanges must not reduce the amount; empty where nothing is to be paid."""
    network_fee: str
    """What the network charges in addition, or empty where that is not known or nothing is to be paid."""
    progress: str
    """`12 of 20 confirmations`, or empty outside confirming."""
    estimate: str
    """`About 30 seconds to go`, or empty outside confirming."""
    time_left: str
    """`59:07`, `1:02:03` or `6 days 02:03:04`."""
    invoice_time_left: str
    """The same until the invoice's own end, where a quote ends before it; else empty."""
    price: str
    """`Your price: 49.90 EUR` beside an amount in coins; else empty."""
    rate: str
    """`1 BTC = 51,200.00 EUR, 2 minutes ago`; empty without a quote."""
    announcement: str
    """What a screen reader says when the page changes by itself."""


def put_into_words(view: CheckoutView, language: Language) -> Words:
    """Every sentence that depends on the invoice."""
    is_confirming = view.status is Status.CONFIRMING
    progress_words = progress(view, language) if is_confirming else ""
    estimate_words = estimate(view, language)
    gone_words, network_words = gone(view, language), network(view)
    announced = [headline(view, language)]
    announced += [progress_words, estimate_words] if is_confirming else [gone_words]
    return Words(
        headline=announced[0],
        next_step=next_step(view, language),
        anomaly=anomaly(view, language),
        gone=gone_words,
        amount_label=amount_label(view, language),
        tail_hint=tail_hint(view, language),
        network=network_words,
        network_warning=network_warning(view.asset, network_words, language),
        fee=fee(view, language),
        on_top=on_top(view, language),
        network_fee=choosing.network_fee(view.network_fee, language) if view.is_payable else "",
        progress=progress_words,
        estimate=estimate_words,
        time_left=time_left(view.seconds_left, language),
        invoice_time_left=(
            time_left(view.invoice_seconds_left, language) if view.invoice_seconds_left > view.seconds_left else ""
        ),
        price=price(view, language),
        rate=rate(view, language),
        announcement=". ".join(filter(None, announced)),
    )


def headline(view: CheckoutView, language: Language) -> str:
    """Where the payment stands, in a few words."""
    _ = language.gettext
    if view.has_run_out:
        return _("This amount has run out")
    if view.is_time_up:
        return _("The time to pay is up")
    if view.status is Status.AWAITING_DEPOSIT and view.is_overfull:
        return _("We are checking your payment")
    if view.is_payable and view.came_decimal:
        return _("%(amount)s still to send") % {"amount": language.isolate(f"{view.amount_decimal} {view.asset}")}
    match view.status:
        case Status.AWAITING_CHOICE:
            return _("Choose what to pay with")
        case Status.AWAITING_DEPOSIT:
            return _("Waiting for your payment")
        case Status.CONFIRMING if view.waits_for_block:
            return _("Seen, waits for the first block")
        case Status.CONFIRMING:
            return _("We see your payment")
        case Status.PAID:
            return _("Payment complete")
        case Status.PARTIALLY_REFUNDED:
            return _("Partly refunded")
        case Status.REFUNDED:
            return _("Refunded")
        case Status.EXPIRED:
            return _("This payment has expired")
        case Status.CANCELLED:
            return _("This payment was cancelled")
        case Status.MANUAL_REVIEW:
            return _("We are checking your payment")
        case Status.CLOSED:
            return _("This payment is closed")


def next_step(view: CheckoutView, language: Language) -> str:
    """What the customer should do now, or that there is nothing to do."""
    _ = language.gettext
    if view.has_run_out and not any(way.amount_decimal for way in view.ways_to_pay):
        return _("Please don’t send it any more. There is no exchange rate for a new one at the moment.")
    if view.has_run_out:
        return _(
            "Please don’t send it any more: get a new one at today’s rate. "
            "If you have already paid, keep this page open."
        )
    if view.is_time_up or (view.status is Status.AWAITING_DEPOSIT and view.is_overfull):
        return _("Please don’t send anything now. If you have already paid, keep this page open.")
    match view.status:
        case Status.AWAITING_CHOICE if not any(way.amount_decimal for way in view.ways_to_pay):
            words = _("There is no exchange rate at the moment. This page tries again by itself.")
        case Status.AWAITING_CHOICE:
            words = _("The exact amount is fixed for some minutes once you choose.")
        case Status.AWAITING_DEPOSIT if view.came_decimal:
            words = _("What has come in counts. Now send exactly what is missing.")
        case Status.AWAITING_DEPOSIT if view.has_link_code:
            words = _("Scan the address with your wallet and enter exactly this amount, or copy both into it.")
        case Status.AWAITING_DEPOSIT:
            words = _("Scan the code with your wallet, or copy amount and address into it.")
        case Status.CONFIRMING if view.waits_for_block:
            words = _(
                "Nothing more to do: the network has your payment and will put it into a block, which can take a "
                "while. You may close this page."
            )
        case Status.CONFIRMING:
            words = _(
                "Nothing more to do: the network is confirming it. You may close this page, "
                "%(merchant)s will get your payment all the same."
            )
        case Status.PAID:
            words = _("Thank you. %(merchant)s has received your payment.")
        case Status.PARTIALLY_REFUNDED:
            words = _("%(merchant)s has sent a part of your payment back.")
        case Status.REFUNDED:
            words = _("%(merchant)s has sent your payment back.")
        case Status.EXPIRED:
            words = _(
                "Please don’t send anything to its address any more: go back to %(merchant)s and start "
                "again. If you have already paid, your money isn’t lost: a person will find and check it."
            )
        case Status.CANCELLED:
            words = _(
                "Please don’t send anything to its address any more. If you have already paid, your money "
                "isn’t lost: tell %(merchant)s the reference below."
            )
        case Status.MANUAL_REVIEW if view.mistakes:
            words = _("You may close this page; open it again to see the outcome.")
        case Status.MANUAL_REVIEW:
            words = _(
                "A person looks at it and either accepts it or has it sent back. Please don’t send anything "
                "more. You may close this page; open it again to see the outcome."
            )
        case Status.CLOSED:
            words = _(
                "It was checked and closed without counting as paid. If you have questions, "
                "tell %(merchant)s the reference below."
            )
    return words % {"merchant": language.isolate(view.merchant_name)}


def anomaly(view: CheckoutView, language: Language) -> str:
    """The anomaly of the deposit that an operator reviews; empty where there is none, or where each is explained."""
    if view.anomaly is None or view.mistakes:
        return ""
    return what_happened(view.anomaly, view.asset, language)


def gone(view: CheckoutView, language: Language) -> str:
    """What became of a payment that was seen and that no block has; empty where it still counts, or something else
    does."""
    _ = language.gettext
    if view.gone is None or view.status not in {Status.AWAITING_DEPOSIT, Status.EXPIRED}:
        return ""
    match view.gone:
        case Gone.REPLACED:
            return _("The payment that we saw was replaced by another transaction, so it doesn’t count.")
        case Gone.DROPPED:
            return _(
                "The network has dropped the payment that we saw. Look into your wallet before you send again: it "
                "may still come."
            )


def amount_label(view: CheckoutView, language: Language) -> str:
    """What the large figure is."""
    _ = language.gettext
    if view.is_payable:
        return _("Still missing: send exactly") if view.came_decimal else _("Send exactly")
    return _("You paid") if view.is_settled else _("Amount")


def tail_hint(view: CheckoutView, language: Language) -> str:
    """Why exactly this amount must be sent."""
    _ = language.gettext
    if not view.is_payable:
        return ""
    if view.came_decimal:
        names = {"came": view.came_decimal, "whole": view.whole_decimal, "asset": view.asset}
        words = _("%(came)s of %(whole)s %(asset)s have come in.")
        return words % {name: language.isolate(value) for name, value in names.items()}
    if view.cent_tail:
        return _("The last digits identify your payment: send exactly this amount.")
    if view.accepts_parts:
        return _("Send exactly this amount, in one transfer or in several.")
    return _("Send exactly this amount, in one transfer.")


def network(view: CheckoutView) -> str:
    """The network as wallets name it; a line must not end at the hyphen of `TRC-20`."""
    standard = view.token_standard.replace("-", NON_BREAKING_HYPHEN)
    return f"{view.chain_name} ({standard})" if standard else view.chain_name


def network_warning(asset: str, network: str, language: Language) -> str:
    """The warning that money sent on another network is lost."""
    _ = language.gettext
    names = {"asset": language.isolate(asset), "network": language.isolate(network)}
    return _("Send only %(asset)s, only on %(network)s. Anything else may be lost for good.") % names


def price(view: CheckoutView, language: Language) -> str:
    """The price in a national currency, beside the amount that it is in coins."""
    _ = language.gettext
    if not view.price_decimal or not view.address or view.has_run_out:
        return ""
    return _("Your price: %(price)s") % {"price": language.isolate(f"{view.price_decimal} {view.price_currency}")}


def rate(view: CheckoutView, language: Language) -> str:
    """The rate that the amount was made with, and its age in minutes."""
    _, ngettext = language.gettext, language.ngettext
    if view.rate is None or not (view.is_payable or view.may_still_be_paid):
        return ""
    equation = language.isolate(f"1 {view.asset} = {group_digits(view.rate.figure)} {view.price_currency}")
    minutes = max(0, int((view.now - view.rate.at).total_seconds() // 60))
    if minutes == 0:
        return _("Rate: %(rate)s, less than a minute old") % {"rate": equation}
    words = ngettext("Rate: %(rate)s, %(n)s minute old", "Rate: %(rate)s, %(n)s minutes old", minutes)
    return words % {"rate": equation, "n": language.count(minutes)}


def fee(view: CheckoutView, language: Language) -> str:
    """Who pays the service fee; once settled, only the customer's; empty if there is nothing to pay."""
    _ = language.gettext
    included = view.fee_payer is FeePayer.CUSTOMER
    if view.is_payable and not included:
        return _("%(merchant)s pays the service fee.") % {"merchant": language.isolate(view.merchant_name)}
    if view.is_payable:
        words = _("A service fee of %(fee)s %(asset)s is included.")
    elif view.is_settled and included:
        words = _("A service fee of %(fee)s %(asset)s was included.")
    else:
        return ""
    fee_decimal = language.isolate(group_digits(view.service_fee_decimal))
    return words % {"fee": fee_decimal, "asset": language.isolate(view.asset)}


def on_top(view: CheckoutView, language: Language) -> str:
    """The commonest mistake of a first payment: the fee was taken off the amount."""
    _ = language.gettext
    if not (view.is_payable or view.may_still_be_paid):
        return ""
    return _("Network fees come on top. If your exchange takes its fee off the amount, enter that much more.")


def progress(view: CheckoutView, language: Language) -> str:
    """Confirmations so far."""
    required = view.confirmations_required
    words = language.ngettext(
        "%(seen)s of %(required)s confirmation", "%(seen)s of %(required)s confirmations", required
    )
    return words % {"seen": language.count(view.confirmations_shown), "required": language.count(required)}


def estimate(view: CheckoutView, language: Language) -> str:
    """How long the missing confirmations usually take, rounded up."""
    _, ngettext = language.gettext, language.ngettext
    if view.status is not Status.CONFIRMING:
        return ""
    missing = view.confirmations_required - view.confirmations_shown
    left_s = -(-missing * view.block_time_ms // 1000)
    if left_s <= 5:
        return _("A few seconds to go")
    if left_s < 60:
        near_s = -(-left_s // 10) * 10
        return ngettext("About %(n)s second to go", "About %(n)s seconds to go", near_s) % {"n": near_s}
    left_min = -(-left_s // 60)
    if left_min < 90:
        return ngettext("About %(n)s minute to go", "About %(n)s minutes to go", left_min) % {"n": left_min}
    left_h = -(-left_min // 60)
    return ngettext("About %(n)s hour to go", "About %(n)s hours to go", left_h) % {"n": left_h}


def time_left(seconds: int, language: Language) -> str:
    """A duration as a clock shows it; `checkout.js` continues it in the same form."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left_s = divmod(rest, 60)
    if days:
        words = language.ngettext("%(n)s day", "%(n)s days", days) % {"n": language.count(days)}
        return f"{words} {hours:02}:{minutes:02}:{left_s:02}"
    return f"{hours}:{minutes:02}:{left_s:02}" if hours else f"{minutes:02}:{left_s:02}"


def tone(view: CheckoutView) -> str:
    """The colour of the state: `neutral`, `progress`, `positive` or `caution`. The state is also in words."""
    if view.is_time_up or view.has_run_out:
        return "caution"
    match view.status:
        case Status.AWAITING_CHOICE | Status.AWAITING_DEPOSIT | Status.CONFIRMING:
            return "progress"
        case Status.PAID:
            return "positive"
        case Status.EXPIRED | Status.MANUAL_REVIEW:
            return "caution"
        case _:
            return "neutral"


def step(view: CheckoutView) -> int:
    """Which of the three steps (send, confirm, done) is current, 1 to 3; 0 where none of them applies."""
    if view.status is Status.AWAITING_DEPOSIT:
        return 0 if view.is_time_up else 1
    return {Status.CONFIRMING: 2, Status.PAID: 3}.get(view.status, 0)
