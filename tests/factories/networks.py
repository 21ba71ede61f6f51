"""Networks for tests."""

from collections.abc import Sequence

from app.networks.config import Asset, NodeUrl
from app.networks.evm.config import EvmConfig

ANVIL_CHAIN_ID = 31337
# anvil's own phrase, and the extended public key of its account m/44'/60'/0'
MNEMONIC = "test test test test test test test test test test test junk"
XPUB = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"


def evm_network(
    urls: Sequence[str], usdt_contract: str, *, chain_id: int = ANVIL_CHAIN_ID, native: bool = True
) -> EvmConfig:
    """The network `ethereum:test` at these nodes, with USDT at this contract and, if `native`, ETH."""
    assets = [Asset(symbol="USDT", name="Tether USD", kind="erc20", contract=usdt_contract, decimals=6)]
    if native:
        assets.append(Asset(symbol="ETH", name="Ether", kind="native", decimals=18))
    return EvmConfig(
        chain="ethereum",
        mode="test",
        display_name="Ethereum",
        chain_id=chain_id,
        rpc_urls=tuple(NodeUrl(url) for url in urls),
        confirmations=3,
        xpub=XPUB,
        assets=tuple(assets),
    )


def networks_toml(rpc_url: str, usdt_contract: str, **options: object) -> str:
    """A networks file: `ethereum:test` at that node, USDT at that contract, ETH; `options` are fields of it."""
    fields = {"confirmations": 3, "cool_down_minutes": 60, "expiry_grace_s": 0, "poll_interval_ms": 50, **options}
    settings = "\n".join(f"{name} = {value!r}" for name, value in fields.items())
    return f"""
        [[networks]]
        chain = "ethereum"
        mode = "test"
        kind = "evm"
        display_name = "Ethereum"
        chain_id = {ANVIL_CHAIN_ID}
        rpc_urls = ["{rpc_url}"]
        xpub = "{XPUB}"
        {settings}

        [[networks.assets]]
        symbol = "USDT"
        name = "Tether USD"
        kind = "erc20"
        contract = "{usdt_contract}"
        decimals = 6

        [[networks.assets]]
        symbol = "ETH"
        name = "Ether"
        kind = "native"
        decimals = 18
        """
