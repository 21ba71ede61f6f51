"""An account's scripts and addresses, on both branches: receiving (/0/i) and change (/1/i). It can't spend."""

from functools import lru_cache

from embit import script
from embit.ec import PublicKey

from app.networks.bitcoin.account_key import account_key
from app.networks.bitcoin.addresses import MAX_INDEX, address_of
from app.networks.bitcoin.coins import EXTERNAL_BRANCH, INTERNAL_BRANCH, Coin
from app.networks.bitcoin.parameters import PARAMETERS, AddressType, BitcoinNetwork

SCRIPTS_KEPT = 8_192
"""Those of some batches: each takes up to a millisecond to derive, and is derived again to check what was signed."""


class Account:
    """An account of one network, by its extended public key."""

    def __init__(self, xpub: str, network: BitcoinNetwork, address_type: AddressType) -> None:
        """Raise ValueError, without the key in it, where it can't be used."""
        self.network: BitcoinNetwork = network
        self.address_type: AddressType = address_type
        self.key = account_key(xpub, network, address_type)
        self._branches = {branch: self.key.derive([branch]) for branch in (EXTERNAL_BRANCH, INTERNAL_BRANCH)}
        self._hrp = PARAMETERS[network].hrp
        self._kept = lru_cache(maxsize=SCRIPTS_KEPT)(self._derive)

    def public_key(self, branch: int, index: int) -> PublicKey:
        """The public key of an address, before any tweak. Raises ValueError for no branch or no index of ours."""
        return self._kept(branch, index)[0]

    def script(self, branch: int, index: int) -> bytes:
        """What an output to the address has. Raises as `public_key`."""
        return self._kept(branch, index)[1]

    def address(self, branch: int, index: int) -> str:
        """The address as people read it. Raises as `public_key`."""
        address = address_of(self.script(branch, index), self._hrp)
        assert address is not None
        return address

    def has(self, coin: Coin) -> bool:
        """Whether a coin's address is the one of ours that it says."""
        try:
            return self.address(coin.branch, coin.index) == coin.address
        except ValueError:
            return False

    def _derive(self, branch: int, index: int) -> tuple[PublicKey, bytes]:
        if branch not in self._branches or not 0 <= index <= MAX_INDEX:
            raise ValueError(f"no address of the account: /{branch}/{index}")
        key = self._branches[branch].child(index).key
        made = script.p2wpkh(key) if self.address_type == "p2wpkh" else script.p2tr(key)
        return key, bytes(made.data)
