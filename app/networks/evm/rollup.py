"""The fee of a rollup of the OP stack for a transaction's data on the first layer, in addition to gas.

The sender pays it out of the balance, on top of gas and without a limit of its own in the transaction. Its price
follows the first layer's base fees, and the predeployed GasPriceOracle returns it (specs.optimism.io, "L1 fee").
"""

from app.networks.contract_abi import encode
from app.networks.evm.holdings import Word
from app.networks.evm.rpc import EvmRpc
from app.networks.json_rpc import Call, RefusedByNode

ORACLE = "0x420000000000000000000000000000000000000F"
"""GasPriceOracle, at the same address on every chain of the OP stack."""

UPPER_BOUND_SELECTOR = bytes.fromhex("f1c7a58b")  # keccak256("getL1FeeUpperBound(uint256)"), its first four bytes
FEE_SELECTOR = bytes.fromhex("49948e0e")  # keccak256("getL1Fee(bytes)")

HEADROOM = 2
"""The first layer's base fees may double (six full blocks, EIP-1559) before the transaction is in a block."""


async def data_fee_raw(rpc: EvmRpc, unsigned: bytes) -> int:
    """The amount to reserve for a transaction's data, in wei. Raises NodeUnavailable."""
    return await current_data_fee_raw(rpc, unsigned) * HEADROOM


async def current_data_fee_raw(rpc: EvmRpc, unsigned: bytes) -> int:
    """What a transaction's data costs now, in wei. The oracle adds the signature itself.

    Since the Fjord upgrade the fee depends on how well the data compresses, and the oracle returns a bound by its size.
    Before Fjord it refuses that call, and returns the fee of the data itself. Raises NodeUnavailable.
    """
    try:
        return await _ask(rpc, UPPER_BOUND_SELECTOR + encode(["uint256"], [len(unsigned)]))
    except RefusedByNode:
        return await _ask(rpc, FEE_SELECTOR + encode(["bytes"], [unsigned]))


async def _ask(rpc: EvmRpc, data: bytes) -> int:
    (answer,) = await rpc.ask([Call[str]("eth_call", ({"to": ORACLE, "data": "0x" + data.hex()}, "latest"), Word)])
    return int(answer, 16)
