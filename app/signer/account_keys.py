"""The keys of a network with accounts: that of the hot wallet, and those of deposit addresses.

Whatever the database says, only a withdrawal leaves our own addresses: a sweep ends at the hot wallet, gas at a
deposit address that our keys derive. Staked coin is the hot wallet's, and its energy is lent to such addresses alone.
"""

from app.networks.config import NetworkConfig
from app.networks.sending import Draft, Parsed
from app.signer import account_sweeps_repository
from app.signer.funds import NotOurs
from app.signer.keystore import SpendingKeys
from app.signer.repository import Purpose


class AccountKeys:
    """`app.signer.funds.Keys` of one network with accounts."""

    def __init__(self, network: NetworkConfig, keys: SpendingKeys) -> None:
        if network.hot_wallet_address is None:
            raise ValueError(f"network {network.key} has no hot wallet")
        self._hot_address = network.hot_wallet_address
        self._network = network
        self._path = network.account_path
        self._keys = keys

    async def key(self, draft: Draft) -> bytes:
        """The private key of the account that sends a draft. Raises NotOurs."""
        if draft.sender == self._hot_address:
            return self._keys.hot_wallet_key(self._path)
        return self._keys.deposit_key(await self._index_of(draft.sender or "nobody"), self._path)

    async def check_route(self, parsed: Parsed, purpose: Purpose) -> None:
        """Raise NotOurs unless the signed bytes go from where and to where their purpose allows."""
        assert self._network.native is not None
        from_hot = parsed.sender == self._hot_address
        if (move := parsed.stake_move) is not None:
            lends = move.action in ("lend", "reclaim")
            if not from_hot or purpose != "stake" or parsed.payments or lends != (move.to_address is not None):
                raise NotOurs(f"{self._network.key}: {parsed.sender} does not {move.action} for {purpose}")
            if move.to_address is not None:
                await self._index_of(move.to_address)
        for payment in parsed.payments:
            match purpose:
                case "withdrawal":
                    allowed = from_hot
                case "sweep":
                    allowed = not from_hot and payment.to_address == self._hot_address
                    await self._index_of(parsed.sender or "nobody")
                case "gas":
                    allowed = from_hot and payment.asset_symbol == self._network.native.symbol
                    await self._index_of(payment.to_address)
                case "stake":
                    allowed = False
            if not allowed:
                raise NotOurs(f"{self._network.key}: no {purpose} goes from {parsed.sender} to {payment.to_address}")

    async def _index_of(self, address: str) -> int:
        """The number of a deposit address. The row is not trusted: the number must derive to the address."""
        index = await account_sweeps_repository.derivation_index(self._network.key, address)
        if index is None or self._network.receiving_address(index) != address:
            raise NotOurs(f"{self._network.key}: {address} is not one of our addresses")
        return index
