"""GET /api/v1/merchant/ledger/proof"""

from __future__ import annotations

from typing import Any

from ...models.ledger_proof import LedgerProof
from ...types import UNSET, Unset


def request(
    *,
    asset: str,
    chain: str,
    checkpoint: int | Unset = UNSET,
    x_request_id: str | Unset = UNSET,
) -> dict[str, Any]:
    """What httpx is asked to send."""
    headers: dict[str, Any] = {}
    if not isinstance(x_request_id, Unset):
        headers["X-Request-Id"] = x_request_id

    params: dict[str, Any] = {}

    params["asset"] = asset

    params["chain"] = chain

    params["checkpoint"] = checkpoint

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "GET",
        "url": "/api/v1/merchant/ledger/proof",
        "params": params,
        "headers": headers,
    }
    return _kwargs


def answer(data: Any) -> LedgerProof:
    """What the JSON of its answer means."""
    response_200 = LedgerProof.from_dict(data)

    return response_200
