"""DELETE /api/v1/merchant/webhooks/{webhook_id}"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...types import UNSET, Unset


def request(
    webhook_id: str,
    *,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    _kwargs: dict[str, Any] = {
        "method": "DELETE",
        "url": "/api/v1/merchant/webhooks/{webhook_id}".format(
            webhook_id=quote(str(webhook_id), safe=""),
        ),
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> None:
    """It answers without a body."""
