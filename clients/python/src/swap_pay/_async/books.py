"""Balances, the ledger, and what the gateway knows of assets, networks, rates and transactions."""

from __future__ import annotations

from collections.abc import Sequence

from swap_pay._async.pages import AsyncPages
from swap_pay._async.transport import AsyncTransport
from swap_pay._generated.api.assets import list_assets
from swap_pay._generated.api.balance_and_ledger import get_balance, get_ledger_proof, list_ledger, verify_ledger
from swap_pay._generated.api.networks import list_networks
from swap_pay._generated.api.rates import list_rates
from swap_pay._generated.api.transactions import get_transaction
from swap_pay._generated.models import (
    Asset,
    Balance,
    LedgerEntry,
    LedgerProof,
    LedgerVerification,
    Network,
    RateList,
    Transaction,
)
from swap_pay._given import given


class AsyncBalance:
    """`client.balance`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self) -> list[Balance]:
        """What you have of each asset: available, pending and held."""
        return (await self._transport.call(get_balance.request(), get_balance.answer)).data


class AsyncLedger:
    """`client.ledger`: every movement of one asset on one chain, each entry hashed with the one before."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    def list(
        self, *, asset: str, chain: str, page_size: int = 100, cursor: str | None = None
    ) -> AsyncPages[LedgerEntry]:
        """The entries, the newest first."""

        async def fetch(cursor: str | None) -> tuple[Sequence[LedgerEntry], str | None]:
            request = list_ledger.request(asset=asset, chain=chain, limit=page_size, cursor=given(cursor))
            page = await self._transport.call(request, list_ledger.answer)
            return page.data, page.next_cursor

        return AsyncPages(fetch, cursor)

    async def verify(self, *, asset: str, chain: str) -> LedgerVerification:
        """Have the gateway compute every hash again: `valid`, or `first_bad_seq`."""
        return await self._transport.call(verify_ledger.request(asset=asset, chain=chain), verify_ledger.answer)

    async def proof(self, *, asset: str, chain: str, checkpoint: int | None = None) -> LedgerProof:
        """The proof that a signed checkpoint, the newest unless one is named, has your ledger."""
        request = get_ledger_proof.request(asset=asset, chain=chain, checkpoint=given(checkpoint))
        return await self._transport.call(request, get_ledger_proof.answer)


class AsyncAssets:
    """`client.assets`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> Sequence[Asset]:
        """The assets that your invoices may ask for."""
        return (await self._transport.call(list_assets.request(), list_assets.answer)).data


class AsyncNetworks:
    """`client.networks`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> Sequence[Network]:
        """The chains, and how far each has been read."""
        return (await self._transport.call(list_networks.request(), list_networks.answer)).data


class AsyncRates:
    """`client.rates`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self, *, currency: str) -> RateList:
        """What one of each asset is worth in a currency (ISO 4217), and which sources say so."""
        return await self._transport.call(list_rates.request(currency=currency), list_rates.answer)


class AsyncTransactions:
    """`client.transactions`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self, chain: str, txid: str, *, invoice_id: str | None = None) -> Transaction:
        """Where a transaction is, and what it pays: for a customer who has paid and sees nothing."""
        request = get_transaction.request(chain, txid, invoice_id=given(invoice_id))
        return await self._transport.call(request, get_transaction.answer)
