"""GET /api/v1/merchant/invoices"""

from __future__ import annotations

import datetime
from typing import Any

from ...models.invoice_page import InvoicePage
from ...models.invoice_status import InvoiceStatus
from ...types import UNSET, Unset


def request(
    *,
    status: InvoiceStatus | Unset = UNSET,
    currency: str | Unset = UNSET,
    chain: str | Unset = UNSET,
    order_id: str | Unset = UNSET,
    customer_id: str | Unset = UNSET,
    customer_email: str | Unset = UNSET,
    payment_link: str | Unset = UNSET,
    created_from: datetime.datetime | Unset = UNSET,
    created_to: datetime.datetime | Unset = UNSET,
    limit: int | Unset = 20,
    cursor: str | Unset = UNSET,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    params: dict[str, Any] = {}

    json_status: str | Unset = UNSET
    if not isinstance(status, Unset):
        json_status = status.value

    params["status"] = json_status

    params["currency"] = currency

    params["chain"] = chain

    params["order_id"] = order_id

    params["customer_id"] = customer_id

    params["customer_email"] = customer_email

    params["payment_link"] = payment_link

    json_created_from: str | Unset = UNSET
    if not isinstance(created_from, Unset):
        json_created_from = created_from.isoformat()
    params["created_from"] = json_created_from

    json_created_to: str | Unset = UNSET
    if not isinstance(created_to, Unset):
        json_created_to = created_to.isoformat()
    params["created_to"] = json_created_to

    params["limit"] = limit

    params["cursor"] = cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/invoices",
        "params": params,
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> InvoicePage:
    """What the JSON of its answer means."""
    response_200 = InvoicePage.from_dict(data)

    return response_200
