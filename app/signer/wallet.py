"""Sign a transaction with the key of one of our addresses, and store it in the caller's database transaction.

Everything that is ever signed goes through `sign`: the nonce, the signed bytes and what they are for are stored in
one transaction of the caller's, committed before anything is sent. Whatever the database says, only a withdrawal
leaves our own addresses: a sweep ends at the hot wallet, gas at a deposit address that our keys derive.
"""

from datetime import datetime

from app.core import database
from app.networks.config import NetworkConfig
from app.networks.derivation import ReceivingAddresses
from app.networks.port import Draft, Sender
from app.signer import repository, sweeps_repository
from app.signer.keystore import SpendingKeys
from app.signer.repository import Purpose, Stored


class NotOurs(Exception):
    """A row says that an address is ours or that we signed a transaction; our keys show that this is wrong."""


class Wallet:
    """Signs with one network's keys. Only the signer has one."""

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
        purpose: Purpose,
        from_address: str,
        withdrawal: str | None = None,
        replaces: int | None = None,
        now: datetime,
    ) -> Stored:
        """Sign and store, in the caller's transaction, which has locked the address's nonce. Raises NotOurs."""
        database.in_transaction()
        await self._check_route(draft, purpose, from_address)
        signed = self._sender.sign(draft, await self._key_of(from_address))
        return await repository.add(
            network=self._network.key,
            purpose=purpose,
            withdrawal=withdrawal,
            from_address=from_address,
            draft=draft,
            signed=signed,
            replaces=replaces,
            now=now,
        )

    async def check_signed(self, stored: Stored) -> None:
        """Raise NotOurs unless our key has signed just what the row says: signing it again gives the same bytes."""
        if self._sender.sign(stored.draft, await self._key_of(stored.from_address)) != stored.signed:
            raise NotOurs(f"{self._network.key}: transaction row {stored.id} is not what was signed")

    async def _check_route(self, draft: Draft, purpose: Purpose, from_address: str) -> None:
        assert self._network.native is not None
        match purpose:
            case "withdrawal":
                ours = from_address == self.hot_address
            case "sweep":
                ours = from_address != self.hot_address == draft.to_address
            case "gas":
                ours = from_address == self.hot_address and draft.asset_symbol == self._network.native.symbol
                await self._index_of(draft.to_address)
        if not ours:
            raise NotOurs(f"{self._network.key}: no {purpose} goes from {from_address} to {draft.to_address}")

    async def _key_of(self, address: str) -> bytes:
        if address == self.hot_address:
            return self._keys.hot_wallet_key()
        return self._keys.deposit_key(await self._index_of(address))

    async def _index_of(self, address: str) -> int:
        """The number of a deposit address. The row is not trusted: the number must derive to the address."""
        index = await sweeps_repository.derivation_index(self._network.key, address)
        if index is None or self._receiving.at(index) != address:
            raise NotOurs(f"{self._network.key}: {address} is not one of our addresses")
        return index
