"""POST /api/v1/merchant/webhooks"""

from __future__ import annotations

from typing import Any

from ...models.webhook_request import WebhookRequest
from ...models.webhook_with_secret import WebhookWithSecret
from ...types import UNSET, Unset


def request(
    *,
    body: WebhookRequest,
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
        "url": "/api/v1/merchant/webhooks",
        "headers": headers,
    }
    _kwargs["json"] = body.to_dict()

    return _kwargs


def answer(data: Any) -> WebhookWithSecret:
    """What the JSON of its answer means."""
    response_201 = WebhookWithSecret.from_dict(data)

    return response_201
