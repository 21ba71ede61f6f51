"""The arguments and results of contracts' calls as bytes: eth_abi, imported at its first use, since it takes 0.2 s and
most processes call no contract."""

from collections.abc import Sequence
from typing import Any


def encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """Arguments of these types, such as `uint256`. Raises what eth_abi raises where a value isn't of its type."""
    from eth_abi.abi import encode  # noqa: PLC0415

    return bytes(encode(types, values))


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Values of these types. Raises ValueError where the bytes are not that: a contract may answer anything."""
    from eth_abi.abi import decode  # noqa: PLC0415
    from eth_abi.exceptions import DecodingError  # noqa: PLC0415

    try:
        return tuple(decode(types, data))
    except (DecodingError, OverflowError) as error:
        raise ValueError(str(error)) from None
