"""The client."""

from __future__ import annotations

import os
from types import TracebackType

import httpx

from swap_pay import _identity
from swap_pay._retries import Retries
from swap_pay._sync.books import (
    SyncAssets,
    SyncBalance,
    SyncLedger,
    SyncNetworks,
    SyncRates,
    SyncTransactions,
)
from swap_pay._sync.endpoints import SyncWebhooks
from swap_pay._sync.event_log import SyncEvents
from swap_pay._sync.invoices import SyncInvoices
from swap_pay._sync.payment_links import SyncPaymentLinks
from swap_pay._sync.payouts import SyncPayouts
from swap_pay._sync.refunds import SyncRefunds
from swap_pay._sync.statements import SyncStatements
from swap_pay._sync.transport import Transport


class SwapPay:
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
        http: httpx.Client | None = None,
    ) -> None:
        self.base_url = _identity.checked_url(base_url or os.environ.get("SWAP_PAY_URL"))
        self._transport = Transport(
            http or httpx.Client(),
            base_url=self.base_url,
            headers=_identity.headers(api_key or os.environ.get("SWAP_PAY_KEY")),
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 10.0)),
            retries=retries or Retries(),
        )
        self.invoices = SyncInvoices(self._transport)
        self.payment_links = SyncPaymentLinks(self._transport)
        self.payouts = SyncPayouts(self._transport)
        self.refunds = SyncRefunds(self._transport)
        self.balance = SyncBalance(self._transport)
        self.ledger = SyncLedger(self._transport)
        self.statements = SyncStatements(self._transport)
        self.assets = SyncAssets(self._transport)
        self.networks = SyncNetworks(self._transport)
        self.rates = SyncRates(self._transport)
        self.transactions = SyncTransactions(self._transport)
        self.webhooks = SyncWebhooks(self._transport)
        self.events = SyncEvents(self._transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> SwapPay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
