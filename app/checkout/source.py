"""Makes the checkout page's view of an invoice."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from app.checkout.view import (
    SETTLED,
    Anomaly,
    CheckoutView,
    FeePayer,
    Gone,
    Mistake,
    NetworkFee,
    RateShown,
    Transfer,
    WayToPay,
)
from app.core import currencies
from app.core.errors import ApiError, Code
from app.core.money import format_amount
from app.core.newer import BEING_UPGRADED, UPGRADE_RETRY_S
from app.deposits.matching import Verdict
from app.invoices.links import PaymentLinks
from app.invoices.presentation import DepositBody, InvoiceBody, QuoteBody
from app.invoices.quotes import Choice
from app.invoices.reader import PublicInvoice
from app.invoices.states import TRANSITIONS, Status
from app.networks.config import Asset, NetworkConfig
from app.refunds.repository import SentBack
from app.web.languages import Language

NETWORK_LATE_AFTER = timedelta(minutes=2)
"""A network that was not checked for this long is shown as delayed."""

WORTH_DIFFERS_BY = 1_000
"""An amount's worth is shown where it differs from the price by more than a thousandth: by a spread or a fee. What
rounding alone adds is less, and a second figure would only confuse."""

NetworkFees = Mapping[tuple[str, str], NetworkFee]
"""By network and asset."""

ANOMALIES = {
    Verdict.UNDERPAID: Anomaly.LESS,
    Verdict.OVERPAID: Anomaly.MORE,
    Verdict.LATE: Anomaly.LATE,
    Verdict.CANCELLED: Anomaly.AFTER_CANCELLATION,
    Verdict.SECOND: Anomaly.SECOND_TRANSFER,
    Verdict.WRONG_ASSET: Anomaly.OTHER_ASSET,
}

_VERDICTS = frozenset(Verdict)

_GONE_BEFORE_A_BLOCK = {gone.value: gone for gone in Gone}

_NO_TRANSFERS: Mapping[str, Any] = {"can_be_paid_in_review": True}
"""`_transfers` of an invoice that has none and no review."""


def checkout_view(
    public: PublicInvoice,
    sent_back: Sequence[SentBack],
    network: NetworkConfig | None,
    *,
    slug: str,
    links: PaymentLinks,
    language: Language,
    with_wallet: bool,
    now: datetime,
    choices: Sequence[Choice] = (),
    mistakes: tuple[Mistake, ...] = (),
    review_takes: timedelta | None = None,
    fees: NetworkFees = MappingProxyType({}),
    frame_origins: Sequence[str] = (),
) -> CheckoutView:
    """What the page of `slug` shows at `now`. Its links name the language, so that a reload keeps it.

    `network` is the one to pay on; None while the customer has yet to choose, among `choices`. `fees` are those that
    networks charge now, as far as they are known. `frame_origins` are those that the page is framed by; none for a page
    of its own. Raises UNAVAILABLE for what only a newer version knows.
    """
    invoice = public.body
    if invoice.status not in TRANSITIONS or any(deposit.verdict not in _VERDICTS for deposit in invoice.deposits):
        # A newer version works beside this one, and has its page (app/core/newer.py).
        raise ApiError(Code.UNAVAILABLE, BEING_UPGRADED, retry_after_s=UPGRADE_RETRY_S)
    ways = tuple(_way(choice, invoice, fees) for choice in choices)
    common = _common(public, ways, slug=slug, links=links, language=language, now=now, frame_origins=frame_origins)
    if network is None or invoice.pay_in is None or public.due is None:
        return replace(_unchosen(public, common), mistakes=mistakes, review_takes=review_takes)
    asset, pay_in, due = network.asset(invoice.pay_in.asset), invoice.pay_in, public.due
    assert asset is not None, "assets are never removed from a network that has invoices"
    waits = invoice.status in (Status.AWAITING_DEPOSIT, Status.MANUAL_REVIEW)
    credited_decimal, credited_asset = _credited(invoice, asset)
    received_in_parts_raw = int(invoice.received_raw) if public.accepts_parts else 0
    return CheckoutView(
        **common,
        **(_transfers(invoice, network) if invoice.deposits or invoice.needs_review else _NO_TRANSFERS),
        amount_decimal=due.amount_decimal if received_in_parts_raw else pay_in.amount_decimal,
        accepts_parts=public.accepts_parts,
        came_decimal=format_amount(received_in_parts_raw, asset.decimals) if received_in_parts_raw else "",
        whole_decimal=pay_in.amount_decimal,
        came_percent=min(100, received_in_parts_raw * 100 // int(pay_in.amount_raw)),
        mistakes=mistakes,
        review_takes=review_takes,
        is_overfull=due.missing_raw <= 0,
        cent_tail=pay_in.cent_tail,
        credited_decimal=credited_decimal,
        credited_asset=credited_asset if credited_asset != asset.symbol else "",
        asset=asset.symbol,
        chain_name=network.display_name,
        token_standard=asset.standard,
        address=pay_in.address,
        payment_uri=due.payment_uri if received_in_parts_raw else pay_in.payment_uri,
        qr_text=due.qr_text,
        # The amount is in it, so a code that has changed has another address.
        link_code_url=f"/pay/{slug}/link.svg?amount={due.amount_decimal}",
        wallet=due.wallet,
        sent_url=f"/pay/{slug}/sent",
        announced=tuple([_announced(txid, network) for txid in public.announced]),
        network_fee=fees.get((network.key, asset.symbol)),
        service_fee_decimal=format_amount(
            int(invoice.service_fee_charged_raw or invoice.service_fee_raw or 0), asset.decimals
        ),
        rate=_rate(invoice.quotes),
        expires_at=public.pay_until if waits else datetime.fromisoformat(invoice.expires_at),
        paid_at=datetime.fromisoformat(invoice.paid_at) if invoice.paid_at else None,
        confirmations_required=pay_in.confirmations_required,
        block_time_ms=network.block_time_ms,
        network_delayed=_is_late(public, now),
        wallet_url=f"/pay/{slug}/wallet{query(language, framed=bool(frame_origins))}" if with_wallet else None,
        wallet_has_other_token=len(network.assets) > 1,
        refunds=tuple([_refund(refund, network) for refund in sent_back]),
    )


def _transfers(invoice: InvoiceBody, network: NetworkConfig) -> dict[str, Any]:
    """What an invoice's page shows of its transfers, and what they mean for it."""
    seen = [d for d in invoice.deposits if d.verdict != "dust"]
    alive = [d for d in seen if not d.is_gone]
    gone = [d for d in seen if d.status in _GONE_BEFORE_A_BLOCK]
    return {
        "anomaly": _anomaly(invoice, alive),
        "can_be_paid_in_review": not any(d.verdict == "cancelled" for d in invoice.deposits),
        "waits_for_block": any(d.block_height is None for d in alive if d.review_reason is None),
        "gone": _GONE_BEFORE_A_BLOCK[gone[-1].status] if gone and not alive else None,
        "gone_transfers": tuple(_transfer(deposit, network) for deposit in gone),
        "confirmations_seen": min((d.confirmations for d in alive if d.review_reason is None), default=0),
        "deposits": tuple(_transfer(deposit, network) for deposit in alive),
    }


def query(language: Language, *, framed: bool) -> str:
    """The query of the page's addresses: it keeps the language, and a frame a frame."""
    return f"?lang={language.code}&embed" if framed else f"?lang={language.code}"


def _unchosen(public: PublicInvoice, common: dict[str, Any]) -> CheckoutView:
    """The page of an invoice with a price while nothing is chosen, or where nothing ever was."""
    price = public.body.price
    assert price is not None, "what has no price names its asset"
    return CheckoutView(
        **common,
        amount_decimal=price.amount_decimal,
        asset=price.currency,
        chain_name="",
        address="",
        payment_uri="",
        service_fee_decimal="0",
        expires_at=datetime.fromisoformat(public.body.expires_at),
        confirmations_required=0,
        block_time_ms=0,
    )


def _common(
    public: PublicInvoice,
    ways: tuple[WayToPay, ...],
    *,
    slug: str,
    links: PaymentLinks,
    language: Language,
    now: datetime,
    frame_origins: Sequence[str],
) -> dict[str, Any]:
    """What the page shows whether something is chosen or not."""
    invoice, page_url, brand = public.body, f"/pay/{slug}", public.branding
    language_query, is_settled = query(language, framed=bool(frame_origins)), invoice.status in SETTLED
    return {
        "invoice_id": invoice.id,
        "merchant_name": public.merchant_name,
        "description": invoice.description or "",
        "status": invoice.status,
        "test_mode": invoice.mode == "test",
        "price_decimal": invoice.price.amount_decimal if invoice.price else "",
        "price_currency": invoice.price.currency if invoice.price else "",
        "ways_to_pay": ways,
        "choose_url": f"{page_url}/choose{language_query}",
        "invoice_ends_at": datetime.fromisoformat(invoice.expires_at) if invoice.price else None,
        "has_had_quote": bool(invoice.quotes),
        "fee_payer": FeePayer(invoice.fee_payer),
        "now": now,
        "success_url": invoice.success_url,
        "fail_url": invoice.fail_url,
        "page_url": page_url + language_query,
        "status_url": f"{page_url}/status{language_query}",
        "events_url": f"{page_url}/events{language_query}",
        "receipt_url": f"/receipt/{links.receipt_slug(invoice.id)}?lang={language.code}" if is_settled else "",
        "receipt_link": links.receipt_url(invoice.id) if is_settled else "",
        "page_link": links.url(invoice.id),
        "frame_origins": tuple(frame_origins),
        "worth": _payment_worth(invoice),
        "lookup_url": f"{page_url}/transaction" if _may_have_sent(invoice) else "",
        # The tag changes with the branding, so that browsers can cache each address.
        "brand_css_url": f"{page_url}/brand.css?v={brand.accent.lstrip('#')}" if brand.accent else None,
        "logo_url": f"{page_url}/logo?v={brand.logo_tag}" if brand.logo_tag else None,
    }


def _may_have_sent(invoice: InvoiceBody) -> bool:
    """Whether the customer may look for a transaction: there is or was an address, and the payment is not settled."""
    return (invoice.pay_in is not None or bool(invoice.quotes)) and invoice.status not in SETTLED


def _way(choice: Choice, invoice: InvoiceBody, fees: NetworkFees) -> WayToPay:
    network, symbol = choice.network, choice.asset.symbol
    pay_in = invoice.quotes[0].pay_in if invoice.quotes else invoice.pay_in
    standard = choice.asset.standard
    confirmations = network.confirmations_for(symbol, choice.amount_raw or 0)
    return WayToPay(
        asset=symbol,
        chain=network.chain,
        chain_name=f"{network.display_name} ({standard})" if standard else network.display_name,
        asset_name=choice.asset.name,
        amount_decimal=choice.amount_decimal,
        worth_decimal=_worth_of_choice(choice, invoice),
        network_fee=fees.get((network.key, symbol)),
        usual_wait_ms=confirmations * network.block_time_ms,
        is_chosen=pay_in is not None and (pay_in.asset, pay_in.chain) == (symbol, network.chain),
    )


def _worth_of_choice(choice: Choice, invoice: InvoiceBody) -> str:
    """What the amount of a choice is worth, where that is not about the price."""
    if choice.worth_raw is None or invoice.price is None:
        return ""
    if abs(choice.worth_raw - choice.price_raw) * WORTH_DIFFERS_BY <= choice.price_raw:
        return ""
    return format_amount(choice.worth_raw, currencies.places(invoice.price.currency))


def _rate(quotes: Sequence[QuoteBody]) -> RateShown | None:
    """The rate of the current quote, which is the first one."""
    if not quotes:
        return None
    return RateShown(figure=quotes[0].rate, at=datetime.fromisoformat(quotes[0].rate_at))


def _anomaly(invoice: InvoiceBody, alive: list[DepositBody]) -> Anomaly | None:
    """Why an operator reviews the newest transfer that did not simply pay."""
    if not invoice.needs_review:
        return None
    reasons = [deposit.review_reason for deposit in alive if deposit.review_reason is not None]
    return ANOMALIES.get(Verdict(reasons[-1]), Anomaly.OTHER) if reasons else Anomaly.OTHER


def _credited(invoice: InvoiceBody, asset: Asset) -> tuple[str | None, str]:
    """What counted as payment, before the service fee, and its asset: another one where only a transfer of that was
    credited. None before."""
    if invoice.counted_raw:
        return format_amount(invoice.counted_raw, asset.decimals), asset.symbol
    credited = [deposit for deposit in invoice.deposits if deposit.status == "credited"]
    return (credited[0].amount_decimal, credited[0].asset) if len(credited) == 1 else (None, asset.symbol)


def _payment_worth(invoice: InvoiceBody) -> str:
    """About what the payment was worth when it counted; empty where that is not known. What is kept is the worth of the
    merchant's credit, which is less by the service fee."""
    credited_raw, paid_raw = int(invoice.credited_raw or 0), invoice.counted_raw
    if invoice.worth is None or not credited_raw or paid_raw is None:
        return ""
    worth_raw = int(invoice.worth.amount_decimal.replace(".", ""))
    currency, places = invoice.worth.currency, currencies.places(invoice.worth.currency)
    rounded_raw = (2 * worth_raw * paid_raw + credited_raw) // (2 * credited_raw)
    return f"{format_amount(rounded_raw, places, least_places=places)} {currency}"


def _transfer(deposit: DepositBody, network: NetworkConfig) -> Transfer:
    return Transfer(
        transaction_id=deposit.txid,
        amount_decimal=deposit.amount_decimal,
        asset=deposit.asset,
        explorer_url=network.explorer_url(deposit.txid),
    )


def _announced(txid: str, network: NetworkConfig) -> Transfer:
    """A transaction that nobody has seen: what it moves isn't known."""
    return Transfer(transaction_id=txid, amount_decimal="", asset="", explorer_url=network.explorer_url(txid))


def _refund(refund: SentBack, network: NetworkConfig) -> Transfer:
    asset = network.asset(refund.asset)
    assert asset is not None, "assets are never removed from a network that has refunds"
    return Transfer(
        transaction_id=refund.txid,
        amount_decimal=format_amount(refund.amount_raw, asset.decimals),
        asset=refund.asset,
        explorer_url=network.explorer_url(refund.txid),
        reason=refund.customer_visible_reason or "",
        is_final=refund.is_confirmed,
    )


def _is_late(public: PublicInvoice, now: datetime) -> bool:
    checked_at = public.network_checked_at
    return public.network_halted or checked_at is None or now - checked_at > NETWORK_LATE_AFTER
