"""Create an invoice: check, price, lease an address, and write all in one statement (creation_repository.py).

An invoice that names its asset is priced in it. One with a price in a national currency is quoted where it can be paid
with one asset only; else the customer chooses (quotes.py), and nothing is leased before that.

Every condition that might fail is in that statement, and a refusal changes nothing. Further queries find the reason
only after a refusal.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec
from msgspec.structs import replace

from app.addresses.service import AddressBook
from app.core import currencies, ids
from app.core.crypto import hmac_sha256
from app.core.errors import ApiError, Code, invalid
from app.core.money import parse_amount
from app.invoices import creation_repository, repository
from app.invoices.asking import Quoted, Quoting, asked_for, check_bounds, explain_refusal, not_allowed
from app.invoices.creation_repository import Admission, Insertion, NewRows
from app.invoices.presentation import AssetOnChain, InvoicePresenter, stored_choice
from app.invoices.pricing import FeePayer
from app.invoices.quotes_repository import QuoteRow
from app.invoices.quoting import PriceOf, parse_price
from app.invoices.reading_repository import Asked, InvoiceRow
from app.invoices.states import Status
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.merchants.service import terms_of
from app.merchants.terms import Mode, Terms
from app.networks.config import Asset, NetworkConfig
from app.networks.registry import Networks, UnknownNetwork
from app.web import idempotency_repository
from app.web.idempotency import Replay, ReplayExists, refuse_repeat
from app.webhooks.invoice_overrides import WebhookOverrides

MAX_TRIES = 20
"""Attempts with another address or id before giving up: each fails only by a rare clash."""


class NewInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that a merchant requests, its form checked; asset and amount are checked when it is created."""

    amount: str
    currency: str
    chain: str | None = None
    """None for a price: `currency` is a national currency then."""
    pay_in_assets: tuple[AssetOnChain, ...] | None = None
    """What a price may be paid with; None for all that the merchant offers."""
    description: str | None = None
    order_id: str | None = None
    customer_id: str | None = None
    customer_email: str | None = None
    success_url: str | None = None
    fail_url: str | None = None
    webhook_url: str | None = None
    metadata: bytes = b"{}"
    expires_in: timedelta
    fee_payer: FeePayer | None = None
    payment_link: str | None = None
    """The payment link that it is made by."""
    admit: Admission | None = None


class InvoiceCreation:
    """Creates invoices. One per process."""

    def __init__(
        self,
        networks: Networks,
        book: AddressBook,
        presenter: InvoicePresenter,
        overrides: WebhookOverrides,
        email_hash_secret: bytes,
        quoting: Quoting,
    ) -> None:
        self._networks = networks
        self._book = book
        self._presenter = presenter
        self._overrides = overrides
        self._email_hash_secret = email_hash_secret
        self._quoting = quoting
        self._insertion = Insertion()

    async def create_by(self, by: Member, mode: Mode, new: NewInvoice, replay: Replay, now: datetime) -> bytes:
        """Create an invoice in the cabinet, with its audit row; else as `create`. Raises Forbidden."""
        by.require(Permission.INVOICES_WRITE, mode)
        return await self.create(await terms_of(by.merchant_id, mode), new, replay, now, by)

    async def create(
        self, terms: Terms, new: NewInvoice, replay: Replay | None, now: datetime, by: Member | None = None
    ) -> bytes:
        """Create an invoice, and return its JSON, the same bytes that a replay returns. `by` is the member, if not a
        key.

        Raises PAY_IN_ASSET_NOT_ALLOWED, AMOUNT_TOO_SMALL, AMOUNT_TOO_LARGE, DUPLICATE_ORDER_ID, POOL_EXHAUSTED,
        INVOICES_DISABLED, RATE_UNAVAILABLE, INVALID_INPUT, and ReplayExists where `replay` is already there. Not inside
        a transaction.
        """
        try:
            return await self._create(terms, new, replay, now, by)
        except ApiError:
            if replay is not None:  # a repetition gets its answer, though the first request would be refused by now
                await refuse_repeat(replay)
            raise

    async def _create(
        self, terms: Terms, new: NewInvoice, replay: Replay | None, now: datetime, by: Member | None
    ) -> bytes:
        if new.webhook_url is not None:
            url = await self._overrides.admit(terms.merchant_id, terms.mode, new.webhook_url, now)
            new = replace(new, webhook_url=url)
        if new.chain is not None:
            network, asset = self._pay_in(terms, new.currency, new.chain)
            amount_raw = parse_amount(new.amount, asset.decimals)
            return await self._write(terms, new, network, asset, amount_raw, None, replay, now, by)
        price = _price(terms, new)
        choices = None if new.pay_in_assets is None else self._choices(terms, new.pay_in_assets)
        if choices is None or len(choices) > 1:
            return await self._write_choice(terms, new, price, choices, replay, now, by)
        ((network, asset),) = choices
        quoted = await self._quoting.rate(price, asset, terms.prices, now)
        return await self._write(terms, new, network, asset, quoted.amount_raw, quoted, replay, now, by)

    async def _write(
        self,
        terms: Terms,
        new: NewInvoice,
        network: NetworkConfig,
        asset: Asset,
        amount_raw: int,
        quoted: Quoted | None,
        replay: Replay | None,
        now: datetime,
        by: Member | None,
    ) -> bytes:
        """Write an invoice that asks for an amount of an asset, or for a price that was quoted in it."""
        check_bounds(amount_raw, asset.min_raw, asset.max_raw, asset)
        for _ in range(MAX_TRIES):
            reservation = await self._book.take(network, now)
            try:
                asked = asked_for(
                    network,
                    asset,
                    amount_raw,
                    terms.service_fee_bps,
                    new.fee_payer or terms.fee_payer,
                    reservation,
                )
                invoice_id = ids.new_id(ids.INVOICE)
                quote, shown, priced = None, [], NOT_PRICED
                if quoted is not None:
                    ends_at = now + new.expires_in
                    quote = quoted.row(ids.new_id(ids.QUOTE), invoice_id, asked, terms.prices, now, ends_at)
                    shown, priced = [quoted.shown(quote, asked)], _quoted(quoted.price, quote)
                row = self._row(invoice_id, terms, new, asked, priced, now)
                body = msgspec.json.encode(self._presenter.body(row, [], None, shown))
                if await self._insertion.write(NewRows(row, body, reservation.holder, replay, by, quote, new.admit)):
                    return body
                await explain_refusal(terms.merchant_id, network, asset, amount_raw)
            except asyncpg.UniqueViolationError as error:
                self._book.give_back(network, reservation)
                await _explain_clash(getattr(error, "constraint_name", None), terms, new, replay)
            except ApiError:
                self._book.give_back(network, reservation)
                raise
        raise ApiError(Code.POOL_EXHAUSTED, f"no {network.chain} address is free", retry_after_s=60)

    async def _write_choice(
        self,
        terms: Terms,
        new: NewInvoice,
        price: PriceOf,
        choices: Sequence[tuple[NetworkConfig, Asset]] | None,
        replay: Replay | None,
        now: datetime,
        by: Member | None,
    ) -> bytes:
        """Write an invoice whose customer has yet to choose what to pay with."""
        stored = None if choices is None else [stored_choice(network.key, asset.symbol) for network, asset in choices]
        for _ in range(MAX_TRIES):
            row = self._row(ids.new_id(ids.INVOICE), terms, new, None, _priced(price, stored), now)
            body = msgspec.json.encode(self._presenter.body(row, [], None))
            try:
                if await self._insertion.write(NewRows(row, body, None, replay, by, admit=new.admit)):
                    return body
                if await creation_repository.are_paused():
                    raise ApiError(Code.INVOICES_DISABLED, "new invoices are paused", retry_after_s=60)
                raise ApiError(Code.PAY_IN_ASSET_NOT_ALLOWED, "pay_in_assets: not all of these are enabled, or none is")
            except asyncpg.UniqueViolationError as error:
                await _explain_clash(getattr(error, "constraint_name", None), terms, new, replay)
        raise RuntimeError(f"{MAX_TRIES} new ids of invoices were taken already")

    def email_hash(self, email: str) -> bytes:
        """The keyed hash of a customer's email address, for searching. Upper and lower case give the same."""
        return hmac_sha256(self._email_hash_secret, email.strip().lower().encode())

    def _pay_in(self, terms: Terms, symbol: str, chain: str) -> tuple[NetworkConfig, Asset]:
        try:
            network = self._networks.by(chain, terms.mode)
        except UnknownNetwork:
            raise not_allowed(symbol, chain) from None
        asset = network.asset(symbol)
        if asset is None:
            raise not_allowed(symbol, chain)
        return network, asset

    def _choices(self, terms: Terms, given: Sequence[AssetOnChain]) -> list[tuple[NetworkConfig, Asset]]:
        """The assets that the request names. Raises PAY_IN_ASSET_NOT_ALLOWED, INVALID_INPUT."""
        if not given or len(set(given)) != len(given):
            raise invalid("pay_in_assets", "must name at least one asset, and each once")
        return [self._pay_in(terms, each.asset, each.chain) for each in given]

    def _row(
        self,
        invoice_id: str,
        terms: Terms,
        new: NewInvoice,
        asked: Asked | None,
        priced: Mapping[str, object],
        now: datetime,
    ) -> InvoiceRow:
        """The new row of `invoices`. `priced` are the columns of its price and its quote."""
        columns = dict.fromkeys(Asked.__struct_fields__) if asked is None else msgspec.structs.asdict(asked)
        status = Status.AWAITING_CHOICE if asked is None else Status.AWAITING_DEPOSIT
        return InvoiceRow(
            id=invoice_id,
            merchant=terms.merchant_id,
            mode=terms.mode,
            status=status.value,
            needs_review=False,
            service_fee_bps=terms.service_fee_bps,
            fee_payer=new.fee_payer or terms.fee_payer,
            received_raw=0,
            credited_raw=None,
            service_fee_charged_raw=None,
            refunded_raw=0,
            description=new.description,
            order_id=new.order_id,
            holds_order_id=new.order_id is not None,
            customer_id=new.customer_id,
            customer_email_hash=self.email_hash(new.customer_email) if new.customer_email else None,
            success_url=new.success_url,
            fail_url=new.fail_url,
            webhook_url=new.webhook_url,
            metadata=new.metadata.decode(),
            expires_at=now + new.expires_in,
            created_at=now,
            paid_at=None,
            accept_parts=terms.accept_parts,
            payment_link=new.payment_link,
            **columns,
            **priced,  # type: ignore[arg-type]
        )


NOT_PRICED: Mapping[str, object] = dict.fromkeys(
    ("price_raw", "price_currency", "pay_in_assets", "quote", "quote_expires_at")
)
"""The columns of an invoice that names its asset."""


def _priced(price: PriceOf, pay_in_assets: Sequence[str] | None) -> dict[str, object]:
    """The columns of an invoice with a price, of which nothing is chosen."""
    return {
        **NOT_PRICED,
        "price_raw": price.raw,
        "price_currency": price.currency,
        "pay_in_assets": pay_in_assets,
    }


def _quoted(price: PriceOf, quote: QuoteRow) -> dict[str, object]:
    """The columns of an invoice whose price can be paid with one asset only, and that has its first quote."""
    columns = _priced(price, [stored_choice(quote.network, quote.asset)])
    return {**columns, "quote": quote.id, "quote_expires_at": quote.expires_at}


def _price(terms: Terms, new: NewInvoice) -> PriceOf:
    """The price of a request without a chain. Raises INVALID_INPUT, PAY_IN_ASSET_NOT_ALLOWED."""
    if not currencies.is_currency(new.currency):
        raise invalid("chain", f"must be given, since {new.currency} is not a national currency")
    if new.currency not in terms.prices.currencies:
        raise ApiError(Code.PAY_IN_ASSET_NOT_ALLOWED, f"currency: prices in {new.currency} are not enabled")
    return PriceOf(parse_price(new.amount, new.currency), new.currency)


async def _explain_clash(constraint: str | None, terms: Terms, new: NewInvoice, replay: Replay | None) -> None:
    """Raise the reason of a unique key's violation; return if another try may succeed."""
    if replay is not None and await idempotency_repository.exists(replay.id):
        raise ReplayExists
    if constraint == "invoices_order_id_once":
        holder = await repository.holder_of_order_id(terms.merchant_id, terms.mode, new.order_id)
        if holder is None:  # expired or cancelled meanwhile
            return
        raise ApiError(Code.DUPLICATE_ORDER_ID, "order_id: an open or paid invoice has it already", invoice_id=holder)
    if constraint not in ("invoices_pkey", "idempotency_records_pkey"):
        raise RuntimeError(f"unexpected clash at {constraint}")
