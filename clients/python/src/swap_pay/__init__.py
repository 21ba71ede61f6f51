"""Swap Pay: invoices, payouts, refunds, ledger and webhooks of a Swap Pay gateway.

    with SwapPay("https://pay.example.com", "sspay_sec_test_…") as client:
        invoice = client.invoices.create(amount="5.00", currency="USDT", chain="ethereum", order_id="1042")

`AsyncSwapPay` is the same for asyncio. Errors are in `swap_pay.errors`, the types of values in `swap_pay.models`, and
what verifies webhooks in `swap_pay.webhooks`.
"""

from __future__ import annotations

from swap_pay import amounts, errors, models, webhooks
from swap_pay._async.client import AsyncSwapPay
from swap_pay._async.pages import AsyncPages
from swap_pay._identity import __version__
from swap_pay._retries import Retries
from swap_pay._sync.client import SwapPay
from swap_pay._sync.pages import Pages
from swap_pay.errors import SwapPayError
from swap_pay.events import Event

__all__ = [
    "AsyncPages",
    "AsyncSwapPay",
    "Event",
    "Pages",
    "Retries",
    "SwapPay",
    "SwapPayError",
    "__version__",
    "amounts",
    "errors",
    "models",
    "webhooks",
]
