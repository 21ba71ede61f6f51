"""GET /api/v1/merchant/payment-links/{link_id}"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.payment_link import PaymentLink
from ...types import UNSET, Unset


def request(
    link_id: str,
    *,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/payment-links/{link_id}".format(
            link_id=quote(str(link_id), safe=""),
        ),
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> PaymentLink:
    """What the JSON of its answer means."""
    response_200 = PaymentLink.from_dict(data)

    return response_200
