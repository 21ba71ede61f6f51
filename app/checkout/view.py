"""Everything that the checkout page knows about an invoice, all of it public.

`customer_id`, e-mail and metadata are not fields here, so no template can show them (contract, section 7).
Everything is a value: no clock, no table, no await. The handlers fill a `CheckoutView`, `wording` puts it
into words, `templates/checkout/` lays it out.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from app.invoices.return_urls import is_at_home
from app.invoices.states import AWAITS_PAYMENT, Status
from app.networks.kinds import PAYMENT_URI_SCHEMES
from app.networks.port import WalletPayment

ADDRESS_GROUP_CHARS = 4
LONG_DESCRIPTION_CHARS = 76
"""More than fits into two lines on a phone of 320 px."""

TAIL_STARTS_AT_DECIMAL = 5
"""A tail of 1 to 99 sits in the fifth and sixth decimal (contract, section 3)."""

SETTLED = frozenset({Status.PAID, Status.PARTIALLY_REFUNDED, Status.REFUNDED})
"""The merchant has been credited, whether it was sent back since or not."""

EXPIRED_STAYS_LIVE = timedelta(hours=1)
"""How long the page of an expired invoice still updates: a customer who paid in the last minute is still there."""


class FeePayer(StrEnum):
    """Who pays the service fee. The sender always pays the network's own fee."""

    MERCHANT = "merchant"
    CUSTOMER = "customer"


class Anomaly(StrEnum):
    """Why an operator must review a deposit. Any status can have one, `paid` too."""

    LESS = "less"
    MORE = "more"
    LATE = "late"
    AFTER_CANCELLATION = "after_cancellation"
    SECOND_TRANSFER = "second_transfer"
    OTHER_ASSET = "other_asset"
    OTHER = "other"


class Gone(StrEnum):
    """Why a payment that was seen waiting for a block does not wait any more, though no block has it."""

    REPLACED = "replaced"
    """Another transaction spends the same coins."""
    DROPPED = "dropped"
    """The nodes have forgotten it."""


class Transfer(Struct, frozen=True, kw_only=True):
    """A transaction that the page shows: a deposit to the invoice, or a refund from it."""

    transaction_id: str
    amount_decimal: str
    asset: str
    explorer_url: str | None = None
    """Its page at a block explorer, `https` only, or None (test networks)."""
    reason: str = ""
    """A refund's `customer_visible_reason`; empty for deposits."""
    is_final: bool = True
    """Whether a refund is confirmed; one that is only sent is on its way."""

    def __post_init__(self) -> None:
        _require_https("explorer_url", self.explorer_url)

    @property
    def short_id(self) -> str:
        """`3f1a9c…77e0b2`: enough to recognise it by, short enough for a phone."""
        return shorten(self.transaction_id)


class ReturnState(StrEnum):
    """How far the question is where a transfer should be sent back to."""

    NOT_ASKED = "not_asked"
    ASKED = "asked"
    GIVEN = "given"
    CONFIRMED = "confirmed"
    """The merchant has confirmed the address."""
    REJECTED = "rejected"
    """The merchant has rejected it: another one is asked for."""


class Mistake(Struct, frozen=True, kw_only=True):
    """A transfer that a person reviews: what was asked for, what came, and where it could be sent back to."""

    anomaly: Anomaly
    asset: str
    came_decimal: str
    came_at: datetime
    asked_asset: str = ""
    """Empty where nothing was asked for."""
    asked_decimal: str = ""
    difference_decimal: str = ""
    """How much too little or too much; empty where that is nothing, or another asset came."""
    due_at: datetime | None = None
    is_returning: bool = False
    """It is being sent back."""
    return_state: ReturnState = ReturnState.NOT_ASKED
    return_url: str = ""
    """The page that asks for the address."""
    given_short: str = ""
    """The address that was given, shortened: others may have the link to the page."""

    @property
    def is_what_was_asked(self) -> bool:
        """Whether exactly the requested amount came, so that the page need not show it twice."""
        return (self.asked_decimal, self.asked_asset) == (self.came_decimal, self.asset)


class NetworkFee(Struct, frozen=True, kw_only=True):
    """About what a network itself charges for a usual payment now."""

    figure: str
    """A decimal string, rounded up: in the price's currency, or in the network's own coin."""
    unit: str
    is_less: bool = False
    """It is below `figure`, which is the least that the currency can say."""


class WayToPay(Struct, frozen=True, kw_only=True):
    """An asset that a price can be paid with."""

    asset: str
    chain: str
    """The chain as the API names it."""
    chain_name: str
    """The network for people, e.g. `Tron (TRC-20)`."""
    amount_decimal: str
    """About what is to be paid now; empty where there is no rate, and it can't be chosen."""
    asset_name: str = ""
    """The asset's name for people, e.g. `Tether USD`: what a search finds it by, beside its symbol."""
    worth_decimal: str = ""
    """What the amount is worth in the price's currency; empty where that is about the price itself."""
    network_fee: NetworkFee | None = None
    """None where it is not known."""
    usual_wait_ms: int = 0
    """How long the confirmations usually take that this amount needs."""
    is_chosen: bool = False
    """The invoice asks for this one, or did before its quote ended."""


class RateShown(Struct, frozen=True, kw_only=True):
    """The rate of the current quote."""

    figure: str
    """What one whole asset is worth in the price's currency, a decimal string."""
    at: datetime


T = TypeVar("T")


class _remembered(Generic[T]):
    """`functools.cached_property` for views, which belong to one thread: without its lock it takes half the time."""

    def __init__(self, ask: Callable[[Any], T]) -> None:
        self._ask = ask
        self._name = ask.__name__
        self.__doc__ = ask.__doc__

    def __get__(self, view: Any, owner: object) -> T:
        answer = view.__dict__[self._name] = self._ask(view)
        return answer


class CheckoutView(Struct, frozen=True, kw_only=True, dict=True):  # a dict: what is asked of it often, it remembers
    """One invoice at one moment, as a customer may see it.

    Amounts are decimal strings in the asset's unit, exactly as the API shows them; moments are aware, in UTC.
    Raises ValueError for a URL of a scheme that a link on a public page must never have.
    """

    invoice_id: str
    merchant_name: str
    description: str
    """The invoice's description, empty where there is none."""
    status: Status
    anomaly: Anomaly | None = None
    test_mode: bool = False

    amount_decimal: str
    """The one exact amount to send: `pay_in.amount_decimal`, or what is missing of it after the first part. The price
    while nothing is chosen."""
    cent_tail: int = 0
    """`pay_in.cent_tail`; 0 where the address alone identifies the payment."""
    accepts_parts: bool = False
    """Several transfers may add up to the amount."""
    came_decimal: str = ""
    """The part of it that was received so far, dust included; empty before the first part."""
    whole_decimal: str = ""
    """`pay_in.amount_decimal`."""
    came_percent: int = 0
    """How much of the amount has come, rounded down, at most 100."""
    mistakes: tuple[Mistake, ...] = ()
    """The transfers that a person reviews, oldest first."""
    review_takes: timedelta | None = None
    """How long a review usually takes; None where that is not known, or nothing is reviewed."""
    is_overfull: bool = False
    """More was received than requested, but it does not count as paid."""
    can_be_paid_in_review: bool = False
    """A payment in time still counts while an operator reviews another deposit."""
    credited_decimal: str | None = None
    """The received amount that counted as payment, before the service fee; None until it counts."""
    credited_asset: str = ""
    """The asset of that, where it is another one than the invoice's."""
    asset: str
    """The asset's symbol; the price's currency while nothing is chosen."""
    price_decimal: str = ""
    price_currency: str = ""
    """The price in a national currency; empty where the invoice names its asset."""
    ways_to_pay: tuple[WayToPay, ...] = ()
    """What the customer may choose among now."""
    choose_url: str = ""
    """Takes the choice."""
    rate: RateShown | None = None
    """Of the quote that the page asks to pay; None where the invoice names its asset, or nothing is chosen."""
    invoice_ends_at: datetime | None = None
    """The invoice's own end, where it has a price: `expires_at` is the quote's end then."""
    has_had_quote: bool = False
    """A quote was made before, also where none is current."""
    chain_name: str
    """The network for people, e.g. `Tron`; empty while nothing is chosen, as are `address` and `payment_uri`."""
    token_standard: str = ""
    """What exchanges call this asset on this network, e.g. `TRC-20`; empty for a native coin."""
    address: str
    payment_uri: str
    link_code_url: str = ""
    """The picture of the payment link's QR code, where the first one holds the address alone."""
    qr_text: str = ""
    """What the QR code holds: the address, or a payment link; empty where that is `payment_uri`."""
    wallet: WalletPayment | None = None
    """What a wallet in the browser is asked to send; None where there are none for this chain."""
    sent_url: str = ""
    """Takes the id of a transaction that such a wallet has sent."""
    announced: tuple[Transfer, ...] = ()
    """What was sent from such a wallet and not seen by the network yet. Without an amount: nobody has seen it."""
    fee_payer: FeePayer
    service_fee_decimal: str
    network_fee: NetworkFee | None = None
    """What the network charges for this payment, in addition to the amount; None where it is not known."""

    now: datetime
    """The server's clock as this view was made; the page's countdown follows it, not the device's clock."""
    expires_at: datetime
    paid_at: datetime | None = None

    waits_for_block: bool = False
    """The payment was seen, and no block has it yet."""
    gone: Gone | None = None
    """The last payment that was seen has gone without a block, and nothing else pays the invoice."""
    gone_transfers: tuple[Transfer, ...] = ()
    """The payments that have gone so, the newest last."""
    confirmations_seen: int = 0
    confirmations_required: int
    block_time_ms: int
    """The network's usual time between blocks, in milliseconds, for the estimate."""
    deposits: tuple[Transfer, ...] = ()
    refunds: tuple[Transfer, ...] = ()
    """Refunds that are confirmed or on their way."""
    network_delayed: bool = False
    """Our own view of the network lags or is down: the page says so."""

    success_url: str | None = None
    fail_url: str | None = None
    page_url: str
    status_url: str
    """Answers with only `checkout/_status.html`, which replaces that part of the live page."""
    events_url: str
    """Server-sent events: one `status` event per change of what the page shows."""
    lookup_url: str = ""
    """The page that says where a transaction is; empty where nothing can have been sent, or all is settled."""
    receipt_url: str
    """The receipt, for printing; there once the invoice is settled."""
    receipt_link: str = ""
    """The receipt's own link, whole, to keep or to give away: it opens nothing but the receipt."""
    page_link: str = ""
    """The payment link, whole, to keep."""
    frame_origins: tuple[str, ...] = ()
    """The pages of the merchant that this page stands in as a frame; empty for a page of its own."""
    worth: str = ""
    """About what the customer's payment was worth when it counted, e.g. `4.60 EUR`; empty where that is not known."""
    brand_css_url: str | None = None
    """A style sheet with the merchant's colour, or None for ours."""
    logo_url: str | None = None
    """The merchant's logo, on our origin; None shows the first letter of the name."""
    wallet_url: str | None = None
    """The URL that makes the sandbox's wallet pay; None outside of the sandbox."""
    wallet_has_other_token: bool = False
    """Whether the network has a token that the invoice does not ask for."""

    def __post_init__(self) -> None:
        for field, url in (("success_url", self.success_url), ("fail_url", self.fail_url)):
            if url is not None and not (self.test_mode and is_at_home(urlsplit(url))):
                _require_https(field, url)
        if self.payment_uri and self.payment_uri.partition(":")[0] not in PAYMENT_URI_SCHEMES:
            raise ValueError("payment_uri: an unknown scheme")

    @property
    def has_link_code(self) -> bool:
        """Whether the payment link needs a QR code of its own, since the first one holds the address alone."""
        return self.qr_text == self.address

    @_remembered
    def is_payable(self) -> bool:
        """Whether to show address and QR code. Never past `expires_at`, even where the status lags."""
        return self.status is Status.AWAITING_DEPOSIT and self.seconds_left > 0 and not self.is_overfull

    @property
    def may_still_be_paid(self) -> bool:
        """Whether to show address and QR code for a payment, while an operator reviews another deposit."""
        in_review = self.status is Status.MANUAL_REVIEW and self.can_be_paid_in_review
        return in_review and self.seconds_left > 0 and not self.is_overfull

    @_remembered
    def is_time_up(self) -> bool:
        """Whether `expires_at` has passed but the status has not changed yet: a last deposit may still appear."""
        return self.status is Status.AWAITING_DEPOSIT and self.seconds_left <= 0

    @_remembered
    def has_run_out(self) -> bool:
        """Whether the last quote has ended and the invoice has time left for another one."""
        if self.status is Status.AWAITING_CHOICE:
            return self.has_had_quote and self.seconds_left > 0
        return self.is_time_up and self.invoice_seconds_left > 0 and not self.came_decimal and not self.deposits

    @property
    def renewal(self) -> WayToPay | None:
        """What was chosen last, where its quote has run out and there is a rate for a new one."""
        if not self.has_run_out:
            return None
        return next((way for way in self.ways_to_pay if way.is_chosen and way.amount_decimal), None)

    @_remembered
    def other_ways(self) -> tuple[WayToPay, ...]:
        """What the page lists to choose among: all but what is chosen."""
        return tuple(way for way in self.ways_to_pay if not way.is_chosen)

    @property
    def invoice_seconds_left(self) -> int:
        """Whole seconds until the invoice itself ends, where it has a price; 0 where it names its asset."""
        if self.invoice_ends_at is None:
            return 0
        return max(0, int((self.invoice_ends_at - self.now).total_seconds()))

    @_remembered
    def is_live(self) -> bool:
        """Whether the page should still update itself."""
        if self.status is Status.EXPIRED:
            return self.now - self.expires_at < EXPIRED_STAYS_LIVE
        return self.status in {*AWAITS_PAYMENT, Status.CONFIRMING, Status.MANUAL_REVIEW}

    @property
    def gone_parts(self) -> str:
        """The ids of the parts below the payment that have nothing to do any more."""
        return " ".join(
            [*(["lookup"] if not self.lookup_url else []), *(["sandbox-wallet"] if self.is_settled else [])]
        )

    @_remembered
    def is_settled(self) -> bool:
        """Whether the merchant has been credited, refunds or not."""
        return self.status in SETTLED

    @property
    def returns_by_itself(self) -> bool:
        """Whether the page returns to the merchant after some seconds: paid, no anomaly to read about, and no frame,
        whose page is told instead."""
        is_free = self.anomaly is None and not self.is_framed
        return self.status is Status.PAID and self.success_url is not None and is_free

    @property
    def is_framed(self) -> bool:
        """Whether the page stands in a page of the merchant."""
        return bool(self.frame_origins)

    @_remembered
    def seconds_left(self) -> int:
        """Whole seconds until expiry, rounded down, never below 0."""
        return max(0, int((self.expires_at - self.now).total_seconds()))

    @property
    def confirmations_shown(self) -> int:
        """Confirmations, never more than are required: "25 of 20" would confuse."""
        return min(self.confirmations_seen, self.confirmations_required)

    @property
    def payee_letter(self) -> str:
        """What stands for a merchant without a logo."""
        return self.merchant_name[:1].upper()

    @property
    def shown_amount_decimal(self) -> str:
        """The large figure: what to send; once settled, what was credited, which may be another sum."""
        if self.is_settled and self.credited_decimal is not None:
            return self.credited_decimal
        return self.amount_decimal

    @property
    def has_long_description(self) -> bool:
        """Whether the description is folded at first, so that the amount stays where it is seen."""
        return len(self.description) > LONG_DESCRIPTION_CHARS

    @property
    def shown_asset(self) -> str:
        """The asset of the large figure."""
        return (self.credited_asset if self.is_settled else "") or self.asset

    @property
    def amount_parts(self) -> tuple[str, str]:
        """The large figure, split before its identifying digits; the second part is empty where they don't matter."""
        amount = self.shown_amount_decimal
        whole, point, decimals = amount.partition(".")
        if (
            not (self.is_payable and self.cent_tail and point)
            or self.came_decimal
            or len(decimals) < TAIL_STARTS_AT_DECIMAL
        ):
            return amount, ""
        cut = len(whole) + len(point) + TAIL_STARTS_AT_DECIMAL - 1
        return amount[:cut], amount[cut:]

    @property
    def amount_length(self) -> str:
        """`short`, `medium` or `long`: the size of the figure on the page (raw amounts have up to 78 digits)."""
        length = len(self.shown_amount_decimal)
        return "short" if length <= 9 else "medium" if length <= 14 else "long"

    @property
    def address_groups(self) -> Sequence[str]:
        """The address in groups of four, for comparing by eye. Joined, they are the address again."""
        step = ADDRESS_GROUP_CHARS
        return [self.address[at : at + step] for at in range(0, len(self.address), step)]


def shorten(identifier: str, *, keep_chars: int = 6) -> str:
    """A transaction id with its middle left out; whole where that would save nothing."""
    body = identifier.removeprefix("0x")
    prefix = identifier[: len(identifier) - len(body)]
    if len(body) <= 2 * keep_chars + 1:
        return identifier
    return f"{prefix}{body[:keep_chars]}…{body[-keep_chars:]}"


def _require_https(field: str, url: str | None) -> None:
    if url is not None and not url.startswith("https:") and urlsplit(url).scheme != "https":
        raise ValueError(f"{field}: not an https URL")
