"""GET /api/v1/merchant/payment-links"""

from __future__ import annotations

from typing import Any

from ...models.payment_link_page import PaymentLinkPage
from ...types import UNSET, Unset


def request(
    *,
    active: bool | Unset = UNSET,
    limit: int | Unset = 20,
    cursor: str | Unset = UNSET,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    params: dict[str, Any] = {}

    params["active"] = active

    params["limit"] = limit

    params["cursor"] = cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/payment-links",
        "params": params,
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> PaymentLinkPage:
    """What the JSON of its answer means."""
    response_200 = PaymentLinkPage.from_dict(data)

    return response_200
