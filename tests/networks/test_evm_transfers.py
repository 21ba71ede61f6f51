"""What counts as a payment on an EVM chain, read from a real node."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import pairwise

import pytest
import rlp
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

from app.networks.evm.chain import EvmChain
from app.networks.port import Block, ChainMoved, Transfer
from app.sandbox.chain_driver import AnvilDriver, token_transfer_data
from tests.factories.networks import evm_network

ETHER = 10**18


def ours(*addresses: str) -> Callable[[Collection[str]], Awaitable[set[str]]]:
    async def known(candidates: Collection[str]) -> set[str]:
        return {address for address in addresses if address.lower() in candidates}

    return known


async def read_from(chain: EvmChain, first: int, *addresses: str) -> list[Block]:
    return await chain.blocks(first, await chain.head_height(), ours(*addresses))


async def transfers_from(chain: EvmChain, first: int, *addresses: str) -> list[Transfer]:
    return [transfer for block in await read_from(chain, first, *addresses) for transfer in block.transfers]


async def test_a_token_transfer_to_us_is_found(chain: EvmChain, driver: AnvilDriver, token: str) -> None:
    to = chain.derive_address(1001)
    first = await driver.height() + 1
    receipt = await driver.transfer_token(token, to, 5_000_073)

    (transfer,) = await transfers_from(chain, first, to)

    assert transfer.txid == receipt["transactionHash"]
    assert transfer.index == int(receipt["logs"][0]["logIndex"], 16)
    assert (transfer.asset_symbol, transfer.amount_raw) == ("USDT", 5_000_073)
    assert (transfer.to_address, transfer.from_address) == (to, driver.accounts[0])
    assert (transfer.block.height, transfer.block.hash) == (first, receipt["blockHash"])
    assert transfer.block == await chain.block_ref(first)


async def test_a_native_transfer_to_us_is_found(chain: EvmChain, driver: AnvilDriver) -> None:
    to = chain.derive_address(1002)
    first = await driver.height() + 1
    receipt = await driver.transfer_native(to, 3 * ETHER + 7)

    (transfer,) = await transfers_from(chain, first, to)

    assert (transfer.txid, transfer.index) == (receipt["transactionHash"], -1)
    assert (transfer.asset_symbol, transfer.amount_raw) == ("ETH", 3 * ETHER + 7)
    assert (transfer.to_address, transfer.from_address) == (to, driver.accounts[0])


async def test_transfers_to_others_and_of_nothing_are_ignored(chain: EvmChain, driver: AnvilDriver, token: str) -> None:
    to, other = chain.derive_address(1003), chain.derive_address(1004)
    first = await driver.height() + 1
    await driver.transfer_token(token, other, 5)
    await driver.transfer_native(other, 5)
    await driver.transfer_token(token, to, 0)
    await driver.transfer_native(to, 0)

    assert await transfers_from(chain, first, to) == []


async def test_reverted_transfers_are_ignored(chain: EvmChain, driver: AnvilDriver, token: str) -> None:
    to, poor = chain.derive_address(1005), driver.accounts[5]
    # Code that reverts whatever it is sent, set at one of "our" addresses: PUSH1 0, DUP1, REVERT.
    await driver.call("anvil_setCode", to, "0x600080fd")
    first = await driver.height() + 1

    failed_token = await driver.transfer_token(token, to, 1, sender=poor)
    failed_native = await driver.transfer_native(to, ETHER)

    assert (failed_token["status"], failed_native["status"]) == ("0x0", "0x0")
    assert await transfers_from(chain, first, to) == []
    await driver.call("anvil_setCode", to, "0x")
    await driver.transfer_native(to, ETHER)
    assert [transfer.amount_raw for transfer in await transfers_from(chain, first, to)] == [ETHER]


async def test_a_look_alike_token_is_ignored(chain: EvmChain, driver: AnvilDriver) -> None:
    to = chain.derive_address(1006)
    look_alike = await driver.deploy_token(10**15, name="Tether USD", symbol="USDT")
    first = await driver.height() + 1
    await driver.transfer_token(look_alike, to, 5_000_000)

    assert await transfers_from(chain, first, to) == []


async def test_an_nft_of_a_configured_contract_is_ignored(chain: EvmChain, driver: AnvilDriver, token: str) -> None:
    to = chain.derive_address(1007)
    # In place of the token's code: LOG4 with ERC-721's topics, Transfer(from, to, id = 9), and no data.
    topics = [
        "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
        "00" * 12 + driver.accounts[0][2:],
        "00" * 12 + to[2:],
        "00" * 31 + "09",
    ]
    pushed = "".join("7f" + topic for topic in reversed(topics))
    await driver.call("anvil_setCode", token, "0x" + pushed + "60006000a4")
    first = await driver.height() + 1
    receipt = await driver.transfer_token(token, to, 9)

    assert len(receipt["logs"][0]["topics"]) == 4
    assert await transfers_from(chain, first, to) == []


async def test_one_transaction_that_pays_two_of_us_is_two_transfers(
    chain: EvmChain, driver: AnvilDriver, token: str
) -> None:
    a, b = chain.derive_address(1008), chain.derive_address(1009)
    sender = driver.accounts[3]
    nonce = int(await driver.call("eth_getTransactionCount", sender, "latest"), 16)
    payer = created_address(sender, nonce)
    await driver.transfer_token(token, payer, 300)
    first = await driver.height() + 1
    calls = [(token, token_transfer_data(a, 100)), (token, token_transfer_data(b, 200))]
    receipt = await driver.send({"from": sender, "data": "0x" + creation_that_calls(calls).hex()})

    transfers = await transfers_from(chain, first, a, b)

    assert receipt["status"] == "0x1"
    assert {transfer.txid for transfer in transfers} == {receipt["transactionHash"]}
    assert [(transfer.to_address, transfer.amount_raw) for transfer in transfers] == [(a, 100), (b, 200)]
    assert len({transfer.index for transfer in transfers}) == 2


async def test_blocks_chain_and_their_clock_runs(chain: EvmChain, driver: AnvilDriver) -> None:
    first = await driver.height()
    await driver.mine(4, interval_s=12)

    refs = [block.ref for block in await read_from(chain, first)]

    assert [ref.height for ref in refs] == list(range(first, first + 5))
    assert [ref.parent_hash for ref in refs[1:]] == [ref.hash for ref in refs[:-1]]
    assert [(b.time - a.time).total_seconds() for a, b in pairwise(refs[1:])] == [12, 12, 12]
    assert all(ref.time.utcoffset() is not None for ref in refs)


async def test_a_range_beyond_the_head_is_refused_as_a_whole(chain: EvmChain) -> None:
    head = await chain.head_height()

    assert await chain.block_ref(head + 1) is None
    with pytest.raises(ChainMoved):
        await chain.blocks(head, head + 1, ours())


async def test_after_a_reorganisation_the_other_block_is_read(chain: EvmChain, driver: AnvilDriver, token: str) -> None:
    to = chain.derive_address(1010)
    first = await driver.height() + 1
    await driver.transfer_token(token, to, 70)
    await driver.mine(2)
    before = await read_from(chain, first, to)
    await driver.reorg(3)
    after = await read_from(chain, first, to)

    assert [len(block.transfers) for block in before] == [1, 0, 0]
    assert [len(block.transfers) for block in after] == [0, 0, 0]
    assert before[0].ref.parent_hash == after[0].ref.parent_hash
    assert not {block.ref.hash for block in before} & {block.ref.hash for block in after}


@pytest.mark.parametrize("native", [True, False])
async def test_a_thousand_blocks_of_backlog_take_seconds(
    anvil_url: str, driver: AnvilDriver, token: str, native: bool
) -> None:
    chain = EvmChain(evm_network([anvil_url], token, native=native))
    to = chain.derive_address(1011)
    first = await driver.height() + 1
    await driver.mine(500)
    await driver.transfer_token(token, to, 11)
    await driver.mine(499)

    started = time.monotonic()
    blocks = []
    for start in range(first, first + 1000, 100):
        blocks += await chain.blocks(start, start + 99, ours(to))
    took_s = time.monotonic() - started
    await chain.aclose()

    assert [block.ref.height for block in blocks] == list(range(first, first + 1000))
    assert [(b.ref.height, t.amount_raw) for b in blocks for t in b.transfers] == [(first + 500, 11)]
    assert took_s < 10


def created_address(sender: str, nonce: int) -> str:
    """The address of the contract that `sender` creates with that nonce."""
    return str(to_checksum_address(keccak(rlp.encode([to_canonical_address(sender), nonce]))[12:]))


def creation_that_calls(calls: Sequence[tuple[str, bytes]]) -> bytes:
    """Code that a contract's creation runs: make each call (address, data), leave no contract behind."""
    code = b""
    for address, data in calls:
        for offset in range(0, len(data), 32):
            word = data[offset : offset + 32].ljust(32, b"\0")
            code += b"\x7f" + word + b"\x60" + bytes([offset]) + b"\x52"  # PUSH32 word, PUSH1 offset, MSTORE
        # CALL(gas, address, value 0, in 0, its length, out 0, length 0), arguments pushed last first; POP
        code += bytes.fromhex("60006000") + b"\x60" + bytes([len(data)]) + bytes.fromhex("60006000")
        code += b"\x73" + to_canonical_address(address) + bytes.fromhex("5af150")
    return code + b"\x00"


async def test_the_final_block_is_the_one_that_the_node_calls_finalized(chain: EvmChain, driver: AnvilDriver) -> None:
    """anvil finalizes two epochs of 32 blocks behind its head."""
    await driver.mine(70)
    assert await chain.finality() == await chain.head_height() - 64
