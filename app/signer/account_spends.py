"""Spends of our accounts that the signer did not store: somebody else has a key.

The chain counts the transactions of each account, and the books know how many they have signed. Where the chain has
more, operators are told within a block: the money must be moved before the rest of it is.
"""

from collections.abc import Mapping, Sequence

from app.alerts.service import raise_alert
from app.core import clock
from app.networks.config import NetworkConfig
from app.networks.port import NetworkError
from app.networks.sending import AccountSender
from app.signer import account_nonces_repository

ADDRESSES_AT_ONCE = 500
"""Deposit addresses whose counts are read for one block, in five requests: the hot wallet's is read each time, and the
others take turns where there are more of them."""


class SpendWatch:
    """Watches the accounts of one network that have sent something before, and the hot wallet."""

    def __init__(self, network: NetworkConfig, sender: AccountSender, hot_address: str) -> None:
        self._network = network
        self._sender = sender
        self._hot_address = hot_address
        self._head = -1
        self._after_id = 0
        self._told: set[tuple[str, int]] = set()  # accounts and nonces of which operators were told
        self._looked_at: dict[tuple[str, int], int] = {}  # the head at which a used nonce was looked at

    async def look(self) -> None:
        """Compare counts once for each new head. Raises NetworkError."""
        head = await self._sender.head_height()
        if head == self._head:
            return
        known = await account_nonces_repository.known_nonces(self._network.key, self._after_id, ADDRESSES_AT_ONCE)
        addresses = [self._hot_address, *(one.address for one in known if one.address != self._hot_address)]
        await self.compare(await self._sender.next_nonces(addresses))
        self._after_id = known[-1].id if len(known) == ADDRESSES_AT_ONCE else 0
        self._head = head

    async def compare(self, counts: Mapping[str, int]) -> None:
        """Raise an alert for each account of which the chain has more transactions than the books have signed.

        `counts` was read from the chain before this call: the books only ever get ahead of it.
        """
        signed = await account_nonces_repository.next_nonces(self._network.key, list(counts))
        for address, count in counts.items():
            if count > signed.get(address, 0) and (address, count - 1) not in self._told:
                await self._alert(address, count - 1, await self._who_used(address, count - 1))

    async def look_at_nonce(self, address: str, nonce: int, ours: Sequence[str]) -> None:
        """Raise an alert if a nonce that we have signed is used by a transaction that is not one of ours. Asks the
        chain once for each head: a reorganisation, or a node that lags behind, looks alike for a while."""
        if (address, nonce) in self._told or self._looked_at.get((address, nonce)) == self._head:
            return
        self._looked_at[address, nonce] = self._head
        txid = await self._who_used(address, nonce)
        if txid is not None and txid not in ours:
            await self._alert(address, nonce, txid)

    async def _who_used(self, address: str, nonce: int) -> str | None:
        """The transaction's id, None where the node does not say: the alert does not wait for that."""
        try:
            return await self._sender.who_used(address, nonce, await self._sender.head_height())
        except NetworkError:
            return None

    async def _alert(self, address: str, nonce: int, txid: str | None) -> None:
        whose = "the hot wallet" if address == self._hot_address else "a deposit address"
        await raise_alert(
            severity="critical",
            kind="unknown_spend",
            dedupe_key=f"unknown_spend:{self._network.key}:{address}:{nonce}",
            message=f"{self._network.key}: {address}, {whose} of ours, has sent a transaction that we did not sign",
            details={"network": self._network.key, "address": address, "nonce": nonce, "txid": txid},
            now=clock.now(),
        )
        self._told.add((address, nonce))
