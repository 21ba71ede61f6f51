"""Whether the sandbox's database and its chains belong together."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core import database
from app.sandbox import continuity
from app.sandbox.bitcoin import BitcoinChain
from app.sandbox.chains import Chain
from app.sandbox.ethereum import EthereumChain
from app.sandbox.home import ChainSetUp, Home
from tests.services import bitcoind_or_skip


@pytest.fixture
def bitcoin(tmp_path: Path) -> Iterator[BitcoinChain]:
    """A chain of 130 blocks."""
    bitcoind_or_skip()
    chain = BitcoinChain(Home(tmp_path))
    chain.start()
    chain.set_up()
    yield chain
    chain.stop()


async def scan(network: str, height: int, block_hash: str) -> None:
    """Give the database a block as a watcher does."""
    await database.execute(
        "INSERT INTO scanned_blocks (network, height, hash, parent_hash, block_time) VALUES ($1, $2, $3, '', now())",
        network,
        height,
        block_hash,
    )


async def test_each_chain_is_held_against_the_newest_block_that_the_database_has_of_it(
    db: str, bitcoin: BitcoinChain
) -> None:
    await scan("ethereum:test", 900, "0xaa")
    for height in (128, 129):
        await scan("bitcoin:test", height, bitcoin.node.rpc("getblockhash", height))
    scanned = await asyncio.to_thread(continuity.last_scanned_blocks, db)
    assert scanned.keys() == {"ethereum:test", "bitcoin:test"}
    assert continuity.divergence(scanned, [bitcoin]) is None
    await scan("bitcoin:test", 130, "00" * 32)
    scanned = await asyncio.to_thread(continuity.last_scanned_blocks, db)
    assert continuity.divergence(scanned, [bitcoin]) == "block 130 of the database is not on the bitcoin chain"
    assert continuity.divergence(scanned, []) is None


def test_a_chain_is_new_if_nothing_of_it_is_there_and_incomplete_if_a_part_is(tmp_path: Path) -> None:
    home = Home(tmp_path)
    chains: list[Chain] = [EthereumChain(home), BitcoinChain(home)]
    assert continuity.missing_part(home, chains) is None
    home.write(home.chain_file, ChainSetUp("0x" + 40 * "1"))
    assert continuity.missing_part(home, chains) == "the database, secrets.json, demo.json, the chain"
    assert continuity.missing_part(home, chains[1:]) is None


def test_a_reset_deletes_every_chain(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for directory in (home.anvil, home.bitcoin, home.logs):
        directory.mkdir()
    continuity.reset(home)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_chain_that_is_left_out_stays_configured_with_a_node_that_does_not_answer(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write(home.chain_file, ChainSetUp("0x" + 40 * "1"))
    mnemonic = "abandon " * 11 + "about"
    chains: list[Chain] = [EthereumChain(home), BitcoinChain(home)]
    for chain in chains:
        assert 'rpc_urls = ["http://127.0.0.1:1"]' in chain.table(mnemonic)
