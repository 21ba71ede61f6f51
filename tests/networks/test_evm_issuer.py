"""What a token's issuer allows, as its contract says: with doubles of USDT and USDC and with OpenZeppelin's token."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from app.core import clock
from app.networks.evm.sending import EvmSender
from app.networks.port import NodeUnavailable, TokenState
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import AnvilDriver
from tests.factories.networks import evm_network
from tests.fakes.evm_node import always, fake_node, relay

SUPPLY_RAW = 10**15
NOTHING = TokenState()


@pytest.fixture
async def usdt(driver: AnvilDriver) -> str:
    return await driver.deploy_stablecoin(SUPPLY_RAW)


@pytest.fixture
async def sender(anvil: Anvil, usdt: str) -> AsyncIterator[EvmSender]:
    sender = EvmSender(evm_network([anvil.rpc_url], usdt))
    yield sender
    await sender.aclose()


async def test_what_tether_s_issuer_does(sender: EvmSender, driver: AnvilDriver, usdt: str) -> None:
    ours, other = driver.accounts[3:5]
    both = [ours, other]
    assert await sender.token_state("USDT", both) == NOTHING
    await driver.call_contract(usdt, "addBlackList(address)", ours)
    assert await sender.token_state("USDT", both) == TokenState(frozen=frozenset({ours}))
    await driver.call_contract(usdt, "removeBlackList(address)", ours)
    await driver.call_contract(usdt, "pause()")
    assert await sender.token_state("USDT", both) == TokenState(is_paused=True)
    await driver.call_contract(usdt, "unpause()")
    await driver.call_contract(usdt, "setParams(uint256,uint256)", 10, 1)
    assert await sender.token_state("USDT", both) == TokenState(fee_bps=10)
    # A rate without an amount that it may reach takes nothing.
    await driver.call_contract(usdt, "setParams(uint256,uint256)", 10, 0)
    assert await sender.token_state("USDT", both) == NOTHING
    assert await sender.token_state("ETH", both) == NOTHING


async def test_what_circle_s_issuer_does(anvil: Anvil, driver: AnvilDriver) -> None:
    usdc = await driver.deploy_stablecoin(SUPPLY_RAW, name="CircleLike")
    sender = EvmSender(evm_network([anvil.rpc_url], usdc))
    many = ["0x" + f"{number:040x}" for number in range(1, 150)]  # more than one request holds
    await driver.call_contract(usdc, "blacklist(address)", many[120])
    assert await sender.token_state("USDT", many) == TokenState(frozen=frozenset({many[120]}))
    await driver.call_contract(usdc, "pause()")
    assert (await sender.token_state("USDT", many)).is_paused
    await sender.aclose()


async def test_a_token_without_any_of_it_stops_nothing_and_is_asked_once(anvil: Anvil, token: str) -> None:
    asked: list[str] = []

    def note(call: dict[str, Any], result: Any) -> Any:
        asked.append(call["method"])
        return result

    async with fake_node(relay(anvil.rpc_url, note)) as node:
        sender = EvmSender(evm_network([node.url], token))
        assert await sender.token_state("USDT", [token]) == NOTHING
        before = len(node.bodies)
        assert await sender.token_state("USDT", [token]) == NOTHING
        assert len(node.bodies) == before
        clock.shift(timedelta(days=1))  # a proxy may have got another contract meanwhile
        assert await sender.token_state("USDT", [token]) == NOTHING
        assert len(node.bodies) == 2 * before
        await sender.aclose()
    clock.unshift()


@pytest.mark.parametrize(
    "answer",
    [
        always(503, "busy"),
        always(200, '{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"too many requests"}}'),
    ],
)
async def test_a_node_that_does_not_answer_is_no_answer(answer: Any, usdt: str) -> None:
    async with fake_node(answer) as node:
        sender = EvmSender(evm_network([node.url], usdt))
        with pytest.raises(NodeUnavailable):
            await sender.token_state("USDT", [usdt])
        await sender.aclose()


async def test_a_node_that_lacks_the_contract_s_block_is_no_answer(
    anvil: Anvil, driver: AnvilDriver, usdt: str
) -> None:
    await driver.call_contract(usdt, "addBlackList(address)", usdt)
    lacks = True

    def change(call: dict[str, Any], result: Any) -> Any:
        return "0x" if lacks and call["method"] in ("eth_getCode", "eth_call") else result

    async with fake_node(relay(anvil.rpc_url, change)) as node:
        sender = EvmSender(evm_network([node.url], usdt))
        with pytest.raises(NodeUnavailable):
            await sender.token_state("USDT", [usdt])
        lacks = False
        assert (await sender.token_state("USDT", [usdt])).frozen == {usdt}
        lacks = True  # now it is known which functions there are
        with pytest.raises(NodeUnavailable):
            await sender.token_state("USDT", [usdt])
        await sender.aclose()


async def test_a_person_s_account_that_runs_a_contract_s_code_is_no_contract(
    sender: EvmSender, driver: AnvilDriver, usdt: str
) -> None:
    person = driver.accounts[5]
    assert await sender.is_contract(usdt)
    assert not await sender.is_contract(person)
    await driver.call("anvil_setCode", person, "0xef0100" + usdt[2:])  # EIP-7702
    assert not await sender.is_contract(person)
