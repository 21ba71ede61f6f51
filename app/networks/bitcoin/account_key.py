"""The account's extended public key, as people have it: xpub, zpub, or a descriptor of one key."""

import re

from embit import base58, bip32
from embit.descriptor.checksum import checksum

from app.networks.bitcoin.parameters import PARAMETERS, AddressType, BitcoinNetwork

ACCOUNT_DEPTH = 3  # m / purpose' / coin' / account'
ACCOUNT_PATHS: dict[AddressType, str] = {"p2wpkh": "m/84'/{coin}'/k'", "p2tr": "m/86'/{coin}'/k'"}  # BIP-84, BIP-86
FUNCTIONS: dict[AddressType, str] = {"p2wpkh": "wpkh", "p2tr": "tr"}
"""The script expressions of descriptors (BIP-382, BIP-386)."""

_DESCRIPTOR = re.compile(
    r"(?P<function>[a-z]+)\((?:\[[0-9a-f]{8}(?:/[0-9]+['h]?)*\])?(?P<key>[a-zA-Z0-9]+)(?:/0/\*|/<0;1>/\*)\)"
    r"(?:#(?P<checksum>[a-z0-9]{8}))?"
)


def account_key(text: str, network: BitcoinNetwork, address_type: AddressType) -> bip32.HDKey:
    """The account's key. Raises ValueError, without the key in it, where it can't be used."""
    text = text.strip()
    if "(" in text:
        text = _key_of_descriptor(text, address_type)
    if text[1:4] == "prv":
        raise ValueError("is an extended PRIVATE key; give the public one, and treat this one as leaked")
    known = PARAMETERS[network]
    expected = [known.xpub] + ([known.segwit_pub] if address_type == "p2wpkh" else [])
    try:
        base58.decode_check(text)
        key = bip32.HDKey.from_base58(text)
    except Exception:  # embit raises many kinds
        raise ValueError(f"is not an extended public key ({expected[0]}…)") from None
    if text[:4] not in expected:
        raise ValueError(f"begins with {text[:4]}; the {network} network with {address_type} needs {expected[0]}…")
    if key.depth != ACCOUNT_DEPTH or key.child_number < bip32.HARDENED_INDEX:
        path = ACCOUNT_PATHS[address_type].format(coin=0 if network == "main" else 1)
        raise ValueError(f"is of depth {key.depth}; an account's key, {path}, has depth 3")
    return key


def _key_of_descriptor(text: str, address_type: AddressType) -> str:
    """The key of a descriptor such as `wpkh([73c5da0a/84h/0h/0h]xpub…/0/*)#…`."""
    found = _DESCRIPTOR.fullmatch(text)
    function = FUNCTIONS[address_type]
    if found is None:
        raise ValueError(f"is a descriptor that can't be used: only {function}([…]xpub…/0/*), of one key")
    if found["checksum"] is not None and checksum(text.partition("#")[0]) != found["checksum"]:
        raise ValueError("is a descriptor whose checksum is wrong: a character is mistyped")
    if found["function"] != function:
        raise ValueError(f"is a descriptor of {found['function']}(…); {address_type} needs {function}(…)")
    return found["key"]
