"""Nodes that lie, lag, answer nonsense or die: nothing is skipped or partly read, and keys in URLs stay secret."""

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.networks import http_node
from app.networks.evm.chain import EvmChain
from app.networks.port import ChainMoved, NetworkError, NodeUnavailable, UnreadableAnswer, WrongChain
from app.sandbox.chain_driver import AnvilDriver
from tests.factories.networks import ANVIL_CHAIN_ID, evm_network
from tests.factories.payments import CONFIRMATIONS
from tests.fakes.evm_node import always, fake_node, relay

CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


async def everybody(addresses: Collection[str]) -> set[str]:
    return set(addresses)


@asynccontextmanager
async def chain_at(*urls: str, contract: str = CONTRACT, chain_id: int = ANVIL_CHAIN_ID) -> AsyncIterator[EvmChain]:
    chain = EvmChain(evm_network(urls, contract, chain_id=chain_id))
    try:
        yield chain
    finally:
        await chain.aclose()


def replies(*results: Any) -> str:
    return json.dumps([{"jsonrpc": "2.0", "id": n, "result": result} for n, result in enumerate(results)])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>Service updated</html>",
        "null",
        "{}",
        "[]",
        '{"id":0,"result":"0x1"}',
        '[{"id":0,"result":"0x7a69"}]',
        '[{"id":0,"result":"0x7a69"},{"id":0,"result":"0x10"}]',
        '[{"id":0,"result":"0x7a69"},{"id":2,"result":"0x10"}]',
        '[{"id":0,"result":"0x7a69"},{"id":1}]',
        replies("0x7a69", None),
        replies("0x7a69", 16),
        replies("0x7a69", "16"),
        replies("0x7a69", "0x"),
        replies("0x7a69", "0x010"),
        replies("0x7a69", "0x1_0"),
        replies("0x7a69", "0x10\n"),
        replies("0x7a69", "-0x10"),
        replies("0x7a69", "0x" + "f" * 65),
        replies("0x7a69", "0x10")[:-1],
        "[" * 100_000,
    ],
)
async def test_an_answer_that_cannot_be_read_is_an_error(body: str) -> None:
    async with fake_node(always(200, body)) as node, chain_at(node.url) as chain:
        with pytest.raises(UnreadableAnswer):
            await chain.head_height()


async def test_the_same_answer_in_order_is_read() -> None:
    async with fake_node(always(200, replies("0x7a69", "0x10"))) as node, chain_at(node.url) as chain:
        assert await chain.head_height() == 16


@pytest.mark.parametrize("status", [301, 401, 429, 500, 503])
async def test_a_node_that_fails_is_unavailable(status: int) -> None:
    async with fake_node(always(status, replies("0x7a69", "0x10"))) as node, chain_at(node.url) as chain:
        with pytest.raises(NodeUnavailable, match=str(status)):
            await chain.head_height()


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_node, "MAX_ANSWER_BYTES", 10_000)
    async with fake_node(always(200, " " * 10_001)) as node, chain_at(node.url) as chain:
        with pytest.raises(UnreadableAnswer, match="more than 10000 bytes"):
            await chain.head_height()


async def test_a_silent_node_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_node, "REQUEST_TIMEOUT_S", 0.2)

    async def silent(_: bytes) -> tuple[int, bytes]:
        await asyncio.sleep(60)
        return 200, b""

    async with fake_node(silent) as node, chain_at(node.url) as chain:
        with pytest.raises(NodeUnavailable):
            await chain.head_height()


async def test_a_node_that_hangs_up_is_asked_once_more_and_is_then_unavailable() -> None:
    async def hang_up(_: bytes) -> tuple[int, bytes]:
        raise ConnectionError

    async with fake_node(hang_up) as node, chain_at(node.url) as chain:
        with pytest.raises(NodeUnavailable):
            await chain.head_height()
        assert node.connections == 2


async def test_another_chain_is_noticed_in_every_answer(anvil_url: str) -> None:
    async with chain_at(anvil_url, chain_id=1) as chain:
        with pytest.raises(WrongChain, match="31337"):
            await chain.check_identity()
        with pytest.raises(WrongChain, match="31337"):
            await chain.head_height()
        with pytest.raises(WrongChain):
            await chain.blocks(0, 0, everybody)
    async with chain_at(anvil_url) as chain:
        await chain.check_identity()


async def test_the_next_node_is_asked_when_one_is_down(anvil_url: str) -> None:
    async with (
        fake_node(always(503, "")) as down,
        chain_at(down.url, "http://127.0.0.1:9", anvil_url) as chain,
    ):
        assert await chain.head_height() == await chain.head_height()
        assert len(down.bodies) == 1  # and the node that answered is called first from then on


async def test_when_all_are_down_the_error_names_each(anvil_url: str) -> None:
    async with fake_node(always(503, "")) as down, chain_at(down.url, "http://127.0.0.1:9") as chain:
        with pytest.raises(NodeUnavailable) as caught:
            await chain.head_height()
    assert down.url in str(caught.value)
    assert "http://127.0.0.1:9" in str(caught.value)


async def test_connections_are_kept(anvil_url: str) -> None:
    async with fake_node(relay(anvil_url, lambda call, result: result)) as node, chain_at(node.url) as chain:
        for _ in range(5):
            await chain.head_height()
        assert (node.connections, len(node.bodies)) == (1, 5)


@pytest.mark.parametrize("status", [200, 403])
async def test_keys_in_a_node_url_are_sent_and_never_shown(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    refusal = '{"id":null,"error":{"code":-32600,"message":"no such project: CANARYPATH, CANARYQUERY"}}'
    async with fake_node(always(status, refusal)) as node:
        url = f"http://user:CANARYPASSWORD@{node.address}/v2/CANARYPATH?key=CANARYQUERY"
        async with chain_at(url) as chain:
            with pytest.raises(NodeUnavailable) as caught:
                await chain.head_height()
            shown = f"{caught.value!r} {caught.value} {caplog.text} {evm_network([url], CONTRACT)!r}"
    assert "POST /v2/CANARYPATH?key=CANARYQUERY" in node.heads[0]
    assert f"Basic {base64.b64encode(b'user:CANARYPASSWORD').decode()}" in node.heads[0]
    assert node.url in shown
    assert "CANARY" not in shown


def log_with(**changes: Any) -> Callable[[dict[str, Any], Any], Any]:
    """Each log with some members replaced."""

    def change(call: dict[str, Any], result: Any) -> Any:
        return [{**log, **changes} for log in result] if call["method"] == "eth_getLogs" else result

    return change


def result_of(method: str, make: Callable[[Any], Any]) -> Callable[[dict[str, Any], Any], Any]:
    """That method's results replaced by what `make` makes of them."""
    return lambda call, result: make(result) if call["method"] == method else result


OTHER_HASH = "0x" + "ab" * 32


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (log_with(removed=True), ChainMoved),
        (log_with(blockHash=OTHER_HASH), ChainMoved),
        (log_with(blockHash=None), UnreadableAnswer),
        (log_with(blockNumber="0x0"), UnreadableAnswer),
        (log_with(data="0x" + "00" * 31), UnreadableAnswer),
        (log_with(data="0x"), UnreadableAnswer),
        (log_with(address=CONTRACT[:-1] + "4"), UnreadableAnswer),
        (log_with(topics=[]), UnreadableAnswer),
        (log_with(topics=[OTHER_HASH] * 3), UnreadableAnswer),
        (result_of("eth_getLogs", lambda logs: logs * 2), UnreadableAnswer),
        (result_of("eth_getLogs", lambda logs: None), UnreadableAnswer),
        (result_of("eth_getBlockByNumber", lambda block: None), ChainMoved),
        (result_of("eth_getBlockByNumber", lambda block: {**block, "number": "0x0"}), UnreadableAnswer),
        (result_of("eth_getBlockByNumber", lambda block: {**block, "parentHash": OTHER_HASH}), ChainMoved),
        (result_of("eth_getBlockByNumber", lambda block: {**block, "hash": OTHER_HASH}), NetworkError),
        (
            result_of("eth_getBlockByNumber", lambda block: {**block, "timestamp": "0x" + "f" * 64}),
            UnreadableAnswer,
        ),
        (result_of("eth_getTransactionReceipt", lambda receipt: None), ChainMoved),
        (
            result_of("eth_getTransactionReceipt", lambda receipt: {**receipt, "blockHash": OTHER_HASH}),
            ChainMoved,
        ),
        (
            result_of("eth_getTransactionReceipt", lambda receipt: {**receipt, "transactionHash": OTHER_HASH}),
            UnreadableAnswer,
        ),
        (
            result_of("eth_getTransactionReceipt", lambda receipt: {**receipt, "status": "0x2"}),
            UnreadableAnswer,
        ),
    ],
)
async def test_answers_that_do_not_fit_together_are_refused(
    anvil_url: str,
    driver: AnvilDriver,
    token: str,
    change: Callable[[dict[str, Any], Any], Any],
    error: type[NetworkError],
) -> None:
    first = await driver.height() + 1
    await driver.transfer_token(token, driver.accounts[8], 5)
    await driver.transfer_native(driver.accounts[8], 5)
    async with (
        fake_node(relay(anvil_url, lambda call, result: result)) as honest,
        chain_at(honest.url, contract=token) as chain,
    ):
        blocks = await chain.blocks(first, first + 1, everybody)
        assert [len(block.transfers) for block in blocks] == [1, 1]

        honest.answer = relay(anvil_url, change)
        with pytest.raises(error):
            await chain.blocks(first, first + 1, everybody)


async def test_a_node_that_lags_behind_does_not_hide_payments(anvil_url: str, driver: AnvilDriver, token: str) -> None:
    """Behind one URL there may be several nodes; one that lacks the newest blocks finds no logs in them."""
    first = await driver.height() + 1
    await driver.transfer_token(token, driver.accounts[8], 5)

    def lag(call: dict[str, Any], result: Any) -> Any:
        header_only = call["method"] == "eth_getBlockByNumber" and call["params"][1] is False
        return None if header_only else [] if call["method"] == "eth_getLogs" else result

    async with fake_node(relay(anvil_url, lag)) as node, chain_at(node.url, contract=token) as chain:
        with pytest.raises(ChainMoved):
            await chain.blocks(first, first, everybody)


async def test_a_range_too_wide_for_the_node_is_asked_for_in_parts(
    anvil_url: str, driver: AnvilDriver, token: str
) -> None:
    first = await driver.height() + 1
    for amount_raw in range(1, 12):
        await driver.transfer_token(token, driver.accounts[8], amount_raw)

    def bounded(call: dict[str, Any], result: Any) -> Any:
        if call["method"] == "eth_getLogs":
            wanted = call["params"][0]
            if int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) >= 3:
                raise RuntimeError("query exceeds 3 blocks")
        return result

    async with fake_node(relay(anvil_url, bounded)) as node, chain_at(node.url, contract=token) as chain:
        blocks = await chain.blocks(first, first + 10, everybody)

    assert [[t.amount_raw for t in block.transfers] for block in blocks] == [[n] for n in range(1, 12)]


async def test_a_node_without_finality_leaves_it_to_the_confirmations(anvil_url: str, driver: AnvilDriver) -> None:
    """Where it knows no `finalized` block, or not even the word: a chain of another kind than proof of stake."""
    await driver.mine(5)

    def no_such_block(call: dict[str, Any], result: Any) -> Any:
        return None if call["params"][:1] == ["finalized"] else result

    def no_such_word(call: dict[str, Any], result: Any) -> Any:
        if call["params"][:1] == ["finalized"]:
            raise RuntimeError("invalid block tag")
        return result

    for change in (no_such_block, no_such_word):
        async with fake_node(relay(anvil_url, change)) as node, chain_at(node.url) as chain:
            assert await chain.finality() == await chain.head_height() - CONFIRMATIONS + 1
