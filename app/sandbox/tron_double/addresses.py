"""Tron's addresses: 21 bytes, 41 and the last 20 of the key's hash; in hex, or as base58check text."""

from bip_utils.base58.base58 import Base58Decoder, Base58Encoder
from eth_keys.datatypes import PrivateKey

PREFIX = "41"
NOBODY = PREFIX + "00" * 20


def from_text(text: str) -> str:
    """An address in hex, from hex or base58check. Raises ValueError."""
    if len(text) == 42 and text.startswith(PREFIX):
        return bytes.fromhex(text).hex()
    if len(text) == 34:
        decoded = Base58Decoder.CheckDecode(text)
        if len(decoded) == 21 and decoded[0] == 0x41:
            return decoded.hex()
    raise ValueError(f"{text} is no address")


def to_text(address: str) -> str:
    """The base58check text, `T…`, of an address in hex."""
    return str(Base58Encoder.CheckEncode(bytes.fromhex(address)))


def of_key(key: bytes) -> str:
    """The address of a private key, in hex."""
    return PREFIX + PrivateKey(key).public_key.to_canonical_address().hex()


def from_evm(address: str) -> str:
    """The address in hex that has the 20 bytes of an EVM address, `0x…` or without."""
    return PREFIX + address.removeprefix("0x").lower()


def to_evm(address: str) -> str:
    """The EVM address, `0x…`, with the 20 bytes of an address in hex."""
    return "0x" + address[2:]
