"""`/refunds` and `/invoices/{id}/refunds`: create, read, list (contract, section 4)."""

from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, get, post
from msgspec import Meta

from app.api.guard import requires
from app.api.operation import NextCursor, Parameter, Parameters, described
from app.api.v1 import examples
from app.api.v1.withdrawals import DESTINATION_ERRORS, LIST_QUERY, filters, page_of
from app.api_keys.authentication import Principal
from app.api_keys.scopes import Scope
from app.core import clock
from app.core.errors import ApiError, Code
from app.refunds.service import NewRefund
from app.web.once import Once
from app.web.paging import next_cursor
from app.web.routing import Router
from app.web.standby_reads import from_standby
from app.wiring import Services
from app.withdrawals.presentation import RefundBody
from app.withdrawals.presented_repository import Filters


class RefundRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How much of the invoice's net to send back, and where."""

    amount: Annotated[str, Meta(max_length=79, description="Decimal string, greater than zero.", examples=["2.50"])]
    refund_address: Annotated[str, Meta(min_length=1, max_length=100, description="With a valid checksum.")]
    refund_address_memo: Annotated[
        Annotated[str, Meta(max_length=100)] | None, Meta(description="Only for chains that have memos.")
    ] = None
    reason: Annotated[Annotated[str, Meta(max_length=500)] | None, Meta(description="For your own records.")] = None
    customer_visible_reason: Annotated[
        Annotated[str, Meta(max_length=500)] | None, Meta(description="The customer sees it.")
    ] = None


class RefundPage(msgspec.Struct, frozen=True):
    """A page of refunds, newest first."""

    data: list[RefundBody]
    next_cursor: NextCursor


_NEW_REFUND = {
    "amount": "2.50",
    "refund_address": examples.REFUND.refund_address,
    "reason": examples.REFUND.reason,
    "customer_visible_reason": examples.REFUND.customer_visible_reason,
}

_REFUND_ID = {"refund_id": Parameter(description="`RF-` and ten characters.", example=examples.REFUND.id)}
_INVOICE_ID = {"invoice_id": Parameter(description="`INV-` and ten characters.", example=examples.PAID_INVOICE.id)}
_OF_INVOICE = {"invoice_id": Parameter(description="Refunds of this invoice.", example=examples.PAID_INVOICE.id)}


def routes(services: Services) -> list[Router]:
    """The routes of refunds, below `/refunds` and below an invoice."""

    @post(
        "/",
        status_code=201,
        opt=requires(Scope.REFUNDS_WRITE)
        | described(
            "Refund an invoice",
            "In part or in full, up to its net. An operator approves it before anything is sent.",
            example=examples.REFUND,
            body_example=_NEW_REFUND,
            path=_INVOICE_ID,
            errors=[
                *DESTINATION_ERRORS,
                Code.REFUND_EXCEEDS_NET,
                Code.INVOICE_NOT_FOUND,
                Code.INVOICE_NOT_REFUNDABLE,
                Code.REFUNDS_DISABLED,
            ],
            creates=True,
        ),
        operation_id="createRefund",
    )
    async def create(
        request: Request[Any, Any, Any], principal: Principal, invoice_id: str, data: RefundRequest
    ) -> Response[RefundBody]:
        once = Once(
            request,
            merchant_id=principal.merchant_id,
            mode=principal.mode,
            endpoint="POST /invoices/{id}/refunds",
            body=(invoice_id, data),
        )
        new = _new_refund(principal, data)
        answer = await once.answer(
            lambda replay: services.refunds.create(
                principal.merchant_id, principal.mode, invoice_id, new, replay, clock.now()
            )
        )
        return cast(Response[RefundBody], answer)  # encoded already, or a replay of stored bytes

    @get(
        "/{refund_id:str}",
        opt=requires(Scope.REFUNDS_READ)
        | described("Retrieve a refund", example=examples.REFUND, path=_REFUND_ID, errors=[Code.REFUND_NOT_FOUND]),
        operation_id="getRefund",
    )
    async def read(principal: Principal, refund_id: str) -> RefundBody:
        refund = await services.withdrawal_reader.refund(principal.merchant_id, principal.mode, refund_id)
        if refund is None:
            raise ApiError(Code.REFUND_NOT_FOUND, "no such refund")
        return refund

    @get(
        "/",
        opt=requires(Scope.REFUNDS_READ)
        | from_standby(unless=["invoice_id"])
        | described(
            "List refunds",
            "Newest first.",
            example=RefundPage([examples.REFUND], None),
            query={**_OF_INVOICE, **LIST_QUERY},
        ),
        operation_id="listRefunds",
    )
    async def page(principal: Principal, parameters: Parameters) -> RefundPage:
        return await _page(services, principal, parameters, filters(services, principal, parameters))

    @get(
        "/",
        opt=requires(Scope.REFUNDS_READ)
        | described(
            "List an invoice's refunds",
            "Newest first.",
            example=RefundPage([examples.REFUND], None),
            path=_INVOICE_ID,
            query=LIST_QUERY,
            errors=[Code.INVOICE_NOT_FOUND],
        ),
        operation_id="listInvoiceRefunds",
    )
    async def page_of_invoice(principal: Principal, parameters: Parameters, invoice_id: str) -> RefundPage:
        if await services.invoice_reader.get(principal.merchant_id, principal.mode, invoice_id) is None:
            raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
        return await _page(services, principal, parameters, filters(services, principal, parameters, invoice_id))

    return [
        Router("/refunds", route_handlers=[read, page], tags=["Refunds"]),
        Router("/invoices/{invoice_id:str}/refunds", route_handlers=[create, page_of_invoice], tags=["Refunds"]),
    ]


async def _page(services: Services, principal: Principal, parameters: Parameters, wanted: Filters) -> RefundPage:
    refunds = await page_of(services.withdrawal_reader.refunds, principal, parameters, wanted)
    return RefundPage(refunds, next_cursor(refunds.following))


def _new_refund(principal: Principal, data: RefundRequest) -> NewRefund:
    return NewRefund(
        amount=data.amount,
        refund_address=data.refund_address,
        refund_address_memo=data.refund_address_memo,
        reason=data.reason,
        customer_visible_reason=data.customer_visible_reason,
        requested_by=f"api_key:{principal.key_id}",
    )
