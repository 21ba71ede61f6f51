"""What a wallet in the browser is asked to send on an EVM chain. Pure.

Everything is made here, in the form in which a wallet takes it (EIP-1193, `eth_sendTransaction`): the page's script
passes it on and computes nothing about money.
"""

from urllib.parse import urlsplit

from app.networks.config import Asset
from app.networks.evm.config import EvmConfig
from app.networks.evm.sending import BALANCE_OF_SELECTOR, TRANSFER_SELECTOR
from app.networks.port import WalletPayment

PROTOCOL = "evm"
WORD_DIGITS = 64
"""An argument of a contract's call is a word of 32 bytes, in hex."""


def wallet_payment(config: EvmConfig, asset: Asset, address: str, amount_raw: int) -> WalletPayment:
    """A payment of `amount_raw` minor units to `address`, given in canonical form.

    `holdings` is the call that says what an account holds of a token: the account's forty digits are to be put behind
    it. `chain` is None where a wallet that doesn't know the network can't be told of it.
    """
    if asset.contract is None:
        transaction = {"to": address, "value": hex(amount_raw)}
        holdings = None
    else:
        transaction = {"to": asset.contract, "value": "0x0", "data": transfer_data(address, amount_raw)}
        holdings = {"to": asset.contract, "data": f"0x{BALANCE_OF_SELECTOR.hex()}{'0' * (WORD_DIGITS - 40)}"}
    return WalletPayment(
        protocol=PROTOCOL,
        request={
            "chainId": hex(config.chain_id),
            "transaction": transaction,
            "amount": hex(amount_raw),
            "holdings": holdings,
            "chain": _chain(config),
        },
    )


def transfer_data(address: str, amount_raw: int) -> str:
    """The data of a token's transfer(address,uint256), in hex."""
    recipient = address.removeprefix("0x").lower().rjust(WORD_DIGITS, "0")
    return f"0x{TRANSFER_SELECTOR.hex()}{recipient}{amount_raw:0{WORD_DIGITS}x}"


def _chain(config: EvmConfig) -> dict[str, object] | None:
    """The parameter of `wallet_addEthereumChain` (EIP-3085). Never a node of ours: `public_rpc_url` alone."""
    if config.public_rpc_url is None or config.native is None:
        return None
    coin = config.native
    chain: dict[str, object] = {
        "chainId": hex(config.chain_id),
        "chainName": config.title,
        "nativeCurrency": {"name": coin.name, "symbol": coin.symbol, "decimals": coin.decimals},
        "rpcUrls": [config.public_rpc_url],
    }
    if config.explorer_tx_url is not None:
        chain["blockExplorerUrls"] = [f"https://{urlsplit(config.explorer_tx_url).netloc}"]
    return chain
