"""Addresses by the Bitcoin Dev Kit."""

import bdkpython as bdk
from embit import bip32
from embit.networks import NETWORKS

from app.networks.bitcoin.account_key import FUNCTIONS
from app.networks.bitcoin.parameters import AddressType, BitcoinNetwork

BDK_NETWORKS = {
    "main": bdk.Network.BITCOIN,
    "testnet": bdk.Network.TESTNET,
    "testnet4": bdk.Network.TESTNET4,
    "signet": bdk.Network.SIGNET,
    "regtest": bdk.Network.REGTEST,
}


def parse(text: str, network: BitcoinNetwork) -> tuple[str, bytes] | None:
    """An address in canonical form, and its script; None where it isn't one of the network."""
    try:
        address = bdk.Address(text, BDK_NETWORKS[network])
    except bdk.AddressParseError:
        return None
    return str(address), bytes(address.script_pubkey().to_bytes())


class Receiving:
    """The receiving addresses of an account: /0/i below its key."""

    def __init__(self, account: bip32.HDKey, network: BitcoinNetwork, address_type: AddressType) -> None:
        is_main = network == "main"
        key = account.to_base58(NETWORKS["main" if is_main else "test"]["xpub"])  # bdk takes no zpub
        kind = bdk.NetworkKind.MAIN if is_main else bdk.NetworkKind.TEST
        self._descriptor = bdk.Descriptor(f"{FUNCTIONS[address_type]}({key}/0/*)", kind)
        self._network = BDK_NETWORKS[network]

    def at(self, index: int) -> str:
        """Address number `index`, from 0 to 2^31 - 1."""
        return str(self._descriptor.derive_address(index, self._network))
