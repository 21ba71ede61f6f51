"""GET /api/v1/merchant/statements/{month}"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.statement import Statement
from ...types import UNSET, Unset


def request(
    month: str,
    *,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/statements/{month}".format(
            month=quote(str(month), safe=""),
        ),
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> Statement:
    """What the JSON of its answer means."""
    response_200 = Statement.from_dict(data)

    return response_200
