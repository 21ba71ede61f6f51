"""GET /api/v1/merchant/refunds/{refund_id}"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.refund import Refund
from ...types import UNSET, Unset


def request(
    refund_id: str,
    *,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/refunds/{refund_id}".format(
            refund_id=quote(str(refund_id), safe=""),
        ),
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> Refund:
    """What the JSON of its answer means."""
    response_200 = Refund.from_dict(data)

    return response_200
