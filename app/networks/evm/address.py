"""EVM addresses as text: 20 bytes of hex whose capitals are the checksum (EIP-55)."""

import re
from functools import lru_cache

from app.networks.keccak import keccak

_HEX_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def normalise_address(text: str) -> str:
    """The EIP-55 form of `text`.

    All-lower and all-upper hex carries no checksum and is accepted; mixed case must be the checksum.
    Raises ValueError, without the text in it, otherwise.
    """
    if not _HEX_ADDRESS.fullmatch(text):
        raise ValueError("not an address: 0x and 40 hexadecimal digits")
    checksummed = with_checksum(text.lower())
    digits = text[2:]
    if text != checksummed and digits not in (digits.lower(), digits.upper()):
        raise ValueError("the address's checksum (EIP-55) is wrong: a digit is mistyped")
    return checksummed


def is_address(text: str) -> bool:
    """Whether a text has the form of an address, whatever its checksum says."""
    return _HEX_ADDRESS.fullmatch(text) is not None


@lru_cache(maxsize=65_536)  # a Keccak in Python takes 20 µs, and busy chains repeat their addresses
def with_checksum(lower_case: str) -> str:
    """The EIP-55 form of an address that is known to be one, given in lower case: a letter is a capital where the hash
    of the digits has 8 or more in its place."""
    digits = lower_case[2:]
    hashed = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if place >= "8" else digit for digit, place in zip(digits, hashed, strict=False)
    )


def of_public_key(uncompressed: bytes) -> str:
    """The address of a public key, given as 65 bytes: the last 20 bytes of the hash of its coordinates."""
    return with_checksum("0x" + keccak(uncompressed[1:])[-20:].hex())
