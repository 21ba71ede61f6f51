"""GET /api/v1/merchant/statements/{month}/entries"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.statement_lines import StatementLines
from ...types import UNSET, Unset


def request(
    month: str,
    *,
    asset: str,
    chain: str,
    limit: int | Unset = 20,
    cursor: str | Unset = UNSET,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    params: dict[str, Any] = {}

    params["asset"] = asset

    params["chain"] = chain

    params["limit"] = limit

    params["cursor"] = cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/statements/{month}/entries".format(
            month=quote(str(month), safe=""),
        ),
        "params": params,
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> StatementLines:
    """What the JSON of its answer means."""
    response_200 = StatementLines.from_dict(data)

    return response_200
