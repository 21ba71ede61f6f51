"""GET /api/v1/merchant/payouts/{payout_id}"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.payout import Payout
from ...types import UNSET, Unset


def request(
    payout_id: str,
    *,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/payouts/{payout_id}".format(
            payout_id=quote(str(payout_id), safe=""),
        ),
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> Payout:
    """What the JSON of its answer means."""
    response_200 = Payout.from_dict(data)

    return response_200
