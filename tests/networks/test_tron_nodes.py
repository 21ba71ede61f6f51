"""Nodes that refuse, limit, lag, lie or answer nonsense: nothing is skipped, keys stay secret, and no provider is asked
more often than it allows."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.core import clock, redis
from app.networks.config import Secret
from app.networks.http_node import NobodyAnswered
from app.networks.port import NetworkError, NodeSyncing, NodeUnavailable, UnreadableAnswer, WrongChain
from app.networks.throttle import LocalThrottle, SharedThrottle, Throttle
from app.networks.tron.chain import TronChain
from app.networks.tron.node import KeyRejected, LimitReached, LiteNode, Refused, TronNodes
from app.networks.tron.wire import WireBlock, WireConstantCall
from tests.factories.tron import tron_network
from tests.fakes.tron_script import ScriptedTron, scripted_tron

KEY = "3f8c1b7e-canary-key-0123456789ab"
SUSPENDED = '{"Error":"The key exceeds the frequency limit(15), and the query server is suspended for 7s"}'


@pytest.fixture
async def tron() -> AsyncIterator[ScriptedTron]:
    async with scripted_tron() as tron:
        tron.extend(25)
        yield tron


@asynccontextmanager
async def nodes_at(*urls: str, throttle: Throttle | None = None, **changes: Any) -> AsyncIterator[TronNodes]:
    nodes = TronNodes(tron_network(urls, **changes), throttle or LocalThrottle())
    try:
        yield nodes
    finally:
        await nodes.aclose()


def always(tron: ScriptedTron, status: int, text: str, path: str = "wallet/getnowblock") -> None:
    tron.override = lambda asked, _: (status, text.encode()) if asked == path else None


async def head(nodes: TronNodes) -> WireBlock:
    return await nodes.ask("wallet/getnowblock", {}, WireBlock)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (429, SUSPENDED, LimitReached),
        (429, "", LimitReached),
        (403, SUSPENDED, LimitReached),
        (403, "<html>Forbidden</html>", LimitReached),
        (503, SUSPENDED, LimitReached),
        (503, "Service Unavailable", NodeUnavailable),
        (200, SUSPENDED, LimitReached),
        (200, "Too many requests", LimitReached),
        (200, '{"Error":"class java.lang.IllegalAccessException : lack of computing resources"}', LimitReached),
        (401, '{"Error":"ApiKey not exists"}', KeyRejected),
        (403, '{"Error":"invalid API key"}', KeyRejected),
        (401, "", KeyRejected),
        (200, "this API is closed because this node is a lite fullnode", LiteNode),
        (404, '{"Error":"this API is unavailable due to config"}', Refused),
        (200, '{"Error":"class org.tron.core.exception.BadItemException : no"}', Refused),
        (413, "<html>Payload Too Large</html>", Refused),
        (404, "<html>", NodeUnavailable),
        (500, "", NodeUnavailable),
        (502, "<html>Bad Gateway</html>", NodeUnavailable),
        (200, "<html><title>Sign in to the network</title></html>", Refused),
        (200, "", Refused),
        (200, "null", Refused),
        (200, "{}", UnreadableAnswer),
        (200, "[]", UnreadableAnswer),
        (200, '{"blockID":"', UnreadableAnswer),
        (200, '{"blockID":"00","block_header":{}}', UnreadableAnswer),
        (200, '{"Error":5}', UnreadableAnswer),
        (200, "{" * 10_000, UnreadableAnswer),
        (200, "[" * 2_000, UnreadableAnswer),
    ],
)
async def test_an_answer_is_read_for_what_it_is(
    tron: ScriptedTron, status: int, text: str, kind: type[NetworkError]
) -> None:
    always(tron, status, text)
    async with nodes_at(tron.url) as nodes:
        with pytest.raises(NetworkError) as caught:
            await head(nodes)
    assert type(caught.value) is kind
    assert tron.url in str(caught.value) or text == "{}"


async def test_an_empty_answer_is_none_where_it_may_be(tron: ScriptedTron) -> None:
    always(tron, 200, "{}")
    async with nodes_at(tron.url) as nodes:
        assert await nodes.find("wallet/getnowblock", {}, WireBlock) is None


async def test_an_error_within_an_answer_of_another_shape_is_seen(tron: ScriptedTron) -> None:
    """All fields of some answers may be missing, so an error would look like nothing."""
    always(tron, 200, '{"Error":"class x : broken", "result": {}}', "wallet/triggerconstantcontract")
    async with nodes_at(tron.url) as nodes:
        with pytest.raises(Refused, match="broken"):
            await nodes.ask("wallet/triggerconstantcontract", {}, WireConstantCall)


async def test_the_api_key_is_sent_and_appears_nowhere(tron: ScriptedTron, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    config = tron_network([f"{tron.url}/tenant-0123456789"], api_key=Secret(KEY))
    assert KEY not in repr(config)
    tron.override = lambda path, _: (
        (200, f'{{"Error":"bad key {KEY} at tenant-0123456789"}}'.encode()) if path.endswith("getnowblock") else None
    )
    nodes = TronNodes(config, LocalThrottle())
    with pytest.raises(NetworkError) as caught:
        await head(nodes)
    await nodes.aclose()
    assert f"TRON-PRO-API-KEY: {KEY}" in tron.headers[-1]
    assert KEY not in str(caught.value) + caplog.text
    assert "tenant-0123456789" not in str(caught.value) + caplog.text


async def test_a_limit_rests_for_the_time_that_the_answer_names_then_twice_as_long_each_time(
    tron: ScriptedTron,
) -> None:
    async with nodes_at(tron.url) as nodes:
        await head(nodes)
        always(tron, 429, SUSPENDED)
        with pytest.raises(LimitReached) as caught:
            await head(nodes)
        assert caught.value.rest_s == 7
        asked = sum(tron.requests.values())
        for _ in range(20):  # the loop of the watcher
            with pytest.raises(LimitReached, match="none is sent"):
                await head(nodes)
        assert sum(tron.requests.values()) == asked

    throttle = _Impatient()
    async with nodes_at(tron.url, throttle=throttle) as nodes:
        always(tron, 429, "slow down")
        for _ in range(7):
            with pytest.raises(LimitReached):
                await head(nodes)
        assert throttle.rests == [30, 60, 120, 240, 300, 300, 300]
        tron.override = None
        await head(nodes)
        always(tron, 503, "")
        with pytest.raises(NodeUnavailable, match="503"):
            await head(nodes)
        assert throttle.rests[-1] == 5


class _Impatient(LocalThrottle):
    """Notes every rest, and does not rest: no test waits for minutes."""

    def __init__(self) -> None:
        super().__init__()
        self.rests: list[float] = []

    async def rest(self, subject: str, rest_s: float) -> None:
        self.rests.append(rest_s)


async def test_the_next_node_is_asked_and_the_one_that_answered_stays_preferred(tron: ScriptedTron) -> None:
    async with scripted_tron(ScriptedTron(blocks=tron.blocks)) as second, nodes_at(tron.url, second.url) as nodes:
        await head(nodes)
        assert not second.requests
        always(tron, 429, SUSPENDED)
        await head(nodes)
        tron.override = None
        first_asked = sum(tron.requests.values())
        for _ in range(3):
            await head(nodes)
        assert sum(tron.requests.values()) == first_asked
        always(second, 500, "")
        with pytest.raises(NobodyAnswered, match="limit") as caught:  # the first one still rests
            await head(nodes)
        assert len(caught.value.failures) == 2


async def test_a_node_that_is_behind_is_not_the_head_but_its_blocks_are_read(tron: ScriptedTron) -> None:
    async with scripted_tron() as behind:
        behind.add(at_ms=int(clock.unshifted_now().timestamp() * 1000) - 31_000)
        chain = TronChain(tron_network([behind.url, tron.url]), LocalThrottle())
        assert await chain.head_height() == 25
        await chain.aclose()
        alone = TronChain(tron_network([behind.url]), LocalThrottle())
        with pytest.raises(NodeSyncing, match="31 s old"):
            await alone.head_height()
        await alone.aclose()


async def test_a_gap_for_maintenance_is_no_halt(tron: ScriptedTron) -> None:
    tron.add(at_ms=int(clock.unshifted_now().timestamp() * 1000) - 9_500)
    chain = TronChain(tron_network([tron.url]), LocalThrottle())
    assert await chain.head_height() == 26
    await chain.aclose()


async def test_a_node_of_another_chain_is_not_used(tron: ScriptedTron) -> None:
    async with scripted_tron() as stranger:
        stranger.blocks[0].block_id = f"{0:016x}{'cd' * 24}"
        async with nodes_at(stranger.url) as nodes:
            with pytest.raises(WrongChain, match="block 0 is 0000000000000000cdcd"):
                await nodes.check_identity()
            with pytest.raises(WrongChain):
                await head(nodes)
        async with nodes_at(stranger.url, tron.url) as nodes:
            await nodes.check_identity()
            assert (await head(nodes)).block_id == tron.blocks[-1].block_id
            always(tron, 500, "")
            with pytest.raises(NobodyAnswered, match="block 0 is"):
                await head(nodes)
        assert stranger.requests["wallet/getnowblock"] == 0


async def test_identity_is_asked_once_in_ten_minutes(tron: ScriptedTron) -> None:
    async with nodes_at(tron.url) as nodes:
        for _ in range(5):
            await nodes.check_identity()
            await head(nodes)
    assert tron.requests == {"wallet/getblock": 1, "wallet/getnowblock": 5}


async def test_full_nodes_and_nodes_of_final_blocks_may_be_different_hosts(tron: ScriptedTron) -> None:
    async with scripted_tron(ScriptedTron(blocks=tron.blocks)) as final:
        chain = TronChain(tron_network([tron.url], solidity_urls=[final.url]), LocalThrottle())
        assert (await chain.head_height(), await chain.finality()) == (25, 7)
        await chain.aclose()
        assert set(final.requests) == {"walletsolidity/getblock"}
        assert all(path.startswith("wallet/") for path in tron.requests)


async def test_every_node_is_asked_where_one_alone_is_not_believed(tron: ScriptedTron) -> None:
    async with scripted_tron(ScriptedTron(blocks=tron.blocks)) as second, nodes_at(tron.url, second.url) as nodes:
        always(second, 200, "{}")
        first, other = await nodes.find_at_each("wallet/getnowblock", {}, WireBlock)
        assert first is not None
        assert other is None
        always(second, 500, "")
        with pytest.raises(NodeUnavailable):
            await nodes.find_at_each("wallet/getnowblock", {}, WireBlock)


async def test_large_answers_are_asked_for_in_smaller_parts(
    tron: ScriptedTron, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.networks.http_node.MAX_ANSWER_BYTES", 1_200)
    chain = TronChain(tron_network([tron.url]), LocalThrottle())

    async def nobody(_: Any) -> set[str]:
        return set()

    await chain.head_height()
    assert len(await chain.blocks(1, 25, nobody)) == 25
    await chain.aclose()


class TestThrottle:
    """Limits that all processes keep together."""

    @pytest.mark.parametrize("shared", [False, True])
    async def test_requests_keep_their_distance_over_processes(self, shared: bool, valkey: str) -> None:
        first = SharedThrottle() if shared else LocalThrottle()
        second = SharedThrottle() if shared else first
        turns = [await throttle.turn("node", 1) for throttle in (first, second, first, second)]
        assert all(0 <= place - turn.wait_s < 0.9 for place, turn in enumerate(turns))
        assert (await second.turn("node", None)).wait_s == 0
        assert (await second.turn("another", 10)).wait_s == 0

    @pytest.mark.parametrize("shared", [False, True])
    async def test_a_rest_is_that_of_all_processes_and_is_not_made_shorter(self, shared: bool, valkey: str) -> None:
        first = SharedThrottle() if shared else LocalThrottle()
        second = SharedThrottle() if shared else first
        await first.rest("node", 60)
        await second.rest("node", 1)
        assert 55 < (await second.turn("node", 10)).rest_s <= 60
        assert (await second.turn("another", 10)).rest_s == 0
        await first.rest("node", 90)
        assert 85 < (await second.turn("node", 10)).rest_s <= 90
        assert 85 < (await first.turn("node", None)).rest_s <= 90

    async def test_without_redis_each_process_counts_for_itself(self, valkey: str) -> None:
        throttle = SharedThrottle()
        await throttle.rest("node", 60)
        await redis.close_client()
        redis.open_client("redis://127.0.0.1:1")
        assert 55 < (await throttle.turn("node", 10)).rest_s <= 60
        waits = [(await throttle.turn("another", 1)).wait_s for _ in range(3)]
        assert all(0 <= place - wait_s < 0.9 for place, wait_s in enumerate(waits))

    async def test_a_node_is_asked_no_faster_than_its_provider_allows(self, tron: ScriptedTron) -> None:
        throttle = LocalThrottle()
        async with (
            nodes_at(tron.url, throttle=throttle, requests_per_second=20) as one,
            nodes_at(tron.url, throttle=throttle, requests_per_second=20) as other,
        ):
            started_s = clock.monotonic_s()
            await asyncio.gather(*(head(nodes) for nodes in (one, other) for _ in range(8)))
            # 16 blocks and two questions for the first block, or more where several asked at once.
            least_s = (sum(tron.requests.values()) - 1) / 20
            assert clock.monotonic_s() - started_s >= least_s > 0.8

    async def test_a_limit_that_one_process_meets_stops_the_others(self, tron: ScriptedTron, valkey: str) -> None:
        async with (
            nodes_at(tron.url, throttle=SharedThrottle()) as one,
            nodes_at(tron.url, throttle=SharedThrottle()) as other,
            nodes_at(tron.url, throttle=SharedThrottle(), api_key=Secret(KEY)) as with_key,
        ):
            always(tron, 429, SUSPENDED)
            with pytest.raises(LimitReached):
                await head(one)
            asked = sum(tron.requests.values())
            with pytest.raises(LimitReached, match="none is sent for 7 s"):
                await head(other)
            assert sum(tron.requests.values()) == asked
            tron.override = None
            await head(with_key)  # whose key is counted apart
        assert not any(KEY.encode() in key for key in await redis.client().keys("*"))


async def test_a_question_of_json_is_a_post(tron: ScriptedTron) -> None:
    async with nodes_at(f"{tron.url}/") as nodes:
        await head(nodes)
    assert tron.headers[-1].startswith("POST /wallet/getnowblock HTTP/1.1")
