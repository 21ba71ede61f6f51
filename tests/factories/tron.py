"""Tron networks for tests."""

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from app.networks.config import Asset, NodeUrl
from app.networks.tron.addresses import PREFIX, from_hex
from app.networks.tron.config import TronConfig

# The account m/44'/195'/0' of the phrase `abandon … about`.
TRON_XPUB = (
    "xpub6D1AabNHCupeiLM65ZR9UStMhJ1vCpyV4XbZdyhMZBiJXALQtmn9p42VTQckoHVn8WNqS7dqnJokZHAHcHGoaQgmv8D45oNUKx6DZMNZBCd"
)
USDT = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
NO_SWEEPS = {"sweep_min_raw": 10**30}
TEST_GENESIS = f"{0:016x}{'ab' * 24}"


def tron_network(
    urls: Sequence[str], *, usdt: str = USDT, genesis_hash: str = TEST_GENESIS, **changes: Any
) -> TronConfig:
    """The network `tron:test` at these nodes, with TRX, and USDT at this contract; `changes` are fields of it."""
    solidity_urls = tuple(NodeUrl(url) for url in changes.pop("solidity_urls", ()))
    assets = (
        Asset(symbol="USDT", name="Tether USD", kind="trc20", contract=usdt, decimals=6),
        Asset(symbol="TRX", name="TRON", kind="native", decimals=6),
    )
    return TronConfig(
        chain="tron",
        mode="test",
        display_name="Tron",
        genesis_hash=genesis_hash,
        rpc_urls=tuple(NodeUrl(url) for url in urls),
        solidity_urls=solidity_urls,
        confirmations=1,
        xpub=TRON_XPUB,
        **{"assets": assets, **changes},
    )


def somebody(number: int) -> str:
    """An address whose key nobody has."""
    return from_hex(PREFIX + hashlib.sha256(f"somebody {number}".encode()).hexdigest()[:40])


def tron_networks_toml(
    url: str | Sequence[str],
    usdt: str,
    genesis_hash: str,
    *,
    xpub: str = TRON_XPUB,
    asset_options: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
    **options: object,
) -> str:
    """A networks file: `tron:test` at that node, or several, USDT at that contract, TRX; `options` are fields of it,
    `asset_options` those of assets, by symbol. By default nothing is worth a sweep."""
    urls = [url] if isinstance(url, str) else list(url)
    fields = {"confirmations": 1, "expiry_grace_s": 0, "poll_interval_ms": 50, **options}
    settings = "\n".join(
        f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for name, value in fields.items()
    )
    assets = {
        symbol: "\n".join(
            f'{name} = "{value}"' for name, value in {**NO_SWEEPS, **asset_options.get(symbol, {})}.items()
        )
        for symbol in ("USDT", "TRX")
    }
    return f"""
        [[networks]]
        chain = "tron"
        mode = "test"
        kind = "tron"
        display_name = "Tron"
        genesis_hash = "{genesis_hash}"
        rpc_urls = {urls!r}
        xpub = "{xpub}"
        {settings}

        [[networks.assets]]
        symbol = "USDT"
        name = "Tether USD"
        kind = "trc20"
        contract = "{usdt}"
        decimals = 6
        {assets["USDT"]}

        [[networks.assets]]
        symbol = "TRX"
        name = "TRON"
        kind = "native"
        decimals = 6
        {assets["TRX"]}
        """
