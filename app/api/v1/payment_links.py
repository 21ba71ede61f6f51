"""`/payment-links`: links that make an invoice for everybody who pays by them (contract, section 11)."""

from datetime import UTC, datetime
from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, get, patch, post
from msgspec import UNSET, Meta, UnsetType

from app.api.guard import actor_of, requires
from app.api.operation import PAGE, NextCursor, Parameter, Parameters, described
from app.api.v1.invoices import MAX_PAY_IN_ASSETS, Url, terms_of_key
from app.api_keys.authentication import Principal
from app.api_keys.scopes import Scope
from app.core import clock, metadata
from app.core.errors import Code, invalid
from app.core.metadata import Metadata
from app.invoices.presentation import AssetOnChain
from app.payment_links.checking import MAX_PAYMENTS, LinkTerms
from app.payment_links.presentation import PaymentLinkBody
from app.payment_links.states import LinkStatus
from app.web.once import Once
from app.web.paging import next_cursor, parse_page
from app.web.routing import Router
from app.web.standby_reads import FROM_STANDBY
from app.wiring import Services

Amount = Annotated[str, Meta(max_length=79, extra_json_schema={"pattern": r"^[0-9]+(\.[0-9]+)?$"})]
Choices = Annotated[list[AssetOnChain], Meta(min_length=1, max_length=MAX_PAY_IN_ASSETS)]
Description = Annotated[str, Meta(max_length=500)]
Limit = Annotated[int, Meta(ge=1, le=MAX_PAYMENTS)]

_AMOUNT = Meta(description="What is asked for. Left out or null: the customer enters an amount.")
_MIN = Meta(description="The least that the customer may enter. Only without `amount`.")
_MAX = Meta(description="The most that the customer may enter. Only without `amount`.")
_CHOICES = Meta(description="What a price may be paid with; left out, all that you offer.")
_DESCRIPTION = Meta(description="Shown to the customer, on the link's page and on its invoices.")
_MAX_PAYMENTS = Meta(description="How many payments it may take. Left out or null: any number.")
_EXPIRES_AT = Meta(description="Until when it makes invoices, RFC 3339 with a time zone. Left out or null: for good.")
_SUCCESS_URL = Meta(description="Where the customer goes after paying. https, no user info.")
_METADATA = Meta(description="An object of your own, at most 4 KiB as JSON. Each of its invoices has it.")
_ACTIVE = Meta(description="Whether it makes invoices. Switch it off and on as you like.")


class PaymentLinkRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A new payment link."""

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
        Meta(description="The chain to be paid on. Left out for a price in a national currency."),
    ] = None
    amount: Annotated[Amount | None, _AMOUNT] = None
    min_amount: Annotated[Amount | None, _MIN] = None
    max_amount: Annotated[Amount | None, _MAX] = None
    pay_in_assets: Annotated[Choices | None, _CHOICES] = None
    description: Annotated[Description | None, _DESCRIPTION] = None
    max_payments: Annotated[Limit | None, _MAX_PAYMENTS] = None
    expires_at: Annotated[datetime | None, _EXPIRES_AT] = None
    success_url: Annotated[Url | None, _SUCCESS_URL] = None
    metadata: Annotated[Metadata | None, _METADATA] = None
    active: Annotated[bool, _ACTIVE] = True


class PaymentLinkChange(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The fields to change. Fields that are left out stay; null takes a value away."""

    amount: Annotated[Amount | UnsetType | None, _AMOUNT] = UNSET
    min_amount: Annotated[Amount | UnsetType | None, _MIN] = UNSET
    max_amount: Annotated[Amount | UnsetType | None, _MAX] = UNSET
    pay_in_assets: Annotated[Choices | UnsetType | None, _CHOICES] = UNSET
    description: Annotated[Description | UnsetType | None, _DESCRIPTION] = UNSET
    max_payments: Annotated[Limit | UnsetType | None, _MAX_PAYMENTS] = UNSET
    expires_at: Annotated[datetime | UnsetType | None, _EXPIRES_AT] = UNSET
    success_url: Annotated[Url | UnsetType | None, _SUCCESS_URL] = UNSET
    metadata: Annotated[Metadata | UnsetType | None, _METADATA] = UNSET
    active: Annotated[bool | UnsetType, _ACTIVE] = UNSET


class PaymentLinkPage(msgspec.Struct, frozen=True):
    """A page of payment links, newest first."""

    data: list[PaymentLinkBody]
    next_cursor: NextCursor


class _Key(msgspec.Struct, frozen=True):
    """The API key that makes or changes a link, for the audit log."""

    actor: str
    address: str | None


NEW_LINK = {
    "amount": "25.00",
    "currency": "USDT",
    "chain": "ethereum",
    "description": "Guided tour, one person",
    "max_payments": 20,
    "expires_at": "2027-01-31T22:59:59Z",
    "success_url": "https://shop.example/thanks",
    "metadata": {"tour": "harbour"},
}

LINK = PaymentLinkBody(
    id="PL-4N8C2WQ7ZK",
    mode="test",
    url="https://pay.example/l/PL-4N8C2WQ7ZK.Jg3uR0bnX5CjQ8yTzq2VKA",
    active=True,
    status=LinkStatus.OPEN,
    amount="25.00",
    min_amount=None,
    max_amount=None,
    currency="USDT",
    chain="ethereum",
    pay_in_assets=None,
    description="Guided tour, one person",
    max_payments=20,
    payments_taken=0,
    expires_at="2027-01-31T22:59:59Z",
    success_url="https://shop.example/thanks",
    metadata={"tour": "harbour"},
    created_at="2026-11-28T10:00:00Z",
)

_LINK_ID = {"link_id": Parameter(description="`PL-` and ten characters.", example=LINK.id)}
_REFUSALS = [Code.PAY_IN_ASSET_NOT_ALLOWED, Code.AMOUNT_TOO_SMALL, Code.AMOUNT_TOO_LARGE]
_ACTIVE_FILTER = {
    "active": Parameter(
        description="Only links that are switched on, or only those that are off.",
        schema={"type": "boolean"},
        example=True,
    )
}


def routes(services: Services) -> Router:
    """The routes of `/payment-links`."""

    @post(
        "/",
        status_code=201,
        opt=requires(Scope.INVOICES_WRITE)
        | described(
            "Create a payment link",
            "Everybody who opens `url` and wants to pay gets an invoice of their own. An invoice names its link in "
            "`payment_link`.",
            example=LINK,
            body_example=NEW_LINK,
            errors=_REFUSALS,
            creates=True,
        ),
        operation_id="createPaymentLink",
    )
    async def create(
        request: Request[Any, Any, Any], principal: Principal, data: PaymentLinkRequest
    ) -> Response[PaymentLinkBody]:
        once = Once(
            request, merchant_id=principal.merchant_id, mode=principal.mode, endpoint="POST /payment-links", body=data
        )
        asked = LinkTerms(
            currency=data.currency,
            chain=data.chain,
            amount=data.amount,
            min_amount=data.min_amount,
            max_amount=data.max_amount,
            pay_in_assets=None if data.pay_in_assets is None else tuple(data.pay_in_assets),
            description=data.description,
            max_payments=data.max_payments,
            expires_at=_in_utc(data.expires_at),
            success_url=data.success_url,
            metadata=metadata.to_json(data.metadata),
            active=data.active,
        )
        by, terms = _key_of(request), terms_of_key(principal)
        answer = await once.answer(lambda replay: services.payment_links.create(terms, asked, replay, by, clock.now()))
        return cast(Response[PaymentLinkBody], answer)  # encoded already, or a replay of stored bytes

    @get(
        "/",
        opt=requires(Scope.INVOICES_READ)
        | FROM_STANDBY
        | described(
            "List payment links",
            example=PaymentLinkPage([LINK], None),
            query={**_ACTIVE_FILTER, **PAGE},
        ),
        operation_id="listPaymentLinks",
    )
    async def page(principal: Principal, parameters: Parameters) -> PaymentLinkPage:
        requested, active = parse_page(parameters), parameters.get("active")
        if active not in (None, "true", "false"):
            raise invalid("active", "must be true or false")
        found = await services.payment_links.page(
            principal.merchant_id,
            principal.mode,
            requested.place,
            requested.limit,
            clock.now(),
            active=None if active is None else active == "true",
        )
        return PaymentLinkPage(found, next_cursor(found.following))

    @get(
        "/{link_id:str}",
        opt=requires(Scope.INVOICES_READ)
        | described("Retrieve a payment link", example=LINK, path=_LINK_ID, errors=[Code.PAYMENT_LINK_NOT_FOUND]),
        operation_id="getPaymentLink",
    )
    async def read(principal: Principal, link_id: str) -> PaymentLinkBody:
        return await services.payment_links.get(principal.merchant_id, principal.mode, link_id, clock.now())

    @patch(
        "/{link_id:str}",
        opt=requires(Scope.INVOICES_WRITE)
        | described(
            "Change a payment link",
            "Fields that are left out stay. Invoices that it has made stay as they are. Another currency is another "
            "link.",
            example=LINK,
            body_example={"active": False},
            path=_LINK_ID,
            errors=[Code.PAYMENT_LINK_NOT_FOUND, *_REFUSALS],
        ),
        operation_id="updatePaymentLink",
    )
    async def change(
        request: Request[Any, Any, Any], principal: Principal, link_id: str, data: PaymentLinkChange
    ) -> PaymentLinkBody:
        changes = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
        if "metadata" in changes:
            changes["metadata"] = metadata.to_json(changes["metadata"])
        if "expires_at" in changes:
            changes["expires_at"] = _in_utc(changes["expires_at"])
        if changes.get("pay_in_assets") is not None:
            changes["pay_in_assets"] = tuple(changes["pay_in_assets"])
        return await services.payment_links.change(
            principal.merchant_id, principal.mode, link_id, changes, _key_of(request), clock.now()
        )

    return Router("/payment-links", route_handlers=[create, page, read, change], tags=["Payment links"])


def _key_of(request: Request[Any, Any, Any]) -> _Key:
    actor = actor_of(request)
    return _Key(actor.name, actor.address)


def _in_utc(moment: datetime | None) -> datetime | None:
    """Raises INVALID_INPUT for a time without a zone, or one that UTC has not."""
    if moment is None:
        return None
    try:
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid("expires_at", "must be an RFC 3339 time such as 2027-01-31T09:30:00Z") from None
