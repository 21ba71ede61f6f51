"""Keccak-256, the hash of Ethereum's and Tron's kinds of chain. `eth_utils` has it too, and takes 0.2 s to import."""

from eth_hash.auto import keccak as _keccak

from app.core.leaving_out import leaving_out

with leaving_out("cffi"):  # pycryptodome is as fast without; cffi would bring a parser of C
    from Crypto.Util import _raw_api

    # Else it runs the program `file` on Python's own. With cffi it does not ask.
    getattr(_raw_api, "cached_architecture", [])[:] = ["64bit", ""]
    _keccak(b"")  # loads it


def keccak(data: bytes) -> bytes:
    """The hash, 32 bytes."""
    return bytes(_keccak(data))


def selector(signature: str) -> bytes:
    """The four bytes that name a contract's function, such as `transfer(address,uint256)`."""
    return keccak(signature.encode())[:4]
