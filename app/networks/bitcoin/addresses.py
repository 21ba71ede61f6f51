"""Bitcoin addresses: those that people write, those of scripts, and our own.

The Bitcoin Dev Kit parses and derives them where its wheel is installed, else embit does. Both give the same, which
tests hold.
"""

from functools import cache, lru_cache
from types import ModuleType

from embit import bech32
from embit.script import Script

from app.networks.bitcoin import with_embit
from app.networks.bitcoin.account_key import account_key
from app.networks.bitcoin.parameters import PARAMETERS, AddressType, BitcoinNetwork

MAX_INDEX = 2**31 - 1  # from 2^31 on, BIP-32 indexes are hardened and need the private key


@cache
def library() -> ModuleType:
    """Our module with the library. Imported at the first use: most processes read no such address."""
    try:
        from app.networks.bitcoin import with_bdk  # noqa: PLC0415 - 15 MB
    except ImportError:  # Linux on ARM, musl, or a newer Python than its wheels are for
        return with_embit
    return with_bdk


def normalise_address(text: str, network: BitcoinNetwork) -> str:
    """The canonical form of an address; bech32 in all upper case, as QR codes have it, becomes lower case.

    Raises ValueError, without the text in it and with words for the person who gave it, for what is no address, one of
    another network, or one of a kind that nobody can spend from yet (a witness version above 1, or a program of another
    length).
    """
    return parse(text, network)[0]


def parse(text: str, network: BitcoinNetwork) -> tuple[str, bytes]:
    """An address's canonical form and its script. Raises as `normalise_address`."""
    parsed: tuple[str, bytes] | None = library().parse(text, network)
    if parsed is None:
        if any(library().parse(text, other) is not None for other in PARAMETERS):
            raise ValueError(f"is an address of another network than {network}")
        if text not in (text.lower(), text.upper()) and library().parse(text.lower(), network) is not None:
            raise ValueError("mixes capital and small letters, which such an address never does: copy it again")
        raise ValueError("is not a bitcoin address, or a character is mistyped")
    if Script(parsed[1]).script_type() is None:
        raise ValueError("is an address of a kind that isn't in use yet (witness version or length)")
    return parsed


def network_of(text: str) -> BitcoinNetwork | None:
    """The network that a text is an address of, the first one where several have such addresses (those of the test
    networks are alike); None where it is no address."""
    return next((network for network in PARAMETERS if library().parse(text, network) is not None), None)


@lru_cache(maxsize=65_536)  # 25 µs each, and most outputs of a block were in the pool before
def address_of(script: bytes, hrp: str) -> str | None:
    """The address of a script of one of the types that our own addresses have, P2WPKH (BIP-141) and P2TR (BIP-341);
    None for any other."""
    if len(script) == 22 and script[:2] == b"\x00\x14":
        version, encoding = 0, bech32.Encoding.BECH32
    elif len(script) == 34 and script[:2] == b"\x51\x20":
        version, encoding = 1, bech32.Encoding.BECH32M
    else:
        return None
    return str(bech32.bech32_encode(encoding, hrp, [version, *bech32.convertbits(script[2:], 8, 5)]))


class ReceivingAddresses:
    """The addresses /0/i below the account's extended public key."""

    def __init__(self, xpub: str, network: BitcoinNetwork, address_type: AddressType) -> None:
        """Raise ValueError, without the key in it, where it can't be used."""
        self._receiving = library().Receiving(account_key(xpub, network, address_type), network, address_type)

    def at(self, index: int) -> str:
        """Address number `index`. Raises ValueError outside of 0 to 2^31 - 1."""
        if not 0 <= index <= MAX_INDEX:
            raise ValueError(f"an address index is from 0 to {MAX_INDEX}")
        return str(self._receiving.at(index))
