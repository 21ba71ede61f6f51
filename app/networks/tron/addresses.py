"""Tron's addresses: the byte 41 and 20 bytes of a key's hash.

People write them in base58 with a checksum, 34 characters from `T` on; that is the canonical form everywhere above the
adapter. Nodes write all 21 bytes as hexadecimal digits, and logs the last 20.
"""

import re
from contextlib import suppress
from functools import lru_cache

from embit import base58

from app.networks.derivation import ReceivingAddresses
from app.networks.keccak import keccak

ACCOUNT_PATH = "m/44'/195'/0'"
"""BIP-44, with the coin's number of SLIP-44."""

PREFIX = "41"
LENGTH = 21
VOID = "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb"
"""The address of 20 zeros: nobody has its key."""

_HEX_FORM = re.compile(r"41[0-9a-fA-F]{40}")
_TEXT_FORM = re.compile(r"T[1-9A-HJ-NP-Za-km-z]{33}")


def normalise_address(text: str) -> str:
    """The form `T…` of an address, given in that form or as 42 hexadecimal digits from 41 on. Raises ValueError,
    without the text in it, where it isn't one or its checksum is wrong."""
    if _HEX_FORM.fullmatch(text):
        return from_hex(text.lower())
    if not _TEXT_FORM.fullmatch(text):
        raise ValueError("not a Tron address: T and 33 letters and digits")
    try:
        raw = base58.decode_check(text)
    except Exception:  # embit raises many kinds
        raise ValueError("the Tron address's checksum is wrong: a letter is mistyped") from None
    if len(raw) != LENGTH or raw[:1].hex() != PREFIX:
        raise ValueError("not a Tron address: it is one of another chain")
    return text


def is_address(text: str) -> bool:
    """Whether a text is an address, in either form."""
    with suppress(ValueError):
        return bool(normalise_address(text))
    return False


@lru_cache(maxsize=65_536)  # 7 µs, and a block repeats its addresses
def from_hex(digits: str) -> str:
    """The form `T…` of an address that is known to be one, given as a node writes it: 42 digits, in lower case."""
    return str(base58.encode_check(bytes.fromhex(digits)))


def from_log(digits: str) -> str:
    """The same of 40 digits, as in a log."""
    return from_hex(PREFIX + digits)


@lru_cache(maxsize=65_536)  # 16 µs
def to_hex(address: str) -> str:
    """An address, given in canonical form, as a node takes it: 42 digits, in lower case."""
    raw: bytes = base58.decode_check(address)
    assert len(raw) == LENGTH
    return raw.hex()


def to_log(address: str) -> str:
    """The same as 40 digits, as in a log."""
    return to_hex(address)[len(PREFIX) :]


@lru_cache(maxsize=64)
def receiving_addresses(xpub: str) -> ReceivingAddresses:
    """The addresses m/44'/195'/0'/0/i of an account. Raises ValueError, without the key in it."""
    return ReceivingAddresses(xpub, ACCOUNT_PATH, _of_public_key)


def _of_public_key(uncompressed: bytes) -> str:
    """The address of a public key, given as 65 bytes: the last 20 bytes of the hash of its coordinates."""
    return from_log(keccak(uncompressed[1:])[-20:].hex())
