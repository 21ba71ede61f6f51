"""The signer's hand: which key an address of ours has, and a signed transaction stored with its nonce.

Everything that is ever signed goes through `sign`: taken nonce, signed bytes and the row that says what for are
one transaction of the caller's, committed before anything is sent.
"""

from datetime import datetime

from app.core import database
from app.networks.config import NetworkConfig
from app.networks.derivation import ReceivingAddresses
from app.networks.port import Draft, Sender
from app.withdrawals import outgoing
from app.withdrawals.keystore import SpendingKeys
from app.withdrawals.outgoing import Stored


class NotOurs(Exception):
    """An address that our keys can't sign for: the row that says so was changed."""


class Wallet:
    """One network's keys, in the signer alone."""

    def __init__(self, network: NetworkConfig, sender: Sender, keys: SpendingKeys) -> None:
        if network.hot_wallet_address is None:
            raise ValueError(f"network {network.key} has no hot wallet")
        self.hot_address = network.hot_wallet_address
        self._network = network
        self._sender = sender
        self._keys = keys
        self._receiving = ReceivingAddresses(network.xpub)

    async def sign(
        self,
        draft: Draft,
        *,
        purpose: str,
        from_address: str,
        withdrawal: str | None = None,
        replaces: int | None = None,
        now: datetime,
    ) -> Stored:
        """Sign and store, in the caller's transaction, which holds the address's nonce. Raises NotOurs."""
        database.in_transaction()
        signed = self._sender.sign(draft, await self._key_of(from_address))
        return await outgoing.store(
            network=self._network.key,
            purpose=purpose,
            withdrawal=withdrawal,
            from_address=from_address,
            draft=draft,
            signed=signed,
            replaces=replaces,
            now=now,
        )

    async def _key_of(self, address: str) -> bytes:
        if address == self.hot_address:
            return self._keys.hot_wallet_key()
        index = await database.fetch_value(
            "SELECT derivation_index FROM deposit_addresses WHERE network = $1 AND address = $2",
            self._network.key,
            address,
        )
        if index is None or self._receiving.at(index) != address:
            raise NotOurs(f"{self._network.key}: {address} is not one of our addresses")
        return self._keys.deposit_key(index)
