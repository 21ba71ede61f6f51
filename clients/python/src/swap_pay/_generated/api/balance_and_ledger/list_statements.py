"""GET /api/v1/merchant/statements"""

from __future__ import annotations

from typing import Any

from ...models.statement_months import StatementMonths
from ...types import UNSET, Unset


def request(
    *,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/statements",
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> StatementMonths:
    """What the JSON of its answer means."""
    response_200 = StatementMonths.from_dict(data)

    return response_200
