"""Puts the words and figures of an invoice into the parts of its page.

A part is rendered once for each form that it can have, and filled again for each page (`Pages.filled`): what a merchant
or customer has written, every figure and every address is only a value in it. So a new part takes texts, and decides by
few words of ours. Parts that few pages have are rendered anew.
"""

from collections.abc import Iterable
from typing import Literal

from markupsafe import Markup

from app.checkout import choosing
from app.checkout.mistakes import explain
from app.checkout.paying import paying
from app.checkout.view import CheckoutView, FeePayer, Transfer
from app.checkout.wording import RETURN_AFTER_S, Words, put_into_words, step, tone
from app.invoices.states import Status
from app.web.figures import figure
from app.web.languages import Language
from app.web.pages import NO_PART, Pages, Part, Slots, joined

Moved = Literal["came", "transaction", "not_counted", "sent_back", "on_its_way"]
"""What the row of a transfer calls it (checkout/_transfer.html)."""


def page(pages: Pages, view: CheckoutView, language: Language) -> Part:
    """The whole page."""
    words = put_into_words(view, language)
    slots: Slots = {
        "headline": words.headline,
        "merchant": language.isolate(view.merchant_name),
        "brand_css_url": view.brand_css_url or "",
        "status_url": view.status_url,
        "events_url": view.events_url,
        "invoice_id": view.invoice_id,
        "frame_origins": " ".join(view.frame_origins),
        "status": _status(pages, view, words, language),
        "lookup_url": view.lookup_url,
        "page_link": view.page_link,
        "wallet_url": view.wallet_url or "" if not view.is_settled else "",
    }
    return pages.filled(
        "checkout/page.html",
        slots,
        language=language,
        choosing=view.ways_to_pay != (),
        framed=view.is_framed,
        live=view.is_live,
        test_mode=view.test_mode,
        has_other_token=view.wallet_has_other_token,
        has_price=bool(view.price_decimal),
    )


def live_part(pages: Pages, view: CheckoutView, language: Language) -> Part:
    """Only what changes during a payment."""
    return _status(pages, view, put_into_words(view, language), language)


def _status(pages: Pages, view: CheckoutView, words: Words, language: Language) -> Part:
    is_payable, may_still_be_paid, is_settled = view.is_payable, view.may_still_be_paid, view.is_settled
    slots = {
        "slip": _slip(pages, view, words, language),
        "now": view.now.isoformat(),
        "headline": words.headline,
        "merchant": language.isolate(view.merchant_name),
        "announcement": words.announcement,
        "gone_parts": view.gone_parts,
        "late_network": language.isolate(view.chain_name),
        "anomaly": words.anomaly,
        "next_step": words.next_step,
        "mistakes": _mistakes(pages, view, language) if view.mistakes else "",
        "gone": words.gone,
        "renewal": _renewal(pages, view, language) if view.renewal else "",
        "ways": _ways(pages, view, language),
        "announced": pages.markup("checkout/_announced.html", {"view": view}, language) if view.announced else "",
        "paying": paying(pages, view, words, language) if is_payable or may_still_be_paid else NO_PART,
        "came": _rows(pages, view.deposits, "came", language) if is_payable and view.came_decimal else NO_PART,
        "figure": figure(view.amount_decimal) if may_still_be_paid else "",
        "amount": view.amount_decimal,
        "asset": view.asset,
        "on_top": words.on_top,
        "progress": words.progress,
        "estimate": words.estimate,
        "confirmations": str(view.confirmations_shown),
        "confirmations_required": str(view.confirmations_required),
        "fail_url": view.fail_url or "",
        "success_url": (view.success_url or "") if is_settled else "",
        **(_facts(pages, view, words, language) if not is_payable or words.gone else _NO_FACTS),
    }
    return pages.filled(
        "checkout/_status.html",
        slots,
        language=language,
        status=view.status.value,
        tone=tone(view),
        step=step(view),
        payable=is_payable,
        may_still_be_paid=may_still_be_paid,
        run_out=view.has_run_out,
        time_up=view.is_time_up,
        live=view.is_live,
        settled=is_settled,
        network_delayed=view.network_delayed,
        many_ways=len(view.other_ways) > choosing.MANY_WAYS,
        size=view.amount_length,
        framed=view.is_framed,
        returns=view.returns_by_itself,
        return_after_s=RETURN_AFTER_S,
    )


def _slip(pages: Pages, view: CheckoutView, words: Words, language: Language) -> Part:
    """Who is paid, how much, and until when."""
    is_payable, has_run_out = view.is_payable, view.has_run_out
    head, tail = (view.price_decimal, "") if has_run_out else view.amount_parts
    slots = {
        "amount_label": words.amount_label,
        "logo_url": view.logo_url or "",
        "letter": view.payee_letter,
        "merchant_name": view.merchant_name,
        "description": view.description,
        "figure": figure(head),
        "tail": tail,
        "asset": view.price_currency if has_run_out else view.shown_asset,
        "amount": view.amount_decimal,
        "tail_hint": words.tail_hint,
        "came_percent": str(view.came_percent) if view.came_decimal else "",
        "on_top": words.on_top,
        "until": view.expires_at.isoformat(),
        "time_left": words.time_left,
        "invoice_until": view.invoice_ends_at.isoformat() if view.invoice_ends_at else "",
        "invoice_time_left": words.invoice_time_left if is_payable or has_run_out else "",
        "price": words.price,
        "rate": words.rate,
        "fee": words.fee,
        "network_fee": words.network_fee,
    }
    return pages.filled(
        "checkout/_slip.html",
        slots,
        language=language,
        payable=is_payable,
        has_long_description=view.has_long_description,
        size=view.amount_length,
        has_rate=view.rate is not None,
        is_unchosen=view.status is Status.AWAITING_CHOICE,
        merchant_pays_fee=view.fee_payer is FeePayer.MERCHANT,
    )


_NO_FACTS = dict.fromkeys(
    (
        *("reference", "paid_at", "paid_on", "expired_at", "expired_on", "network"),
        *("transfers", "gone_transfers", "refunds", "receipt_url", "receipt_link"),
    ),
    "",
)


def _facts(pages: Pages, view: CheckoutView, words: Words, language: Language) -> dict[str, str | Part]:
    """Reference, times and transactions."""
    paid_at = view.paid_at if view.is_settled else None
    expired_at = view.expires_at if view.status is Status.EXPIRED else None
    with_amount = len(view.deposits) > 1 or view.status is Status.MANUAL_REVIEW
    refunds = [
        _row(pages, refund, "sent_back" if refund.is_final else "on_its_way", language) for refund in view.refunds
    ]
    return {
        "reference": view.invoice_id,
        "paid_at": paid_at.isoformat() if paid_at else "",
        "paid_on": language.moment(paid_at) if paid_at else "",
        "expired_at": expired_at.isoformat() if expired_at else "",
        "expired_on": language.moment(expired_at) if expired_at else "",
        "network": words.network if view.address else "",
        "transfers": _rows(pages, view.deposits, "transaction", language, with_amount=with_amount),
        "gone_transfers": _rows(pages, view.gone_transfers, "not_counted", language),
        "refunds": joined(refunds),
        "receipt_url": view.receipt_url if view.is_settled else "",
        "receipt_link": view.receipt_link,
    }


def _rows(
    pages: Pages, transfers: Iterable[Transfer], moved: Moved, language: Language, *, with_amount: bool = True
) -> Part:
    return joined(_row(pages, each, moved, language, with_amount=with_amount) for each in transfers)


def _row(pages: Pages, transfer: Transfer, moved: Moved, language: Language, *, with_amount: bool = True) -> Part:
    slots = {
        "figure": figure(transfer.amount_decimal),
        "asset": transfer.asset,
        "explorer_url": transfer.explorer_url or "",
        "short_id": transfer.short_id,
        "reason": transfer.reason if moved in ("sent_back", "on_its_way") else "",
    }
    return pages.filled("checkout/_transfer.html", slots, language=language, moved=moved, with_amount=with_amount)


def _ways(pages: Pages, view: CheckoutView, language: Language) -> Part:
    """What else the invoice can be paid with, where the page lists it."""
    if not (view.ways_to_pay and (view.is_payable or view.status is Status.AWAITING_CHOICE or view.has_run_out)):
        return NO_PART
    words = choosing.words_of_ways(view, language)
    ways = [
        pages.filled(
            "checkout/_way.html",
            {
                "choose_url": view.choose_url,
                "asset": way.asset,
                "chain": way.chain,
                "chain_name": way.chain_name,
                "found_by": said.found_by,
                "figure": figure(way.amount_decimal),
                "worth": said.worth,
                "usual_wait": said.usual_wait,
                "network_fee": said.network_fee if way.amount_decimal else "",
            },
            language=language,
        )
        for way, said in zip(view.other_ways, words, strict=True)
    ]
    return joined(ways, between="\n")


def _renewal(pages: Pages, view: CheckoutView, language: Language) -> Markup:
    return pages.markup("checkout/_renewal.html", {"choose_url": view.choose_url, "way": view.renewal}, language)


def _mistakes(pages: Pages, view: CheckoutView, language: Language) -> Markup:
    told = [(mistake, explain(mistake, view, language)) for mistake in view.mistakes]
    return pages.markup("checkout/_mistakes.html", {"view": view, "mistakes": told}, language)
