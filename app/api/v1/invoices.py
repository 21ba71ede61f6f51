"""`/invoices`: create, read, list, cancel (contract, section 3)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, cast

import msgspec
from litestar import Request, Response, get, post
from msgspec import Meta

from app.api.guard import requires
from app.api.operation import PAGE, NextCursor, Parameter, Parameters, described
from app.api.v1 import examples
from app.api_keys.authentication import Principal
from app.api_keys.scopes import Scope
from app.core import clock, currencies, metadata
from app.core.errors import ApiError, Code, invalid
from app.core.metadata import Metadata
from app.invoices.creation import NewInvoice
from app.invoices.presentation import AssetOnChain, InvoiceBody
from app.invoices.pricing import FeePayer
from app.invoices.reading_repository import Filters
from app.invoices.return_urls import MAX_URL_LENGTH, check_return_url
from app.invoices.states import Status
from app.merchants.terms import Terms
from app.web.once import Once
from app.web.paging import next_cursor, parse_moment, parse_page
from app.web.routing import Router
from app.web.standby_reads import from_standby
from app.wiring import Services

EMAIL_PATTERN = r"^[^@\s\x00-\x20\x7f-\xa0]+@[^@\s\x00-\x20\x7f-\xa0]+$"
"""One @, no space, no control character. Listed one by one, since `\\s` differs between languages."""

DEFAULT_EXPIRES_IN_MINUTES = 60
"""Contract, section 3."""

MAX_PAY_IN_ASSETS = 50

_HTTPS = {"format": "uri", "pattern": r"^https://[^/?#@\s]+"}
Url = Annotated[str, Meta(max_length=MAX_URL_LENGTH, extra_json_schema=_HTTPS)]
ReturnUrl = Annotated[
    str,
    Meta(
        max_length=MAX_URL_LENGTH,
        extra_json_schema={
            "format": "uri",
            "pattern": r"^(https://[^/?#@\s]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?([/?#]|$))",
        },
    ),
]
"""http on the customer's own machine is for test keys."""
Reference = Annotated[str, Meta(min_length=1, max_length=100)]


class InvoiceRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A new invoice."""

    amount: Annotated[
        str,
        Meta(
            max_length=79,
            description="A decimal greater than zero, with no more places than the asset or the currency has. No sign, "
            "no exponent.",
            extra_json_schema={"pattern": r"^[0-9]+(\.[0-9]+)?$"},
        ),
    ]
    currency: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=20,
            description="The asset's symbol, see `GET /assets`; or, without `chain`, the national currency of a price "
            "(ISO 4217) that you have enabled.",
        ),
    ]
    chain: Annotated[
        Annotated[str, Meta(min_length=1, max_length=40)] | None,
        Meta(description="The chain to be paid on, see `GET /assets`. Left out for a price in a national currency."),
    ] = None
    pay_in_assets: Annotated[
        Annotated[list[AssetOnChain], Meta(min_length=1, max_length=MAX_PAY_IN_ASSETS)] | None,
        Meta(
            description="What a price may be paid with; left out, all that you offer. With one entry the answer "
            "already holds the quote."
        ),
    ] = None
    description: Annotated[Annotated[str, Meta(max_length=500)] | None, Meta(description="Shown to the customer.")] = (
        None
    )
    order_id: Annotated[
        Reference | None,
        Meta(description="Your order. Unique while the invoice is neither cancelled nor expired."),
    ] = None
    customer_id: Annotated[Reference | None, Meta(description="Your customer. Never shown publicly.")] = None
    customer_email: Annotated[
        Annotated[str, Meta(max_length=254, pattern=EMAIL_PATTERN)] | None,
        Meta(description="Stored only as a keyed hash, for `?customer_email=`."),
    ] = None
    success_url: Annotated[
        ReturnUrl | None,
        Meta(
            description="Where the customer goes after paying. https, no user info; with a test key also http on "
            "localhost."
        ),
    ] = None
    fail_url: Annotated[
        ReturnUrl | None,
        Meta(
            description="Offered to the customer after expiry or cancellation. https, no user info; with a test key "
            "also http on localhost."
        ),
    ] = None
    webhook_url: Annotated[
        Url | None,
        Meta(description="Where this invoice's events go instead of your endpoints. https, a public address."),
    ] = None
    metadata: Annotated[
        Metadata | None,
        Meta(description="An object of your own, at most 4 KiB as JSON. Echoed in answers and events."),
    ] = None
    expires_in: Annotated[int, Meta(ge=10, le=10_080, description="Minutes to pay in.")] = DEFAULT_EXPIRES_IN_MINUTES
    fee_payer: Annotated[
        Annotated[Literal["merchant", "customer"], Meta(title="FeePayer")] | None,
        Meta(description="Who pays the service fee. If left out, the merchant's setting."),
    ] = None


class InvoicePage(msgspec.Struct, frozen=True):
    """A page of invoices, newest first."""

    data: list[InvoiceBody]
    next_cursor: NextCursor


_INVOICE_ID = Parameter(description="`INV-` and ten characters.", example=examples.INVOICE.id)
_MOMENT: Mapping[str, str] = {"type": "string", "format": "date-time"}

_LIST_QUERY: Mapping[str, Parameter] = {
    "status": Parameter(
        description="Invoices in this status.",
        schema={"title": "InvoiceStatus", "enum": [status.value for status in Status]},
        example="paid",
    ),
    "currency": Parameter(
        description="Invoices in this asset; or with a price in this national currency.", example="USDT"
    ),
    "chain": Parameter(description="Invoices on this chain.", example="ethereum"),
    "order_id": Parameter(description="Invoices for this order.", example="1042"),
    "customer_id": Parameter(description="Invoices of this customer.", example="c-77"),
    "customer_email": Parameter(
        description="Invoices made with this email, in upper or lower case.", example="ann@example.com"
    ),
    "payment_link": Parameter(description="Invoices that this payment link has made.", example="PL-4N8C2WQ7ZK"),
    "created_from": Parameter(
        description="Invoices made at this time or later.", schema=_MOMENT, example="2026-01-01T00:00:00Z"
    ),
    "created_to": Parameter(
        description="Invoices made before this time.", schema=_MOMENT, example="2026-02-01T00:00:00Z"
    ),
    **PAGE,
}


def routes(services: Services) -> Router:
    """The routes of `/invoices`."""

    @post(
        "/",
        status_code=201,
        opt=requires(Scope.INVOICES_WRITE)
        | described(
            "Create an invoice",
            "Leases a deposit address and fixes the one exact amount to send. Send the customer to `payment_url`, or "
            "show `pay_in` yourself. With a price in a national currency the customer first chooses what to pay with.",
            example=examples.INVOICE,
            body_example=examples.NEW_INVOICE,
            errors=[
                Code.PAY_IN_ASSET_NOT_ALLOWED,
                Code.AMOUNT_TOO_SMALL,
                Code.AMOUNT_TOO_LARGE,
                Code.DUPLICATE_ORDER_ID,
                Code.POOL_EXHAUSTED,
                Code.INVOICES_DISABLED,
                Code.RATE_UNAVAILABLE,
            ],
            creates=True,
        ),
        operation_id="createInvoice",
    )
    async def create(
        request: Request[Any, Any, Any], principal: Principal, data: InvoiceRequest
    ) -> Response[InvoiceBody]:
        once = Once(
            request, merchant_id=principal.merchant_id, mode=principal.mode, endpoint="POST /invoices", body=data
        )
        new = _new_invoice(data, principal.mode)
        terms = terms_of_key(principal)
        answer = await once.answer(lambda replay: services.invoice_creation.create(terms, new, replay, clock.now()))
        return cast(Response[InvoiceBody], answer)  # encoded already, or a replay of stored bytes

    @get(
        "/{invoice_id:str}",
        opt=requires(Scope.INVOICES_READ)
        | described(
            "Retrieve an invoice",
            example=examples.PAID_INVOICE,
            path={"invoice_id": _INVOICE_ID},
            errors=[Code.INVOICE_NOT_FOUND],
        ),
        operation_id="getInvoice",
    )
    async def read(principal: Principal, invoice_id: str) -> InvoiceBody:
        invoice = await services.invoice_reader.get(principal.merchant_id, principal.mode, invoice_id)
        if invoice is None:
            raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
        return invoice

    @get(
        "/",
        opt=requires(Scope.INVOICES_READ)
        | from_standby(unless=["order_id"])
        | described(
            "List invoices",
            "Newest first. Filters match exactly, and an invoice must match all of them.",
            example=InvoicePage([examples.PAID_INVOICE], None),
            query=_LIST_QUERY,
        ),
        operation_id="listInvoices",
    )
    async def page(principal: Principal, parameters: Parameters) -> InvoicePage:
        requested = parse_page(parameters)
        invoices = await services.invoice_reader.page(
            principal.merchant_id,
            principal.mode,
            _filters(services, principal, parameters),
            requested.place,
            requested.limit,
        )
        return InvoicePage(invoices, next_cursor(invoices.following))

    @post(
        "/{invoice_id:str}/cancel",
        status_code=200,
        opt=requires(Scope.INVOICES_WRITE)
        | described(
            "Cancel an invoice",
            "Only from `awaiting_choice` or `awaiting_deposit`. The address is still watched: a later payment goes to "
            "an operator's review.",
            example=examples.CANCELLED_INVOICE,
            path={"invoice_id": _INVOICE_ID},
            errors=[Code.INVOICE_NOT_FOUND, Code.INVOICE_NOT_CANCELLABLE],
        ),
        operation_id="cancelInvoice",
    )
    async def cancel(principal: Principal, invoice_id: str) -> InvoiceBody:
        return await services.invoices.cancel(principal.merchant_id, principal.mode, invoice_id, clock.now())

    @post(
        "/{invoice_id:str}/quotes",
        status_code=201,
        opt=requires(Scope.INVOICES_WRITE)
        | described(
            "Choose what to pay with",
            "Makes a quote of the invoice's price in an asset, which is what is to be paid from now on. A quote of the "
            "asset that is good for two more minutes is taken again. Earlier quotes are honoured until they end.",
            example=examples.QUOTED_INVOICE,
            body_example=examples.NEW_QUOTE,
            path={"invoice_id": _INVOICE_ID},
            errors=[
                Code.INVOICE_NOT_FOUND,
                Code.INVOICE_NOT_QUOTABLE,
                Code.PAY_IN_ASSET_NOT_ALLOWED,
                Code.AMOUNT_TOO_SMALL,
                Code.AMOUNT_TOO_LARGE,
                Code.POOL_EXHAUSTED,
                Code.INVOICES_DISABLED,
                Code.RATE_UNAVAILABLE,
            ],
            creates=True,
        ),
        operation_id="createQuote",
    )
    async def quote(
        request: Request[Any, Any, Any], principal: Principal, invoice_id: str, data: AssetOnChain
    ) -> Response[InvoiceBody]:
        once = Once(
            request,
            merchant_id=principal.merchant_id,
            mode=principal.mode,
            endpoint="POST /invoices/{id}/quotes",
            body=(invoice_id, data),
        )
        answer = await once.answer(
            lambda replay: services.quotes.choose_for(
                principal.merchant_id, principal.mode, invoice_id, data.asset, data.chain, replay, clock.now()
            )
        )
        return cast(Response[InvoiceBody], answer)

    return Router("/invoices", route_handlers=[create, read, page, cancel, quote], tags=["Invoices"])


def terms_of_key(principal: Principal) -> Terms:
    """What the key's merchant has agreed to, in the key's mode."""
    return Terms(
        principal.merchant_id,
        principal.mode,
        principal.service_fee_bps,
        cast(FeePayer, principal.fee_payer),
        principal.accept_parts,
        principal.prices,
    )


def _new_invoice(data: InvoiceRequest, mode: Literal["live", "test"]) -> NewInvoice:
    for field in ("success_url", "fail_url"):
        check_return_url(field, getattr(data, field), mode=mode)
    if data.chain is not None and data.pay_in_assets is not None:
        raise invalid("pay_in_assets", "goes with a price in a national currency, without chain")
    return NewInvoice(
        amount=data.amount,
        currency=data.currency,
        chain=data.chain,
        pay_in_assets=None if data.pay_in_assets is None else tuple(data.pay_in_assets),
        description=data.description,
        order_id=data.order_id,
        customer_id=data.customer_id,
        customer_email=data.customer_email,
        success_url=data.success_url,
        fail_url=data.fail_url,
        webhook_url=data.webhook_url,
        metadata=metadata.to_json(data.metadata),
        expires_in=timedelta(minutes=data.expires_in),
        fee_payer=data.fee_payer,
    )


def _filters(services: Services, principal: Principal, parameters: Parameters) -> Filters:
    """The list's filters. Raises INVALID_INPUT for an impossible value."""
    status, chain, currency = parameters.get("status"), parameters.get("chain"), parameters.get("currency")
    if status is not None and status not in set(Status):
        raise invalid("status", f"must be one of {', '.join(Status)}")
    networks = [network for network in services.networks if network.mode == principal.mode]
    if chain is not None and chain not in {network.chain for network in networks}:
        raise invalid("chain", "is not a known chain")
    is_asset = currency is not None and any(network.asset(currency) for network in networks)
    if currency is not None and not is_asset and not currencies.is_currency(currency):
        raise invalid("currency", "is not a known currency")
    email = parameters.get("customer_email")
    return Filters(
        status=status,
        network=None if chain is None else f"{chain}:{principal.mode}",
        asset=currency if is_asset else None,
        price_currency=None if is_asset else currency,
        order_id=parameters.get("order_id"),
        customer_id=parameters.get("customer_id"),
        payment_link=parameters.get("payment_link"),
        customer_email_hash=None if email is None else services.invoice_creation.email_hash(email),
        created_from=parse_moment(parameters, "created_from"),
        created_to=parse_moment(parameters, "created_to"),
    )
