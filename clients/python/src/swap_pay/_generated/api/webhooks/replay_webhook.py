"""POST /api/v1/merchant/webhooks/{webhook_id}/replay"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.queued_deliveries import QueuedDeliveries
from ...models.replay_request import ReplayRequest
from ...types import UNSET, Unset


def request(
    webhook_id: str,
    *,
    body: ReplayRequest,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    _kwargs: dict[str, Any] = {
        "method": "POST",
        "url": "/api/v1/merchant/webhooks/{webhook_id}/replay".format(
            webhook_id=quote(str(webhook_id), safe=""),
        ),
        "headers": headers,
    }
    _kwargs["json"] = body.to_dict()

    return _kwargs


def answer(data: Any) -> QueuedDeliveries:
    """What the JSON of its answer means."""
    response_202 = QueuedDeliveries.from_dict(data)

    return response_202
