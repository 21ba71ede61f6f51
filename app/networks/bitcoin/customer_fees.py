"""What a plain payment costs a customer on Bitcoin: the size of a usual transaction at the node's estimate."""

from app.networks.bitcoin import fees
from app.networks.bitcoin.addresses import parse
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.estimates import estimate
from app.networks.bitcoin.fees import VB_PER_RATE
from app.networks.bitcoin.parameters import COIN_DECIMALS
from app.networks.bitcoin.rpc import BitcoinRpc
from app.networks.port import CustomerFee

CHANGE_SCRIPT = b"\x00\x14" + bytes(20)
"""P2WPKH (BIP-141): what wallets use most, for what they spend and for their change."""


async def customer_fees(rpc: BitcoinRpc, config: BitcoinConfig) -> list[CustomerFee]:
    """What a payment costs now with one P2WPKH input, an output to an address of ours and one for change: about 141 vB.

    The rate is the node's estimate for `fee_target_blocks` blocks, at least what its pool takes; without an estimate
    it is `fallback_fee_rate_sat_vb`. Empty where there is neither.
    """
    rate, rules = await estimate(rpc, config.fee_target_blocks)
    if rate is None:
        if config.fallback_fee_rate_sat_vb is None:
            return []
        rate = config.fallback_fee_rate_sat_vb * VB_PER_RATE
    fee_raw = fees.fee_raw(max(rate, rules.floor), payment_vb(config))
    return [CustomerFee(config.coin.symbol, fee_raw, config.coin.symbol, COIN_DECIMALS)]


def payment_vb(config: BitcoinConfig) -> int:
    """The size of a usual payment to an address of ours, in vB. Pure."""
    ours = parse(config.receiving_address(0), config.bitcoin_network)[1]
    return fees.vsize_vb("p2wpkh", 1, [ours, CHANGE_SCRIPT])
