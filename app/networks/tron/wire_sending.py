"""Answers of java-tron's HTTP API that only sending reads. As in wire.py, what is zero, false or empty is left out."""

from typing import Any

import msgspec

from app.networks.tron.wire import Count, Digits, Hash, WireCallResult, WireInfo, WireTransaction


class WireUse(msgspec.Struct, frozen=True, rename="pascal"):
    """What an account may use within 24 hours, and has used of it: bytes for nothing, bytes of staked coin, and energy.
    `total_energy_limit` is the energy a day of all staked coin of the chain, and `total_energy_weight` that coin, in
    TRX."""

    free_net_used: Count = msgspec.field(name="freeNetUsed", default=0)
    free_net_limit: Count = msgspec.field(name="freeNetLimit", default=0)
    net_used: Count = 0
    net_limit: Count = 0
    energy_used: Count = 0
    energy_limit: Count = 0
    total_energy_limit: Count = 0
    total_energy_weight: Count = 0


class WireLendable(msgspec.Struct, frozen=True):
    """How much staked coin may be lent now, in sun."""

    max_size: Count = 0


class WireChainParameter(msgspec.Struct, frozen=True):
    """A parameter of the chain."""

    key: str
    value: int = 0


class WireChainParameters(msgspec.Struct, frozen=True):
    """The parameters of the chain, in an order that changes."""

    parameters: list[WireChainParameter] = msgspec.field(name="chainParameter")


class WireSimulated(msgspec.Struct, frozen=True):
    """The transaction of a simulation. `ret` is `[{}]` where it would succeed."""

    ret: list[dict[str, Any]] = []


class WireSimulation(msgspec.Struct, frozen=True):
    """`triggerconstantcontract`, with all that says whether the call would succeed. `energy_used` includes the
    contract's penalty."""

    result: WireCallResult
    energy_used: Count = 0
    constant_result: list[Digits] = []
    transaction: WireSimulated = WireSimulated()


class WireBroadcast(msgspec.Struct, frozen=True):
    """`broadcasthex`. `result` is left out where the node refuses the bytes."""

    result: bool = False
    code: str = ""
    message: str = ""
    txid: str = ""


class WireOutcome(WireInfo, frozen=True, rename={"block_number": "blockNumber", "block_time_stamp": "blockTimeStamp"}):
    """What a transaction in a block has done. `result` is `FAILED`, or left out."""

    result: str = ""


class WireSigned(WireTransaction, frozen=True, rename={"txid": "txID"}):
    """A transaction with its bytes, whose hash is its id."""

    raw_data_hex: Digits = ""
    signature: list[Digits] = msgspec.field(default_factory=list)


class WireKnown(msgspec.Struct, frozen=True):
    """A transaction that the node has in a block."""

    id: Hash
