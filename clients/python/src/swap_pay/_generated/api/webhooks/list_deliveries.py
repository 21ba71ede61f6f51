"""GET /api/v1/merchant/webhooks/{webhook_id}/deliveries"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.delivery_page import DeliveryPage
from ...models.delivery_status import DeliveryStatus
from ...types import UNSET, Unset


def request(
    webhook_id: str,
    *,
    status: DeliveryStatus | Unset = UNSET,
    limit: int | Unset = 20,
    cursor: str | Unset = UNSET,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    params: dict[str, Any] = {}

    json_status: str | Unset = UNSET
    if not isinstance(status, Unset):
        json_status = status.value

    params["status"] = json_status

    params["limit"] = limit

    params["cursor"] = cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/webhooks/{webhook_id}/deliveries".format(
            webhook_id=quote(str(webhook_id), safe=""),
        ),
        "params": params,
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> DeliveryPage:
    """What the JSON of its answer means."""
    response_200 = DeliveryPage.from_dict(data)

    return response_200
