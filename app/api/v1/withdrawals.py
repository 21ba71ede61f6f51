"""What the lists of payouts and refunds share: their filters, and how a page is read."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from app.api.operation import PAGE, Parameter
from app.api_keys.authentication import Principal
from app.core.errors import Code, invalid
from app.core.keyset import Page, Place
from app.web.paging import parse_moment, parse_page
from app.wiring import Services
from app.withdrawals.presentation import Body
from app.withdrawals.presented_repository import Filters
from app.withdrawals.states import Status

B = TypeVar("B", bound=Body)

_MOMENT = {"type": "string", "format": "date-time"}

LIST_QUERY: Mapping[str, Parameter] = {
    "status": Parameter(
        description="Those in this status.",
        schema={"title": "WithdrawalStatus", "enum": [status.value for status in Status]},
        example="confirmed",
    ),
    "asset": Parameter(description="Those in this asset.", example="USDT"),
    "chain": Parameter(description="Those on this chain.", example="ethereum"),
    "created_from": Parameter(
        description="Those made at this time or later.", schema=_MOMENT, example="2026-01-01T00:00:00Z"
    ),
    "created_to": Parameter(description="Those made before this time.", schema=_MOMENT, example="2026-02-01T00:00:00Z"),
    **PAGE,
}

DESTINATION_ERRORS = [
    Code.INSUFFICIENT_BALANCE,
    Code.INVALID_DESTINATION,
    Code.MEMO_NOT_ALLOWED,
    Code.AMOUNT_TOO_SMALL,
    Code.DAILY_CAP_EXCEEDED,
]
"""Errors of a request to send money."""


def filters(
    services: Services, principal: Principal, parameters: dict[str, str], invoice_id: str | None = None
) -> Filters:
    """The filters of a list. Raises INVALID_INPUT for an impossible value."""
    status, chain, asset = parameters.get("status"), parameters.get("chain"), parameters.get("asset")
    if status is not None and status not in set(Status):
        raise invalid("status", f"must be one of {', '.join(Status)}")
    networks = [network for network in services.networks if network.mode == principal.mode]
    if chain is not None and chain not in {network.chain for network in networks}:
        raise invalid("chain", "is not a known chain")
    if asset is not None and not any(network.asset(asset) for network in networks):
        raise invalid("asset", "is not a known asset")
    return Filters(
        status=status,
        network=None if chain is None else f"{chain}:{principal.mode}",
        asset=asset,
        invoice_id=invoice_id if invoice_id is not None else parameters.get("invoice_id"),
        created_from=parse_moment(parameters, "created_from"),
        created_to=parse_moment(parameters, "created_to"),
    )


async def page_of(
    read: Callable[[str, str, Filters, Place | None, int], Awaitable[Page[B]]],
    principal: Principal,
    parameters: dict[str, str],
    wanted: Filters,
) -> Page[B]:
    """The page of a list that the parameters name. Raises INVALID_INPUT."""
    requested = parse_page(parameters)
    return await read(principal.merchant_id, principal.mode, wanted, requested.place, requested.limit)
