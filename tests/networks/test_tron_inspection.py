"""What the doctor finds at Tron nodes."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from app.core import clock
from app.networks.config import NodeUrl, Secret
from app.networks.tron.addresses import from_hex
from app.networks.tron.config import TronConfig
from app.networks.tron.inspection import inspect
from tests.factories.tron import tron_network
from tests.fakes.tron_script import ScriptedTron, inner_call, scripted_tron

ALICE, BOB = (from_hex("41" + letter * 40) for letter in "ab")
SUSPENDED = '{"Error":"The key exceeds the frequency limit(15), and the query server is suspended for 30s"}'


@pytest.fixture
async def tron() -> AsyncIterator[ScriptedTron]:
    async with scripted_tron() as tron:
        for _ in range(20):
            tron.add(*(tron.pays(ALICE, BOB, 5) for _ in range(15)))
        yield tron


async def found(config: TronConfig, next_height: int | None = None) -> list[str]:
    return [f"{finding.severity}: {finding.message}" for finding in await inspect(config, next_height)]


async def wrong(config: TronConfig, next_height: int | None = None) -> list[str]:
    """What is not in order."""
    return [line for line in await found(config, next_height) if not line.startswith("ok: ")]


async def test_a_sound_node_has_a_new_head_and_a_final_block(tron: ScriptedTron) -> None:
    head, final = await found(tron_network([tron.url]), 12)
    assert head.startswith(f"ok: {tron.url} has block 20, ")
    assert final == f"ok: {tron.url} has final block 2, 18 behind the head"


async def test_a_node_that_is_behind(tron: ScriptedTron) -> None:
    tron.add(at_ms=int(clock.unshifted_now().timestamp() * 1000) - 90_000)
    (line,) = await wrong(tron_network([tron.url]))
    assert line.startswith(f"unsafe: {tron.url} is behind: its newest block, 21, is 90 s old")


async def test_final_blocks_that_come_late(tron: ScriptedTron) -> None:
    tron.extend(60)
    tron.final_behind = 61
    (line,) = await wrong(tron_network([tron.url]))
    assert "61 blocks behind the head: payments wait for it" in line


async def test_a_node_of_another_chain_and_a_node_that_is_down(tron: ScriptedTron) -> None:
    other = "cd" * 32
    (line, *_) = await wrong(tron_network([tron.url], genesis_hash=other))
    assert line.startswith("unsafe: can't be used: tron:test:")
    assert f"not {other}" in line
    lines = await wrong(tron_network([tron.url, "http://127.0.0.1:1"]))
    assert [line.split(":")[0] for line in lines] == ["warning", "warning"]  # the other node works


@pytest.mark.parametrize(
    ("status", "text", "advice"),
    [
        (429, SUSPENDED, "a key with a higher limit"),
        (401, '{"Error":"ApiKey not exists"}', "check api_key"),
        (200, "this API is closed because this node is a lite fullnode", "a full node is needed"),
    ],
)
async def test_a_provider_that_refuses(tron: ScriptedTron, status: int, text: str, advice: str) -> None:
    tron.override = lambda _, __: (status, text.encode())
    lines = await wrong(tron_network([tron.url], api_key=Secret("a-key-of-somebody")))
    assert lines
    assert all(line.startswith("unsafe: can't be used") for line in lines)
    assert advice in lines[0]
    assert "a-key-of-somebody" not in "".join(lines)


async def test_infos_that_the_node_does_not_keep(tron: ScriptedTron) -> None:
    def override(path: str, body: Any) -> tuple[int, bytes] | None:
        missing = path.endswith("gettransactioninfobyblocknum") and body["num"] in lost
        return (200, b"[]") if missing else None

    tron.override = override
    lost = {7}
    (line,) = await wrong(tron_network([tron.url]), 7)
    assert "no infos of the transactions of block 7: set storage.transHistory.switch = on" in line
    lost = {17}
    (line,) = await wrong(tron_network([tron.url]))
    assert "block 17" in line
    tron.override = lambda path, body: (200, b"{}") if path.endswith("bynum") and body["num"] == 7 else None
    (line,) = await wrong(tron_network([tron.url]), 7)
    assert "doesn't have block 7, which is the next to read" in line


async def test_internal_transactions_that_are_kept_or_not(tron: ScriptedTron) -> None:
    (line,) = await wrong(tron_network([tron.url], internal_transactions=True))
    assert line.startswith("unsafe: ")
    assert "none in 75 calls" in line
    assert "vm.saveInternalTx = true" in line
    tron.add(tron.call(ALICE, inner=(inner_call(ALICE, BOB, {"callValue": 1}),)))
    tron.add()
    assert await wrong(tron_network([tron.url], internal_transactions=True)) == []
    (line,) = await wrong(tron_network([tron.url]))
    assert "set internal_transactions = true" in line


async def test_a_provider_by_name_needs_a_key_and_a_limit(tron: ScriptedTron) -> None:
    config = tron_network([tron.url])
    provider = msgspec.structs.replace(config, solidity_urls=(NodeUrl("https://api.trongrid.invalid"),))
    lines = await wrong(provider)
    assert [line.partition("https://api.trongrid.invalid ")[2][:20] for line in lines[:2]] == [
        "is asked without an ",
        "counts requests: set",
    ]
    keyed = msgspec.structs.replace(provider, api_key=Secret("x"), requests_per_second=15)
    assert not any("without an" in line or "counts requests" in line for line in await wrong(keyed))
