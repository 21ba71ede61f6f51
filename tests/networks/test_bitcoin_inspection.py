"""What the doctor finds at Bitcoin nodes: a real one, and the same one with one answer changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.inspection import inspect
from app.sandbox import bitcoind as bitcoind_module
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from tests.factories.bitcoin import bitcoin_network
from tests.fakes.evm_node import fake_node, relay
from tests.services import bitcoind_or_skip

HOT_WALLET = "bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9p27m4sx"
"""Any address: what of it is checked is checked when the networks file is read."""


async def wrong(config: BitcoinConfig, next_height: int | None = None) -> list[str]:
    """What is not in order."""
    found = await inspect(config, next_height)
    return [f"{finding.severity}: {finding.message}" for finding in found if finding.severity != "ok"]


def sending(config: BitcoinConfig, **changes: Any) -> BitcoinConfig:
    return msgspec.structs.replace(config, hot_wallet_address=HOT_WALLET, **changes)


async def test_a_sound_node_has_a_version_and_an_unneeded_wallet(bitcoind: Bitcoind, bitcoin: BitcoinDriver) -> None:
    config = bitcoin_network([bitcoind.rpc_url])
    messages = [finding.message for finding in await inspect(config, await bitcoin.height())]
    assert any("is /Satoshi:" in message for message in messages)
    (advice,) = await wrong(config, await bitcoin.height())
    assert advice.startswith("advice: http://127.0.0.1:")
    assert "has a wallet loaded" in advice
    assert bitcoind.rpc_password not in "".join(messages)


CHANGES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "old": ("getnetworkinfo", lambda info: {**info, "version": 240_100, "subversion": "/Satoshi:24.1.0/"}, "unsafe"),
    "blocksonly": ("getnetworkinfo", lambda info: {**info, "localrelay": False}, "warning"),
    "downloads": ("getblockchaininfo", lambda info: {**info, "initialblockdownload": True}, "unsafe"),
    "pruned": ("getblockchaininfo", lambda info: {**info, "pruned": True, "pruneheight": 90}, "unsafe"),
    "loads its pool": ("getmempoolinfo", lambda info: {**info, "loaded": False}, "warning"),
    "absurd": ("estimatesmartfee", lambda _: {"feerate": 0.01, "blocks": 3}, "warning"),
    "other chain": ("getblockhash", lambda _: "ab" * 32, "unsafe"),
}
WORDS = {
    "old": "is /Satoshi:24.1.0/: Bitcoin Core 25 or newer is needed",
    "blocksonly": "accepts no transactions into its pool",
    "downloads": "still downloads the chain",
    "pruned": "has deleted the blocks below 90, and block 50 is the next to read",
    "loads its pool": "still loads its pool",
    "absurd": "estimates 1000 sat/vB for 3 blocks, above max_fee_rate_sat_vb (300 sat/vB): payouts wait",
    "other chain": "can't be used: ",
}


@pytest.mark.parametrize("changed", CHANGES)
async def test_what_makes_a_node_unfit_is_named(bitcoind: Bitcoind, bitcoin: BitcoinDriver, changed: str) -> None:
    method, change, severity = CHANGES[changed]

    def answer(call: dict[str, Any], result: Any) -> Any:
        if call["method"] == "listwallets":
            return []
        if call["method"] == "estimatesmartfee" and method != "estimatesmartfee":
            return {"feerate": 0.00002, "blocks": 3}
        return change(result) if call["method"] == method else result

    async with fake_node(relay(bitcoind.rpc_url, answer)) as node:
        (found,) = await wrong(sending(bitcoin_network([node.url])), 50)
    assert found.startswith(f"{severity}: ")
    assert node.url in found
    assert WORDS[changed] in found


async def test_without_an_estimate_of_fees_only_a_network_that_sends_is_told(
    bitcoind: Bitcoind, bitcoin: BitcoinDriver
) -> None:
    def answer(call: dict[str, Any], result: Any) -> Any:
        return {"listwallets": [], "estimatesmartfee": {"errors": ["too few blocks"], "blocks": 0}}.get(
            call["method"], result
        )

    async with fake_node(relay(bitcoind.rpc_url, answer)) as node:
        config = bitcoin_network([node.url])
        assert await wrong(config) == []
        (found,) = await wrong(sending(config))
        assert "has no estimate of fees: payouts wait" in found
        assert await wrong(sending(config, fallback_fee_rate_sat_vb=5)) == []


async def test_nodes_that_disagree_are_named_and_one_that_is_down_is_only_a_warning(
    bitcoind: Bitcoind, bitcoin: BitcoinDriver, tmp_path: Path
) -> None:
    bitcoind_or_skip()
    other = bitcoind_module.start(tmp_path, options=["-disablewallet", "-blocksonly"])
    try:
        address = await bitcoin.address()
        other.rpc("generatetoaddress", 5, address)
        found = await wrong(bitcoin_network([bitcoind.rpc_url, other.rpc_url]))
        assert any("have different blocks at height 5" in each and each.startswith("unsafe") for each in found), found
        assert sum("accepts no transactions" in each for each in found) == 1
        assert sum("has a wallet loaded" in each for each in found) == 1
        assert (
            await wrong(bitcoin_network([other.rpc_url, other.rpc_url]))
            == [
                f"warning: http://127.0.0.1:{other.port} accepts no transactions into its pool (blocksonly):"
                " payments are seen in blocks"
            ]
            * 2
        )
    finally:
        other.stop()
    found = await wrong(bitcoin_network([bitcoind.rpc_url, other.rpc_url]))
    assert any(each.startswith("warning: can't be used") for each in found)
    found = await wrong(bitcoin_network([other.rpc_url]))
    assert [each.split(":")[0] for each in found] == ["unsafe"]
