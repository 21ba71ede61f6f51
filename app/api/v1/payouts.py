"""`/payouts`: create, read, list, cancel (contract, section 4)."""

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
from app.core import clock, metadata
from app.core.errors import ApiError, Code
from app.core.metadata import Metadata
from app.payouts.service import NewPayout
from app.web.once import Once
from app.web.paging import next_cursor
from app.web.routing import Router
from app.web.standby_reads import FROM_STANDBY
from app.wiring import Services
from app.withdrawals.presentation import PayoutBody
from app.withdrawals.states import Status


class PayoutRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What to send, and where. The fee is taken on top of the amount."""

    asset: Annotated[str, Meta(min_length=1, max_length=20, description="The asset's symbol.", examples=["USDT"])]
    chain: Annotated[str, Meta(min_length=1, max_length=40, description="The chain to send on.", examples=["ethereum"])]
    amount: Annotated[str, Meta(max_length=79, description="Decimal string, greater than zero.", examples=["25.00"])]
    destination: Annotated[str, Meta(min_length=1, max_length=100, description="An address with a valid checksum.")]
    destination_memo: Annotated[
        Annotated[str, Meta(max_length=100)] | None, Meta(description="Only for chains that have memos.")
    ] = None
    description: Annotated[Annotated[str, Meta(max_length=500)] | None, Meta(description="For your own records.")] = (
        None
    )
    metadata: Annotated[Metadata | None, Meta(description="An object of your own, at most 4 KiB as JSON.")] = None


class PayoutPage(msgspec.Struct, frozen=True):
    """A page of payouts, newest first."""

    data: list[PayoutBody]
    next_cursor: NextCursor


_NEW_PAYOUT = {
    "asset": "USDT",
    "chain": "ethereum",
    "amount": "2.50",
    "destination": examples.PAYOUT.destination,
    "description": "January",
    "metadata": {"batch": "7"},
}

_PAYOUT_ID = {"payout_id": Parameter(description="`PO-` and ten characters.", example=examples.PAYOUT.id)}


def routes(services: Services) -> Router:
    """The routes of `/payouts`."""

    @post(
        "/",
        status_code=201,
        opt=requires(Scope.PAYOUTS_WRITE)
        | described(
            "Create a payout",
            "Amount and fee are locked at once. An operator approves it before anything is sent.",
            example=examples.PAYOUT,
            body_example=_NEW_PAYOUT,
            errors=[*DESTINATION_ERRORS, Code.PAYOUTS_DISABLED],
            creates=True,
        ),
        operation_id="createPayout",
    )
    async def create(
        request: Request[Any, Any, Any], principal: Principal, data: PayoutRequest
    ) -> Response[PayoutBody]:
        once = Once(
            request, merchant_id=principal.merchant_id, mode=principal.mode, endpoint="POST /payouts", body=data
        )
        new = _new_payout(principal, data)
        answer = await once.answer(
            lambda replay: services.payouts.create(principal.merchant_id, principal.mode, new, replay, clock.now())
        )
        return cast(Response[PayoutBody], answer)  # encoded already, or a replay of stored bytes

    @get(
        "/{payout_id:str}",
        opt=requires(Scope.PAYOUTS_READ)
        | described("Retrieve a payout", example=examples.PAYOUT, path=_PAYOUT_ID, errors=[Code.PAYOUT_NOT_FOUND]),
        operation_id="getPayout",
    )
    async def read(principal: Principal, payout_id: str) -> PayoutBody:
        payout = await services.withdrawal_reader.payout(principal.merchant_id, principal.mode, payout_id)
        if payout is None:
            raise ApiError(Code.PAYOUT_NOT_FOUND, "no such payout")
        return payout

    @get(
        "/",
        opt=requires(Scope.PAYOUTS_READ)
        | FROM_STANDBY
        | described("List payouts", "Newest first.", example=PayoutPage([examples.PAYOUT], None), query=LIST_QUERY),
        operation_id="listPayouts",
    )
    async def page(principal: Principal, parameters: Parameters) -> PayoutPage:
        wanted = filters(services, principal, parameters)
        payouts = await page_of(services.withdrawal_reader.payouts, principal, parameters, wanted)
        return PayoutPage(payouts, next_cursor(payouts.following))

    @post(
        "/{payout_id:str}/cancel",
        status_code=200,
        opt=requires(Scope.PAYOUTS_WRITE)
        | described(
            "Cancel a payout",
            "Only while it is awaiting approval. The locked amount becomes available again.",
            example=msgspec.structs.replace(examples.PAYOUT, status=Status.CANCELLED),
            path=_PAYOUT_ID,
            errors=[Code.PAYOUT_NOT_FOUND, Code.PAYOUT_NOT_CANCELLABLE],
        ),
        operation_id="cancelPayout",
    )
    async def cancel(principal: Principal, payout_id: str) -> PayoutBody:
        return await services.payouts.cancel(principal.merchant_id, principal.mode, payout_id, clock.now())

    return Router("/payouts", route_handlers=[create, read, page, cancel], tags=["Payouts"])


def _new_payout(principal: Principal, data: PayoutRequest) -> NewPayout:
    return NewPayout(
        asset=data.asset,
        chain=data.chain,
        amount=data.amount,
        destination=data.destination,
        destination_memo=data.destination_memo,
        description=data.description,
        metadata=metadata.to_json(data.metadata),
        requested_by=f"api_key:{principal.key_id}",
    )
