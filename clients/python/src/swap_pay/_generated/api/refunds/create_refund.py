"""POST /api/v1/merchant/invoices/{invoice_id}/refunds"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.refund import Refund
from ...models.refund_request import RefundRequest
from ...types import UNSET, Unset


def request(
    invoice_id: str,
    *,
    body: RefundRequest,
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
        "url": "/api/v1/merchant/invoices/{invoice_id}/refunds".format(
            invoice_id=quote(str(invoice_id), safe=""),
        ),
        "headers": headers,
    }
    _kwargs["json"] = body.to_dict()

    return _kwargs


def answer(data: Any) -> Refund:
    """What the JSON of its answer means."""
    response_201 = Refund.from_dict(data)

    return response_201
