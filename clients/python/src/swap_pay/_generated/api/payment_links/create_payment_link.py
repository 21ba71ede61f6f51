"""POST /api/v1/merchant/payment-links"""

from __future__ import annotations

from typing import Any

from ...models.payment_link import PaymentLink
from ...models.payment_link_request import PaymentLinkRequest
from ...types import UNSET, Unset


def request(
    *,
    body: PaymentLinkRequest,
    idempotency_key: str,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    headers["Idempotency-Key"] = idempotency_key

    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    _kwargs: dict[str, Any] = {
        "method": "POST",
        "url": "/api/v1/merchant/payment-links",
        "headers": headers,
    }
    _kwargs["json"] = body.to_dict()

    return _kwargs


def answer(data: Any) -> PaymentLink:
    """What the JSON of its answer means."""
    response_201 = PaymentLink.from_dict(data)

    return response_201
