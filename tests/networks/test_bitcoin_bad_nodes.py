"""Bitcoin nodes that lie, lag, start or refuse: nothing is skipped or partly read, and passwords stay secret."""

import base64
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from embit import compact
from embit.transaction import Transaction

from app.networks.bitcoin.blocks import HEADER_BYTES, read_block, read_transaction
from app.networks.bitcoin.chain import BitcoinChain
from app.networks.bitcoin.rpc import GENESIS as GENESIS_CALL
from app.networks.bitcoin.wire import satoshi
from app.networks.port import ChainMoved, NetworkError, NodeUnavailable, UnreadableAnswer, WrongChain
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from tests.factories.bitcoin import bitcoin_network, nothing_mined
from tests.fakes.evm_node import always, fake_node, relay
from tests.networks.test_bitcoin_chain import Ours

GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
OTHER_HASH = "ab" * 32


@asynccontextmanager
async def chain_at(*urls: str, cookie_file: str | None = None) -> AsyncIterator[BitcoinChain]:
    chain = BitcoinChain(bitcoin_network(urls, cookie_file=cookie_file), nothing_mined)
    try:
        yield chain
    finally:
        await chain.aclose()


def info(**changes: Any) -> dict[str, Any]:
    return {"blocks": 5, "headers": 5, "chainwork": f"{5:064x}", "initialblockdownload": False, **changes}


def replies(*results: Any) -> str:
    return json.dumps([{"jsonrpc": "2.0", "id": n, "result": result} for n, result in enumerate(results)])


def failing(code: int, message: str) -> str:
    return json.dumps([{"id": n, "error": {"code": code, "message": message}} for n in range(2)])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "null",
        "[]",
        replies(GENESIS),
        replies(GENESIS, None),
        replies(GENESIS, info(blocks=-1)),
        replies(GENESIS, info(blocks="5")),
        replies(GENESIS, info(chainwork="0x5")),
        replies(GENESIS, {"blocks": 5}),
        replies(GENESIS.upper(), info()),
        replies(GENESIS[:-1], info()),
        replies(GENESIS, info())[:-1],
    ],
)
async def test_an_answer_that_cannot_be_read_is_an_error(body: str) -> None:
    async with fake_node(always(200, body)) as node, chain_at(node.url) as chain:
        with pytest.raises(UnreadableAnswer):
            await chain.head_height()


@pytest.mark.parametrize("status", [200, 500])
async def test_the_answer_counts_whatever_the_status_is(status: int) -> None:
    """Before release 28, Bitcoin Core sends an error with status 500."""
    async with fake_node(always(status, replies(GENESIS, info()))) as node, chain_at(node.url) as chain:
        assert await chain.head_height() == 5
    async with fake_node(always(status, failing(-1, "no"))) as node, chain_at(node.url) as chain:
        with pytest.raises(NodeUnavailable, match="getblockhash refused: -1 'no'"):
            await chain.head_height()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, "", "user name or the password is wrong"),
        (403, "", "rpcallowip"),
        (503, "Work queue depth exceeded", "too many calls at once"),
        (404, "", "HTTP status 404"),
        (200, failing(-28, "Verifying blocks…"), "the node is starting: -28 'Verifying blocks…'"),
    ],
)
async def test_a_node_that_does_not_answer_says_why(status: int, body: str, words: str) -> None:
    async with fake_node(always(status, body)) as node, chain_at(node.url) as chain:
        with pytest.raises(NodeUnavailable, match=words):
            await chain.head_height()
        with pytest.raises(NodeUnavailable, match=words):
            await chain.block_ref(1)


async def test_another_chain_is_noticed_in_every_answer() -> None:
    async with fake_node(always(200, replies(OTHER_HASH, info()))) as node, chain_at(node.url) as chain:
        with pytest.raises(WrongChain, match=f"is on the chain of {OTHER_HASH}"):
            await chain.head_height()
        with pytest.raises(WrongChain):
            await chain.check_identity()
        node.answer = always(200, replies(GENESIS, info()))
        await chain.check_identity()
        node.answer = always(200, replies(OTHER_HASH, OTHER_HASH))  # somebody has changed what listens there
        with pytest.raises(WrongChain):
            await chain.block_ref(0)
        with pytest.raises(WrongChain):
            await chain._rpc.ask_any([GENESIS_CALL])


async def test_a_node_that_downloads_the_chain_is_not_the_one_that_is_asked(
    bitcoind: Bitcoind, bitcoin: BitcoinDriver
) -> None:
    ahead = replies(GENESIS, info(blocks=900, headers=1_000, chainwork="f" * 64, initialblockdownload=True))
    async with fake_node(always(200, ahead)) as node:
        async with chain_at(node.url, bitcoind.rpc_url) as chain:
            assert await chain.head_height() == await bitcoin.height()
        async with chain_at(node.url) as chain:
            with pytest.raises(NodeUnavailable, match="still downloads the chain: block 900 of 1000"):
                await chain.head_height()


async def test_a_node_that_is_down_is_left_alone_for_a_while(bitcoind: Bitcoind, bitcoin: BitcoinDriver) -> None:
    async with fake_node(always(503, "")) as node, chain_at(node.url, bitcoind.rpc_url) as chain:
        for _ in range(5):
            assert await chain.head_height() == await bitcoin.height()
        assert len(node.bodies) == 1
        chain._rpc._rests_until_s = [0.0, 0.0]
        await chain.head_height()
        assert len(node.bodies) == 2


async def test_the_next_node_is_asked_when_one_is_down(bitcoind: Bitcoind, bitcoin: BitcoinDriver) -> None:
    async with chain_at("http://127.0.0.1:9", bitcoind.rpc_url) as chain:
        ref = await chain.block_ref(1)
        assert ref is not None
        assert ref.parent_hash == GENESIS
    async with chain_at("http://127.0.0.1:9", "http://127.0.0.1:19") as chain:
        with pytest.raises(NodeUnavailable, match=r"127.0.0.1:9: .*127.0.0.1:19: "):
            await chain.head_height()


async def test_passwords_are_sent_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with fake_node(always(200, failing(-1, "CANARYPASSWORD is wrong"))) as node:
        url = f"http://gateway:CANARYPASSWORD@{node.address}"
        async with chain_at(url) as chain:
            with pytest.raises(NodeUnavailable) as caught:
                await chain.head_height()
            shown = f"{caught.value!r} {caught.value} {caplog.text} {bitcoin_network([url])!r}"
    assert f"Basic {base64.b64encode(b'gateway:CANARYPASSWORD').decode()}" in node.heads[0]
    assert "CANARY" not in shown


async def test_the_cookie_is_read_again_after_a_restart_of_the_node(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    async with fake_node(always(200, replies(GENESIS, info()))) as node:
        async with chain_at(node.url, cookie_file=str(cookie)) as chain:
            with pytest.raises(NodeUnavailable, match="cookie_file can't be read"):
                await chain.head_height()
            for password in ("first", "second"):
                cookie.write_text(f"__cookie__:{password}\n")
                assert await chain.head_height() == 5
                expected = base64.b64encode(f"__cookie__:{password}".encode()).decode()
                assert f"Authorization: Basic {expected}" in node.heads[-1]
        named = node.url.replace("http://", "http://user:word@")
        async with chain_at(named, cookie_file=str(cookie)) as chain:
            await chain.head_height()
        assert base64.b64encode(b"user:word").decode() in node.heads[-1]


def result_of(method: str, make: Callable[[Any], Any]) -> Callable[[dict[str, Any], Any], Any]:
    """That method's results replaced by what `make` makes of them."""
    return lambda call, result: make(result) if call["method"] == method else result


def transactions(raw: bytes) -> list[Transaction]:
    stream = BytesIO(raw[HEADER_BYTES:])
    return [Transaction.read_from(stream) for _ in range(compact.read_from(stream))]


def block_of(raw: bytes, listed: list[Transaction]) -> bytes:
    return raw[:HEADER_BYTES] + bytes(compact.to_bytes(len(listed))) + b"".join(each.serialize() for each in listed)


def paying_more(raw: bytes) -> bytes:
    listed = transactions(raw)
    listed[-1].vout[0].value += 1
    return block_of(raw, listed)


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda raw: raw[:-1],
    "cut a lot": lambda raw: raw[: len(raw) // 2],
    "only a header": lambda raw: raw[:HEADER_BYTES],
    "less than a header": lambda raw: raw[:40],
    "empty": lambda raw: b"",
    "longer": lambda raw: raw + b"\0",
    "another header": lambda raw: raw[:4] + b"\1" + raw[5:],
    "without a transaction": lambda raw: block_of(raw, transactions(raw)[:-1]),
    "without any": lambda raw: block_of(raw, []),
    "one more time": lambda raw: block_of(raw, [*transactions(raw), transactions(raw)[-1]]),
    "in another order": lambda raw: block_of(raw, transactions(raw)[::-1]),
    "with another amount": paying_more,
    "with an endless count": lambda raw: raw[:HEADER_BYTES] + b"\xff" * 9 + raw[HEADER_BYTES + 1 :],
}


@pytest.mark.parametrize("spoiled", SPOILED)
async def test_a_block_that_is_not_the_one_of_its_hash_is_refused(bitcoin: BitcoinDriver, spoiled: str) -> None:
    for _ in range(2):
        await bitcoin.pay(await bitcoin.address(), 10_000)
    (block_hash,) = await bitcoin.mine()
    digits = await bitcoin.call("getblock", block_hash, 0)
    raw = bytes.fromhex(digits)
    assert len(transactions(raw)) == 3
    assert len(read_block(digits, block_hash, 1, "bcrt", frozenset()).payments) > 3
    with pytest.raises(UnreadableAnswer):
        read_block(SPOILED[spoiled](raw).hex(), block_hash, 1, "bcrt", frozenset())
    for nonsense in (f"{digits[:-1]}g", digits[:-1]):
        with pytest.raises(UnreadableAnswer):
            read_block(nonsense, block_hash, 1, "bcrt", frozenset())


async def test_a_transaction_that_is_not_the_one_of_its_id_is_refused(bitcoin: BitcoinDriver) -> None:
    txid = await bitcoin.pay(await bitcoin.address(), 10_000)
    digits = await bitcoin.call("getrawtransaction", txid)
    assert len(read_transaction(digits, txid, "bcrt").payments) == 2
    for spoiled in (digits[:-2], digits[:-8], f"{digits}00", "", "zz", digits[:9] + "3" + digits[10:]):
        with pytest.raises(UnreadableAnswer):
            read_transaction(spoiled, txid, "bcrt")
    with pytest.raises(UnreadableAnswer):
        read_transaction(digits, OTHER_HASH, "bcrt")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (result_of("getblock", lambda raw: raw[:-2]), UnreadableAnswer),
        (result_of("getblock", lambda raw: None), UnreadableAnswer),
        (result_of("getblock", lambda raw: 7), UnreadableAnswer),
        (result_of("getblockhash", lambda found: found if found == GENESIS else found.upper()), UnreadableAnswer),
        (result_of("getblockhash", lambda found: found if found == GENESIS else OTHER_HASH), ChainMoved),
    ],
)
async def test_answers_that_do_not_fit_together_are_refused(
    bitcoind: Bitcoind, bitcoin: BitcoinDriver, change: Callable[[dict[str, Any], Any], Any], error: type[NetworkError]
) -> None:
    head = await bitcoin.height()
    async with fake_node(relay(bitcoind.rpc_url, lambda call, result: result)) as node, chain_at(node.url) as chain:
        assert len(await chain.blocks(head - 3, head, Ours())) == 4
    async with fake_node(relay(bitcoind.rpc_url, change)) as node, chain_at(node.url) as chain:
        with pytest.raises(error):
            await chain.blocks(head - 3, head, Ours())


async def test_blocks_of_two_forks_are_no_chain(bitcoind: Bitcoind, bitcoin: BitcoinDriver) -> None:
    """The node's chain changed between two of its answers."""
    await bitcoin.mine(3)
    head = await bitcoin.height()
    old = await bitcoin.call("getblockhash", head - 1)
    await bitcoin.reorganise(2)

    def change(call: dict[str, Any], result: Any) -> Any:
        return old if call["method"] == "getblockhash" and call["params"] == [head - 1] else result

    async with fake_node(relay(bitcoind.rpc_url, change)) as node, chain_at(node.url) as chain:
        with pytest.raises(ChainMoved, match=f"block {head} is not the child"):
            await chain.blocks(head - 3, head, Ours())


async def test_a_pool_between_blocks_is_not_read(bitcoind: Bitcoind, bitcoin: BitcoinDriver) -> None:
    tips = iter(range(100))
    change = result_of("getbestblockhash", lambda found: f"{next(tips):064x}")
    async with fake_node(relay(bitcoind.rpc_url, change)) as node, chain_at(node.url) as chain:
        with pytest.raises(ChainMoved, match="blocks came"):
            await chain.pool(Ours())


async def test_a_pool_whose_transactions_cannot_be_read_is_refused_and_read_again(
    bitcoind: Bitcoind, bitcoin: BitcoinDriver
) -> None:
    lies = True
    change = result_of("getrawtransaction", lambda raw: raw[:-2] if lies else raw)
    async with fake_node(relay(bitcoind.rpc_url, change)) as node, chain_at(node.url) as chain:
        address = chain.derive_address(60)
        txid = await bitcoin.pay(address, 10_000)
        with pytest.raises(UnreadableAnswer):
            await chain.pool(Ours(address))
        lies = False
        pool = await chain.pool(Ours(address))
        assert pool is not None
        assert [each.txid for each in pool.transactions] == [txid]


async def test_a_transaction_that_leaves_the_pool_while_it_is_read_is_left_out(
    bitcoind: Bitcoind, bitcoin: BitcoinDriver
) -> None:
    async with fake_node(relay(bitcoind.rpc_url, lambda call, result: result)) as node, chain_at(node.url) as chain:
        address = chain.derive_address(61)
        txid = await bitcoin.pay(address, 10_000)
        missing = "cd" * 32

        def change(call: dict[str, Any], result: Any) -> Any:
            if call["method"] == "getrawmempool":
                return {**result, "txids": [missing, *result["txids"]]}
            return result

        node.answer = relay(bitcoind.rpc_url, change)
        pool = await chain.pool(Ours(address))
        assert pool is not None
        assert [each.txid for each in pool.transactions] == [txid]


async def test_one_scan_at_a_time(bitcoind: Bitcoind, bitcoin: BitcoinDriver) -> None:
    async with fake_node(relay(bitcoind.rpc_url, lambda call, result: result)) as node, chain_at(node.url) as chain:
        address, head = chain.derive_address(62), await bitcoin.height()
        assert await chain.balances_raw([address], "BTC", head) == {address: 0}
        busy = {"id": 1, "error": {"code": -8, "message": 'Scan already in progress, use action "abort" or "status"'}}
        node.answer = always(200, json.dumps([{"id": 0, "result": GENESIS}, busy]))
        with pytest.raises(NodeUnavailable, match="for somebody else"):
            await chain.balances_raw([address], "BTC", head)
        change = result_of("scantxoutset", lambda scan: {**scan, "bestblock": OTHER_HASH})
        node.answer = relay(bitcoind.rpc_url, change)
        with pytest.raises(ChainMoved, match="was replaced during a scan"):
            await chain.balances_raw([address], "BTC", head)


@pytest.mark.parametrize(
    ("amount", "raw"), [("0.00000001", 1), ("1e-8", 1), ("20999999.97690000", 2_099_999_997_690_000)]
)
def test_amounts_are_whole_satoshi(amount: str, raw: int) -> None:
    assert satoshi(Decimal(amount)) == raw
    for wrong in ("0.000000001", "NaN", "Infinity"):
        with pytest.raises(UnreadableAnswer):
            satoshi(Decimal(wrong))
