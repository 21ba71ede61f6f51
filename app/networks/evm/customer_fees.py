"""What a plain payment costs a customer on an EVM chain: gas at the newest block's price, and a rollup's data fee."""

from typing import Any

from app.networks.evm import rollup
from app.networks.evm.config import EvmConfig
from app.networks.evm.rpc import EvmRpc
from app.networks.evm.wire import Quantity, WireFeeHeader
from app.networks.json_rpc import Call
from app.networks.port import CustomerFee

COIN_GAS = 21_000
"""A transfer of native coin to an address without code (yellow paper, G_transaction). Ours have none."""

TOKEN_GAS = 65_000
"""A usual ERC-20 transfer to an address that holds none of the token, as an invoice's often does: the 21,000 of any
transaction, the calldata, and 22,100 to write a new balance (EIP-2929) beside the sender's; tokens behind a proxy, or
with a list of frozen accounts, add some thousands. To an address that holds the token it is 17,100 less."""

COIN_BYTES, TOKEN_BYTES = 50, 120
"""The size of such a transaction before it is signed, for a rollup's data fee: chain id, nonce, fees, recipient and
amount (EIP-1559), and the 68 bytes of a token's call."""


async def customer_fees(rpc: EvmRpc, config: EvmConfig) -> list[CustomerFee]:
    """What a payment of each asset costs now: gas × (base fee + the tip that the node names), and on a rollup its data.

    Empty where the chain's own coin is not among the assets: nothing says what it is called.
    """
    coin = config.native
    if coin is None:
        return []
    calls: list[Call[Any]] = [
        Call("eth_getBlockByNumber", ("latest", False), WireFeeHeader),
        Call("eth_maxPriorityFeePerGas", (), Quantity),
    ]
    head, tip = await rpc.ask(calls)
    gas_price_raw = int(head.base_fee_per_gas, 16) + int(tip, 16)
    found = []
    for asset in config.assets:
        is_coin = asset.contract is None
        fee_raw = (COIN_GAS if is_coin else TOKEN_GAS) * gas_price_raw
        if config.rollup is not None:
            # No byte is 0: those before Fjord counted for less.
            fee_raw += await rollup.current_data_fee_raw(rpc, b"\xff" * (COIN_BYTES if is_coin else TOKEN_BYTES))
        found.append(CustomerFee(asset.symbol, fee_raw, coin.symbol, coin.decimals))
    return found
