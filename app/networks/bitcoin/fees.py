"""Sizes and fees of our transactions: plain arithmetic in whole satoshi.

A fee rate is an integer in satoshi per 1,000 virtual bytes (vB), as nodes count it; 1,000 of it are 1 sat/vB. A size
is planned before the transaction is signed: exact where addresses are P2TR, and at most 1 vB in some signatures too
large where they are P2WPKH. A fee is therefore never below the rate that was asked for.
"""

from collections.abc import Iterable, Sequence

import msgspec

from app.networks.bitcoin.parameters import AddressType
from app.networks.port import FeeAboveCeiling, NodeUnavailable

VB_PER_RATE = 1_000
"""A fee rate is for so many vB."""

MAX_VSIZE_VB = 100_000
"""Nodes relay nothing larger (Bitcoin Core, `MAX_STANDARD_TX_WEIGHT`)."""

MAX_CHAIN = 25
"""The most transactions in an unconfirmed chain, the new one counted (Bitcoin Core, `-limitancestorcount`)."""

MAX_CHAIN_VB = 101_000
"""Their size together (`-limitancestorsize`)."""

# BIP-141: a byte of the witness weighs 1, any other byte 4, and 4 of weight are 1 vB.
WEIGHT_PER_VB = 4
_OVERHEAD_BYTES, _MARKER_WEIGHT = 8, 2  # version and lock time; marker and flag of a transaction with witnesses
_INPUT_BYTES = 41  # outpoint, empty script, sequence
_WITNESS_WEIGHT: dict[AddressType, int] = {
    "p2wpkh": 107,  # count, signature of at most 71 bytes (low R, low S) and public key, each with its length
    "p2tr": 66,  # count, signature of 64 bytes with its length
}
_VALUE_BYTES, _LONGEST_COUNT_BYTES = 8, 5

_DUST_RATE = 3_000  # Bitcoin Core, `DUST_RELAY_TX_FEE`
_SPENDING_WITNESS_VB, _SPENDING_OTHER_VB = 67, 148  # what spending an output takes, by Bitcoin Core's estimate for dust


def with_tolerance(ceiling: int) -> int:
    """The ceiling for rates of signed transactions: those are up to 1 in 100 smaller than planned, so their rates are
    that much higher than the planned ones, which are held against the ceiling itself."""
    return ceiling + -(-ceiling // 50)


class NoEstimate(NodeUnavailable):
    """The node can't estimate fees yet, and no fallback is configured."""


class PoolRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a node asks of transactions now, as fee rates: `floor` of any, `increment` of a replacement on top."""

    floor: int
    increment: int


def vsize_vb(address_type: AddressType, inputs: int, output_scripts: Iterable[bytes]) -> int:
    """The size of a signed transaction with so many inputs of one type, in vB."""
    lengths = [len(script) for script in output_scripts]
    outputs = sum(_VALUE_BYTES + _compact_bytes(length) + length for length in lengths)
    counts = _compact_bytes(inputs) + _compact_bytes(len(lengths))
    plain = _OVERHEAD_BYTES + counts + _INPUT_BYTES * inputs + outputs
    weight = WEIGHT_PER_VB * plain + _MARKER_WEIGHT + _WITNESS_WEIGHT[address_type] * inputs
    return -(-weight // WEIGHT_PER_VB)


def most_inputs(address_type: AddressType, output_scripts: Iterable[bytes]) -> int:
    """How many inputs a transaction with these outputs can have below `MAX_VSIZE_VB`."""
    room_vb = MAX_VSIZE_VB - 1 - vsize_vb(address_type, 0, output_scripts) - _LONGEST_COUNT_BYTES
    return max(room_vb * WEIGHT_PER_VB // _input_weight(address_type), 0)


def input_fee_raw(address_type: AddressType, rate: int) -> int:
    """What it costs to spend one more coin, rounded up, in satoshi."""
    return -(-_input_weight(address_type) * rate // (WEIGHT_PER_VB * VB_PER_RATE))


def fee_raw(rate: int, vsize: int) -> int:
    """The fee of a transaction of `vsize` vB, rounded up, in satoshi."""
    return -(-rate * vsize // VB_PER_RATE)


def rate_of(fee: int, vsize: int) -> int:
    """The rate that a fee of `fee` satoshi is, rounded down, as nodes round it."""
    return fee * VB_PER_RATE // vsize


def dust_limit_raw(script: bytes) -> int:
    """Nodes don't relay an output of less satoshi (Bitcoin Core, `GetDustThreshold`): 294 of P2WPKH, 330 of P2TR."""
    is_witness = (
        4 <= len(script) <= 42 and (script[0] == 0 or 0x51 <= script[0] <= 0x60) and script[1] + 2 == len(script)
    )
    output_bytes = _VALUE_BYTES + _compact_bytes(len(script)) + len(script)
    return fee_raw(_DUST_RATE, output_bytes + (_SPENDING_WITNESS_VB if is_witness else _SPENDING_OTHER_VB))


class InPool(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction of ours in a node's pool. Fees are in satoshi, sizes in vB.

    `evicted_fee_raw` is what it pays together with all that leaves the pool if it is replaced: every transaction that
    spends its outputs, also strangers'. `ancestors…` are of it and all unmined transactions that it comes from.
    """

    fee_raw: int
    vsize: int
    evicted_fee_raw: int
    ancestors: int = 1
    ancestors_vsize: int = 0
    ancestors_fee_raw: int = 0


def replacement_fee_raw(replaced: Sequence[InPool], vsize: int, increment: int) -> int:
    """The least fee at which nodes take a transaction of `vsize` vB in place of others, in satoshi.

    It pays more than all that leaves the pool, by the rate `increment` for its own size (BIP-125, rules 3 and 4), and
    its rate is above that of each transaction that it replaces.
    """
    if not replaced:
        raise ValueError("a replacement replaces something")
    by_rules_3_and_4 = sum(each.evicted_fee_raw for each in replaced) + fee_raw(increment, vsize)
    highest = max(rate_of(each.fee_raw, each.vsize) for each in replaced)
    return max(by_rules_3_and_4, fee_raw(highest + 1, vsize))


def child_fee_raw(parents_fee_raw: int, parents_vsize: int, vsize: int, rate: int, floor: int) -> int:
    """The fee of a child of `vsize` vB with which it and its unmined ancestors together pay `rate`, in satoshi.

    `parents_…` are fee and size of all these ancestors. The child itself pays at least `rate` and `floor`: miners take
    a child apart where its parent is mined already.
    """
    together = fee_raw(rate, parents_vsize + vsize) - parents_fee_raw
    return max(together, fee_raw(max(rate, floor), vsize))


def offered_rate(estimate: int | None, floor: int, ceiling: int, fallback: int | None) -> int:
    """The rate to offer, from a node's estimate.

    Nodes give no estimate for hours after their first start and on quiet chains: `fallback` counts then. An estimate
    below `floor`, also 0, is raised to it, since nodes refuse less. Raises NoEstimate where there is neither
    estimate nor fallback, FeeAboveCeiling where the rate would be above `ceiling`: an estimate may be absurd, and
    what is sent can't be taken back.
    """
    asked = fallback if estimate is None else estimate
    if asked is None:
        raise NoEstimate("the node has no estimate of fees yet, and no fallback is configured")
    rate = max(asked, floor)
    if rate > ceiling:
        raise FeeAboveCeiling(f"a fee rate of {rate} is above the ceiling of {ceiling} satoshi per 1,000 vB")
    return rate


def _input_weight(address_type: AddressType) -> int:
    return WEIGHT_PER_VB * _INPUT_BYTES + _WITNESS_WEIGHT[address_type]


def _compact_bytes(count: int) -> int:
    """The length of a count (CompactSize)."""
    return 1 if count < 0xFD else 3 if count <= 0xFFFF else 5
