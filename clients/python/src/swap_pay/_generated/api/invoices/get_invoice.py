"""GET /api/v1/merchant/invoices/{invoice_id}"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.invoice import Invoice
from ...types import UNSET, Unset


def request(
    invoice_id: str,
    *,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/invoices/{invoice_id}".format(
            invoice_id=quote(str(invoice_id), safe=""),
        ),
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> Invoice:
    """What the JSON of its answer means."""
    response_200 = Invoice.from_dict(data)

    return response_200
