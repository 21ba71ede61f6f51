"""Contracts for the sandbox and the tests, compiled: Stablecoins.sol has the traps of USDT and USDC, PriceFeed.sol is a
feed of Chainlink's form.

`cd app/sandbox/contracts; node compile.cjs Stablecoins.sol > stablecoins.json` compiles them again, and `PriceFeed.sol`
into `price_feed.json`; it needs npm's solc. Each is for Ethereum's virtual machine and for Tron's.
"""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from eth_abi.abi import encode
from eth_utils.crypto import keccak

ARTEFACT = Path(__file__).with_name("stablecoins.json")
SOURCE = Path(__file__).with_name("Stablecoins.sol")
FEED_ARTEFACT = Path(__file__).with_name("price_feed.json")

Name = Literal["TetherLike", "CircleLike", "Spreader", "PriceFeed"]


def deployment(name: Name, *arguments: object) -> bytes:
    """The bytes that deploy a contract: its code and the constructor's arguments.

    `TetherLike` and `CircleLike` take name, symbol, supply in minor units of 6 decimals, and the owner, who gets the
    supply; `Spreader` takes nothing; `PriceFeed` takes description, decimals and the first answer. Addresses are `0x`
    and 40 hex digits.
    """
    contract = _compiled()[name]
    types = [given["type"] for entry in contract["abi"] if entry["type"] == "constructor" for given in entry["inputs"]]
    return bytes.fromhex(contract["bytecode"]) + encode(types, arguments)


def call_data(signature: str, *arguments: object) -> bytes:
    """The data of a call, such as `call_data("transfer(address,uint256)", "0x…", 5)`."""
    types = signature.partition("(")[2].removesuffix(")")
    return bytes(keccak(text=signature)[:4]) + encode(types.split(",") if types else [], arguments)


def abi(name: Name) -> list[dict[str, Any]]:
    """A contract's interface, as compilers print it."""
    return list(_compiled()[name]["abi"])


@cache
def _compiled() -> dict[str, Any]:
    return {
        name: contract
        for artefact in (ARTEFACT, FEED_ARTEFACT)
        for name, contract in msgspec.json.decode(artefact.read_bytes())["contracts"].items()
    }
