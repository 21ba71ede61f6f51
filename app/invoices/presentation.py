"""The public form of an invoice, which the API, events and stored replays share."""

from collections.abc import Sequence
from decimal import Decimal as ExactDecimal
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from app.core import metadata
from app.core.clock import rfc3339
from app.core.metadata import Metadata
from app.core.money import format_amount
from app.core.newer import stored
from app.invoices.links import PaymentLinks
from app.invoices.quoting import format_price
from app.invoices.reading_repository import Asked, InvoiceRow, ShownQuote
from app.invoices.states import Status
from app.networks.config import Asset
from app.networks.port import Chain, WalletPayment
from app.networks.registry import Networks
from app.rates.rate import SourceFigure
from app.worth.presentation import WorthBody

Raw = Annotated[str, Meta(description="In minor units.", extra_json_schema={"pattern": "^[0-9]{1,78}$"})]
Decimal = Annotated[str, Meta(description="For people.", extra_json_schema={"pattern": r"^[0-9]+(\.[0-9]+)?$"})]
Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class PayIn(msgspec.Struct, frozen=True, kw_only=True):
    """The one exact amount to send, and where."""

    asset: Annotated[str, Meta(description="The asset's symbol.")]
    chain: Annotated[str, Meta(description="The chain to send it on.")]
    address: Annotated[str, Meta(description="The address to send it to.")]
    memo: Annotated[str | None, Meta(description="To be given along with the transfer, on chains that have memos.")]
    amount_decimal: Annotated[Decimal, Meta(description="The exact amount, service fee and tail included.")]
    amount_raw: Annotated[Raw, Meta(description="The exact amount in minor units.")]
    cent_tail: Annotated[
        int,
        Meta(
            description="Steps of the last decimals that identify the payment; 0 if the address is fresh.",
            extra_json_schema={"minimum": 0, "maximum": 99},
        ),
    ]
    confirmations_required: Annotated[int, Meta(description="Blocks until the payment counts as final.")]
    payment_uri: Annotated[str, Meta(description="For wallets and QR codes: EIP-681, BIP-21 or `tron:`.")]


GONE = frozenset({"orphaned", "replaced", "dropped"})
"""The states of deposits that are neither on the chain nor in the pool."""


class DepositBody(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer that was seen for an invoice."""

    id: Annotated[str, Meta(description="`DEP-` and ten characters.")]
    txid: Annotated[str, Meta(description="The transaction's id on chain.")]
    index: Annotated[int, Meta(description="The transfer's place in its transaction.")]
    asset: Annotated[str, Meta(description="The asset's symbol.")]
    amount_decimal: Annotated[Decimal, Meta(description="What was sent.")]
    amount_raw: Annotated[Raw, Meta(description="What was sent, in minor units.")]
    from_address: Annotated[
        str | None, Meta(description="Where it came from; null where the chain names no single sender.")
    ]
    block_height: Annotated[int | None, Meta(description="The block that it is in; null while it waits for one.")]
    confirmations: Annotated[int, Meta(description="Blocks from that one to the chain's head, both counted.")]
    status: Annotated[
        Literal["seen", "orphaned", "replaced", "dropped", "credited", "suspended"],
        Meta(
            title="DepositStatus",
            description="`orphaned`: its block was reorganised away. `replaced`: another transaction took its place "
            "before a block had it. `dropped`: the nodes have forgotten it. `suspended`: an operator looks into it.",
        ),
    ]
    replaced_by: Annotated[
        str | None, Meta(description="The transaction that took its place, where that is known.")
    ] = None
    verdict: Annotated[
        Literal[
            "exact",
            "part",
            "dust",
            "underpaid",
            "overpaid",
            "late",
            "cancelled",
            "second",
            "wrong_asset",
            "in_review",
            "unknown",
        ],
        Meta(
            title="DepositVerdict",
            description="What it is to the invoice. `exact` pays it, alone or as a credited part. `part` waits "
            "for the rest. `dust` is too small to mean anything. Every other one needs a review.",
        ),
    ]
    review_reason: Annotated[
        str | None, Meta(description="Why it needs a review: the verdict; null for `exact`, `part` and `dust`.")
    ]
    seen_at: Annotated[Moment, Meta(description="When it was first seen.")]

    @property
    def is_gone(self) -> bool:
        """Whether it is neither on the chain nor in the pool any more."""
        return self.status in GONE


class ReviewBody(msgspec.Struct, frozen=True, kw_only=True):
    """The review of a deposit that a human settles: the open one, else the latest."""

    status: Annotated[
        Literal["open", "returning", "closed"],
        Meta(title="ReviewStatus", description="`returning` until the return is confirmed on chain."),
    ]
    outcome: Annotated[
        Annotated[Literal["credited", "returned", "closed"], Meta(title="ReviewOutcome")] | None,
        Meta(description="Null while the review is open."),
    ]
    cause: Annotated[str, Meta(description="Why there is one: `underpaid`, `late`, …")]
    deposit_id: Annotated[str, Meta(description="The deposit that it is about.")]
    refund_id: Annotated[str | None, Meta(description="The return, if it was decided so.")]
    opened_at: Annotated[str, Meta(description="When it was opened.")]
    decided_at: Annotated[str | None, Meta(description="When an operator decided it.")]


class PriceBody(msgspec.Struct, frozen=True, kw_only=True):
    """The price of an invoice in a national currency."""

    amount_decimal: Annotated[Decimal, Meta(description="As many places as the currency has.")]
    currency: Annotated[str, Meta(description="ISO 4217.", extra_json_schema={"pattern": "^[A-Z]{3}$"})]


class AssetOnChain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An asset on one chain."""

    asset: Annotated[str, Meta(min_length=1, max_length=20, description="The asset's symbol; see `GET /assets`.")]
    chain: Annotated[str, Meta(min_length=1, max_length=40, description="The chain; see `GET /assets`.")]


class RateSourceBody(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says of a rate."""

    name: Annotated[
        str,
        Meta(description="The source; `kraken × ecb` where its price in another currency was multiplied by that rate."),
    ]
    rate: Annotated[Decimal, Meta(description="What one whole asset is worth there, in the currency.")]
    at: Annotated[Moment, Meta(description="The source's own time of it.")]
    used: Annotated[bool, Meta(description="False where it was too far off the others to count.")]


class QuoteBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the price is in one asset, until the quote ends."""

    id: Annotated[str, Meta(description="`QT-` and ten characters.")]
    state: Annotated[
        Literal["open", "used", "ended"],
        Meta(
            title="QuoteState",
            description="`open`: a payment that is made before `expires_at` pays the invoice. `used`: a payment has "
            "come for it, and it stays the invoice's quote. `ended`: it was not paid in time.",
        ),
    ]
    pay_in: Annotated[PayIn, Meta(description="The exact amount, and where to send it.")]
    rate: Annotated[Decimal, Meta(description="What one whole asset is worth in the price's currency.")]
    rate_at: Annotated[Moment, Meta(description="The time of the oldest of the figures that the rate is made of.")]
    sources: Annotated[list[RateSourceBody], Meta(description="Every source's figure; the rate is their median.")]
    spread_bps: Annotated[int, Meta(description="What was added to the price, in hundredths of a percent.")]
    created_at: Annotated[Moment, Meta(description="When it was made.")]
    expires_at: Annotated[Moment, Meta(description="The payment must be in a block, or seen in the pool, before.")]


class InvoiceBody(msgspec.Struct, frozen=True, kw_only=True):
    """A demand for one exact amount of one asset on one chain, or for a price until the customer has chosen them."""

    id: Annotated[
        str,
        Meta(description="`INV-` and ten characters.", extra_json_schema={"pattern": "^INV-[0-9A-HJKMNP-TV-Z]{10}$"}),
    ]
    mode: Annotated[Literal["live", "test"], Meta(title="Mode", description="The mode of the key that made it.")]
    status: Status
    needs_review: Annotated[bool, Meta(description="Whether an operator has to look at a deposit of it.")]
    review: Annotated[ReviewBody | None, Meta(description="The review that an operator settles or has settled.")]
    price: Annotated[
        PriceBody | None, Meta(description="The price in a national currency; null where the asset itself was named.")
    ]
    amount_decimal: Annotated[
        Decimal | None, Meta(description="The amount that was asked for, in the asset. Null in `awaiting_choice`.")
    ]
    amount_raw: Annotated[
        Raw | None, Meta(description="The amount that was asked for, in minor units. Null in `awaiting_choice`.")
    ]
    pay_in: Annotated[
        PayIn | None,
        Meta(description="The exact amount, and where to send it. Null while the customer has yet to choose an asset."),
    ]
    quotes: Annotated[
        list[QuoteBody], Meta(description="What the price is, or was, in assets: the current one first. The newest 20.")
    ]
    pay_in_assets: Annotated[
        list[AssetOnChain] | None,
        Meta(description="As given: what the price may be paid with. Null: all that you offer."),
    ]
    service_fee_bps: Annotated[int, Meta(description="The service fee in hundredths of a percent.")]
    service_fee_raw: Annotated[
        Raw | None, Meta(description="The service fee in minor units, rounded up. Null in `awaiting_choice`.")
    ]
    fee_payer: Annotated[
        Literal["merchant", "customer"],
        Meta(title="FeePayer", description="`merchant`: taken out of the amount. `customer`: added on top."),
    ]
    net_raw: Annotated[
        Raw | None,
        Meta(description="What the merchant will be credited for the exact payment. Null in `awaiting_choice`."),
    ]
    received_raw: Annotated[Raw, Meta(description="What has come in so far in the invoice's asset, dust included.")]
    credited: Annotated[bool, Meta(description="Whether the merchant's balance has it.")]
    credited_raw: Annotated[Raw | None, Meta(description="What was credited; null until then.")]
    service_fee_charged_raw: Annotated[
        Raw | None,
        Meta(
            description="The service fee that was taken when it was credited: `service_fee_raw` for the exact payment, "
            "in proportion where another amount came. Null until then."
        ),
    ] = None
    worth: Annotated[
        WorthBody | None,
        Meta(
            description="What was credited was worth this much then, in your reporting currency. Null before, and "
            "where there was no rate: it is never filled in later."
        ),
    ] = None
    refunded_raw: Annotated[Raw, Meta(description="What was sent back of it, confirmed on chain.")]
    deposits: Annotated[list[DepositBody], Meta(description="The transfers that were seen, oldest first.")]
    order_id: Annotated[str | None, Meta(description="As given.")]
    description: Annotated[str | None, Meta(description="As given. The customer sees it.")]
    customer_id: Annotated[str | None, Meta(description="As given. Never public.")]
    metadata: Annotated[Metadata, Meta(description="As given.")]
    payment_link: Annotated[
        str | None, Meta(description="The payment link that it was made by, `PL-` and ten characters; else null.")
    ] = None
    success_url: Annotated[str | None, Meta(description="Where the customer goes after paying.")]
    fail_url: Annotated[str | None, Meta(description="Where the customer may go after expiry or cancellation.")]
    webhook_url: Annotated[str | None, Meta(description="Where this invoice's events go instead of the endpoints.")]
    payment_url: Annotated[
        str, Meta(description="The checkout page. Send the customer there.", extra_json_schema={"format": "uri"})
    ]
    expires_at: Annotated[Moment, Meta(description="Until when the payment must be in a block.")]
    created_at: Annotated[Moment, Meta(description="When it was made.")]
    paid_at: Annotated[Moment | None, Meta(description="When the payment became final; null until then.")]

    @property
    def counted_raw(self) -> int | None:
        """What counts of the transfers, in minor units: the credit and the fee that was taken; None until then."""
        if self.credited_raw is None:
            return None
        return int(self.credited_raw) + int(self.service_fee_charged_raw or self.service_fee_raw or 0)


RATES_KEPT = 1_000
"""Rates of which a process keeps the sources' public form: quotes of the same minute share them."""

QUOTE_IS_USED = frozenset(Status) - {Status.AWAITING_CHOICE, Status.AWAITING_DEPOSIT, Status.EXPIRED, Status.CANCELLED}
"""States in which the invoice's quote has a payment, or something that an operator reviews."""

_UNREVIEWED = frozenset({"exact", "part", "dust"})


class Due(msgspec.Struct, frozen=True):
    """The amount to send now: the whole, or the missing amount where parts are accepted. `missing_raw` is below zero
    where more was received."""

    missing_raw: int
    amount_raw: int
    amount_decimal: str
    payment_uri: str
    qr_text: str
    wallet: WalletPayment | None
    """What a wallet in the browser is asked to send; None where there is none for this chain."""


class InvoicePresenter:
    """Turns rows into `InvoiceBody`, with the networks' decimals and the deployment's links."""

    def __init__(self, networks: Networks, links: PaymentLinks) -> None:
        self._networks = networks
        self._links = links
        self._assets: dict[tuple[str, str], tuple[Chain, str, Asset]] = {}

    def body(
        self,
        row: InvoiceRow,
        deposits: list[dict[str, Any]],
        review: str | None,
        quotes: Sequence[ShownQuote] = (),
        worth: WorthBody | None = None,
    ) -> InvoiceBody:
        """The public form of an invoice with its deposits, its review (JSON), its quotes, and what its credit was
        worth."""
        asked, status = row.asked, stored(Status, row.status)
        credited_raw, charged_raw = row.credited_raw, row.service_fee_charged_raw
        pay_in = None if asked is None else self._pay_in(asked)
        return InvoiceBody(
            id=row.id,
            mode=row.mode,
            status=status,
            needs_review=row.needs_review,
            review=None if review is None else msgspec.json.decode(review, type=ReviewBody),
            price=_price(row),
            amount_decimal=None if asked is None else self._decimal(asked.network, asked.asset, asked.amount_raw),
            amount_raw=None if asked is None else str(asked.amount_raw),
            pay_in=pay_in,
            quotes=[self._quote(row, quote, pay_in if quote.id == row.quote else None) for quote in quotes],
            pay_in_assets=None if row.pay_in_assets is None else [self._choice(each) for each in row.pay_in_assets],
            service_fee_bps=row.service_fee_bps,
            service_fee_raw=None if asked is None else str(asked.service_fee_raw),
            fee_payer=row.fee_payer,
            net_raw=None if asked is None else str(asked.net_raw),
            received_raw=str(row.received_raw),
            credited=credited_raw is not None,
            credited_raw=None if credited_raw is None else str(credited_raw),
            service_fee_charged_raw=None if charged_raw is None else str(charged_raw),
            worth=worth,
            refunded_raw=str(row.refunded_raw),
            deposits=[self._deposit(deposit) for deposit in deposits],
            order_id=row.order_id,
            description=row.description,
            customer_id=row.customer_id,
            metadata=metadata.from_json(row.metadata),
            payment_link=row.payment_link,
            success_url=row.success_url,
            fail_url=row.fail_url,
            webhook_url=row.webhook_url,
            payment_url=self._links.url(row.id),
            expires_at=rfc3339(row.expires_at),
            created_at=rfc3339(row.created_at),
            paid_at=None if row.paid_at is None else rfc3339(row.paid_at),
        )

    def due(self, row: InvoiceRow, pay_in: PayIn | None) -> Due | None:
        """The amount that is still to be paid for an invoice that asks for `pay_in`; None while nothing is chosen."""
        if row.network is None or pay_in is None:
            return None
        chain, _, asset = self._asset(row.network, pay_in.asset)
        whole_raw = int(pay_in.amount_raw)
        missing_raw = whole_raw - (row.received_raw if row.accept_parts else 0)
        due_raw = missing_raw if missing_raw > 0 else whole_raw
        is_whole = due_raw == whole_raw
        return Due(
            missing_raw,
            due_raw,
            pay_in.amount_decimal if is_whole else format_amount(due_raw, asset.decimals),
            pay_in.payment_uri if is_whole else chain.payment_uri(pay_in.address, asset.symbol, due_raw),
            chain.qr_text(pay_in.address, asset.symbol, due_raw),
            chain.wallet_payment(pay_in.address, asset.symbol, due_raw),
        )

    def _pay_in(self, asked: Asked) -> PayIn:
        chain, chain_name, asset = self._asset(asked.network, asked.asset)
        return PayIn(
            asset=asset.symbol,
            chain=chain_name,
            address=asked.address,
            memo=None,
            amount_decimal=format_amount(asked.pay_in_raw, asset.decimals),
            amount_raw=str(asked.pay_in_raw),
            cent_tail=asked.cent_tail,
            confirmations_required=asked.confirmations_required,
            payment_uri=chain.payment_uri(asked.address, asset.symbol, asked.pay_in_raw),
        )

    def _quote(self, row: InvoiceRow, quote: ShownQuote, pay_in: PayIn | None) -> QuoteBody:
        """A quote; `pay_in` is what it asks for, where that is known already."""
        is_used = quote.id == row.quote and stored(Status, row.status) in QUOTE_IS_USED
        return QuoteBody(
            id=quote.id,
            state="used" if is_used else quote.state,
            pay_in=pay_in or self._pay_in(quote),
            rate=plain_figure(quote.figure),
            rate_at=rfc3339(quote.rate_at),
            sources=_sources(quote.sources),
            spread_bps=quote.spread_bps,
            created_at=rfc3339(quote.created_at),
            expires_at=rfc3339(quote.expires_at),
        )

    def _choice(self, stored: str) -> AssetOnChain:
        network_key, symbol = choice_of(stored)
        return AssetOnChain(asset=symbol, chain=self._networks.get(network_key).chain)

    def _decimal(self, network_key: str, symbol: str, amount_raw: int) -> str:
        _, _, asset = self._asset(network_key, symbol)
        return format_amount(amount_raw, asset.decimals)

    def _deposit(self, deposit: dict[str, Any]) -> DepositBody:
        _, _, asset = self._asset(deposit["network"], deposit["asset"])
        head_height: int = deposit["head_height"]
        height = deposit["block_height"] if deposit["status"] != "orphaned" else None
        return DepositBody(
            id=deposit["id"],
            txid=deposit["txid"],
            index=deposit["index"],
            asset=asset.symbol,
            amount_decimal=format_amount(int(deposit["amount_raw"]), asset.decimals),
            amount_raw=deposit["amount_raw"],
            from_address=deposit["from_address"],
            block_height=deposit["block_height"],
            confirmations=0 if height is None else max(0, head_height - height + 1),
            status=_DEPOSIT_STATUS.get(deposit["gone_because"], deposit["status"]),
            replaced_by=deposit["replaced_by"],
            verdict=deposit["verdict"],
            review_reason=None if deposit["verdict"] in _UNREVIEWED else deposit["verdict"],
            seen_at=deposit["seen_at"],
        )

    def _asset(self, network_key: str, symbol: str) -> tuple[Chain, str, Asset]:
        """An asset with its chain and that chain's name. Cached, since they never change in a process."""
        known = self._assets.get((network_key, symbol))
        if known is None:
            network = self._networks.get(network_key)
            asset = network.asset(symbol)
            assert asset is not None, "assets are never removed from a network that has invoices or deposits"
            known = self._assets[network_key, symbol] = (self._networks.chain(network_key), network.chain, asset)
        return known


_DEPOSIT_STATUS = {"replaced": "replaced", "dropped": "dropped"}
"""The states that the API has for deposits that have left the pool; the table knows why each is `orphaned`."""


def stored_choice(network_key: str, symbol: str) -> str:
    """An asset in the column `pay_in_assets`."""
    return f"{network_key} {symbol}"


def choice_of(stored: str) -> tuple[str, str]:
    """The network's key and the asset's symbol in an item of the column `pay_in_assets`."""
    network_key, _, symbol = stored.partition(" ")
    return network_key, symbol


def plain_figure(figure: ExactDecimal) -> str:
    """A rate's figure without an exponent, and without zeros at its end."""
    text = f"{figure:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=RATES_KEPT)
def _sources(sources: tuple[SourceFigure, ...]) -> list[RateSourceBody]:
    return [
        RateSourceBody(name=each.name, rate=plain_figure(each.figure), at=rfc3339(each.at), used=each.used)
        for each in sources
    ]


def _price(row: InvoiceRow) -> PriceBody | None:
    if row.price_raw is None or row.price_currency is None:
        return None
    return PriceBody(amount_decimal=format_price(row.price_raw, row.price_currency), currency=row.price_currency)


def event_data(invoice_id: str, body: bytes) -> bytes:
    """The `data` of an invoice's event: `invoice_id`, then the invoice as the API shows it (contract, 6)."""
    return b'{"invoice_id":"%s",%s' % (invoice_id.encode(), body[1:])
