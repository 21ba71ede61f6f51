"""The key of a network with coins: the account's, which spends whatever the account receives.

Whatever the database says, a transaction spends coins whose addresses the account derives, and what pays no withdrawal
returns to addresses of its change branch.
"""

from app.networks.bitcoin.account import Account
from app.networks.bitcoin.coins import INTERNAL_BRANCH
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.sending import Draft, Parsed
from app.signer import coin_funds_repository, coins_repository
from app.signer.funds import NotOurs
from app.signer.keystore import SpendingKeys
from app.signer.repository import Purpose


class CoinKeys:
    """`app.signer.funds.Keys` of one network with coins."""

    def __init__(self, network: BitcoinConfig, keys: SpendingKeys) -> None:
        self._network = network
        self._keys = keys
        self._account = Account(network.xpub, network.bitcoin_network, network.address_type)

    async def key(self, draft: Draft) -> bytes:
        """The account's extended private key. Raises NotOurs for a draft with a sender, which no coin has."""
        if draft.sender is not None:
            raise NotOurs(f"{self._network.key}: nothing is sent from {draft.sender}")
        return self._keys.account(self._network.account_path).private_key()

    async def check_route(self, parsed: Parsed, purpose: Purpose) -> None:
        """Raise NotOurs unless the signed bytes spend coins of ours and, where they pay no withdrawal, pay our change
        addresses. The change of a withdrawal is not among its payments: reading the bytes has derived its address."""
        coins = await coins_repository.by_claims(self._network.key, parsed.claims)
        known = {coin.claim for coin in coins if self._account.has(coin)}
        if strange := sorted(set(parsed.claims) - known):
            raise NotOurs(f"{self._network.key}: {strange[0]} is not a coin of ours")
        for payment in parsed.payments if purpose != "withdrawal" else ():
            if purpose != "sweep" or not await self._is_change(payment.to_address):
                raise NotOurs(f"{self._network.key}: no {purpose} goes to {payment.to_address}")

    async def _is_change(self, address: str) -> bool:
        """Whether an address is of our change branch. The row is not trusted: the number must derive to the address."""
        index = await coin_funds_repository.change_index(self._network.key, address)
        return index is not None and self._account.address(INTERNAL_BRANCH, index) == address
