"""The client."""

from __future__ import annotations

import os
from types import TracebackType

import httpx

from swap_pay import _identity
from swap_pay._async.books import (
    AsyncAssets,
    AsyncBalance,
    AsyncLedger,
    AsyncNetworks,
    AsyncRates,
    AsyncTransactions,
)
from swap_pay._async.endpoints import AsyncWebhooks
from swap_pay._async.event_log import AsyncEvents
from swap_pay._async.invoices import AsyncInvoices
from swap_pay._async.payment_links import AsyncPaymentLinks
from swap_pay._async.payouts import AsyncPayouts
from swap_pay._async.refunds import AsyncRefunds
from swap_pay._async.statements import AsyncStatements
from swap_pay._async.transport import AsyncTransport
from swap_pay._retries import Retries


class AsyncSwapPay:
    """A client of one gateway with one API key. Make one per process and keep it; close it at the end.

    `base_url` and `api_key` come from SWAP_PAY_URL and SWAP_PAY_KEY unless they are given. `timeout_s` is that of each
    attempt, `retries` says how often a request is sent again. `http` is an HTTP client of your own, for a proxy or
    certificates; it is closed with this one. Raises ValueError where address or key are missing.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.base_url = _identity.checked_url(base_url or os.environ.get("SWAP_PAY_URL"))
        self._transport = AsyncTransport(
            http or httpx.AsyncClient(),
            base_url=self.base_url,
            headers=_identity.headers(api_key or os.environ.get("SWAP_PAY_KEY")),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            retries=retries or Retries(),
        )
        self.invoices = AsyncInvoices(self._transport)
        self.payment_links = AsyncPaymentLinks(self._transport)
        self.payouts = AsyncPayouts(self._transport)
        self.refunds = AsyncRefunds(self._transport)
        self.balance = AsyncBalance(self._transport)
        self.ledger = AsyncLedger(self._transport)
        self.statements = AsyncStatements(self._transport)
        self.assets = AsyncAssets(self._transport)
        self.networks = AsyncNetworks(self._transport)
        self.rates = AsyncRates(self._transport)
        self.transactions = AsyncTransactions(self._transport)
        self.webhooks = AsyncWebhooks(self._transport)
        self.events = AsyncEvents(self._transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncSwapPay:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
