"""GET /api/v1/merchant/transactions/{chain}/{txid}"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ...models.transaction import Transaction
from ...types import UNSET, Unset


def request(
    chain: str,
    txid: str,
    *,
    invoice_id: str | Unset = UNSET,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    params: dict[str, Any] = {}

    params["invoice_id"] = invoice_id

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/transactions/{chain}/{txid}".format(
            chain=quote(str(chain), safe=""),
            txid=quote(str(txid), safe=""),
        ),
        "params": params,
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> Transaction:
    """What the JSON of its answer means."""
    response_200 = Transaction.from_dict(data)

    return response_200
