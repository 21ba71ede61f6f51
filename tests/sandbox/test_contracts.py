"""The stablecoins' doubles, on an EVM chain: each trap that they are made for."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from app.sandbox import contracts
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.home import ROOT

SUPPLY_RAW = 10**15
TRANSFER = "0x" + keccak(text="Transfer(address,address,uint256)").hex()


def transfers(receipt: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Sender, recipient and amount of each Transfer log, addresses in lower case."""
    return [
        ("0x" + log["topics"][1][-40:], "0x" + log["topics"][2][-40:], int(log["data"], 16))
        for log in receipt["logs"]
        if log["topics"][0] == TRANSFER
    ]


@pytest.mark.parametrize(
    ("source", "artefact"),
    [("Stablecoins.sol", contracts.ARTEFACT), ("PriceFeed.sol", contracts.FEED_ARTEFACT)],
)
def test_the_artefact_is_what_the_compiler_makes_of_the_source(source: str, artefact: Path) -> None:
    compile_again = ["node", str(contracts.SOURCE.with_name("compile.cjs")), source]
    made = subprocess.run(compile_again, cwd=ROOT, capture_output=True, check=True, timeout=120)
    assert made.stdout == artefact.read_bytes()


async def test_a_tether_has_its_traps(driver: AnvilDriver) -> None:
    issuer, holder, other = (account.lower() for account in driver.accounts[:3])
    usdt = await driver.deploy_stablecoin(SUPPLY_RAW)

    async def transfer(to: str, amount_raw: int, sender: str = issuer) -> dict[str, Any]:
        return await driver.transfer_token(usdt, to, amount_raw, sender=sender)

    # A transfer that succeeds returns false.
    call = {
        "from": issuer,
        "to": usdt,
        "data": "0x" + contracts.call_data("transfer(address,uint256)", holder, 5).hex(),
    }
    assert await driver.call("eth_call", call, "latest") == "0x" + bytes(32).hex()
    assert transfers(await transfer(holder, 1_000_000)) == [(issuer, holder, 1_000_000)]

    # With a fee less arrives, and the rest is a second log.
    await driver.call_contract(usdt, "setParams(uint256,uint256)", 10, 1)
    assert transfers(await transfer(other, 100_000, holder)) == [(holder, other, 99_900), (holder, issuer, 100)]
    await driver.call_contract(usdt, "setParams(uint256,uint256)", 0, 0)

    # A blacklisted account can receive and can't send; its tokens are destroyed without a Transfer.
    await driver.call_contract(usdt, "addBlackList(address)", holder)
    assert (await transfer(other, 1, holder))["status"] == "0x0"
    assert transfers(await transfer(holder, 7)) == [(issuer, holder, 7)]
    destroyed = await driver.call_contract(usdt, "destroyBlackFunds(address)", holder)
    assert (transfers(destroyed), len(destroyed["logs"])) == ([], 1)
    assert await driver.balance_of(holder, usdt) == 0

    # Paused, nobody can send; issued tokens come from nobody.
    await driver.call_contract(usdt, "pause()")
    assert (await transfer(other, 1))["status"] == "0x0"
    await driver.call_contract(usdt, "unpause()")
    assert transfers(await driver.call_contract(usdt, "issue(uint256)", 9)) == [("0x" + "0" * 40, issuer, 9)]

    # Only the issuer may do any of that.
    assert (await driver.call_contract(usdt, "pause()", sender=other))["status"] == "0x0"


async def test_a_deprecated_tether_moves_its_successors_tokens(driver: AnvilDriver) -> None:
    issuer, holder = driver.accounts[0], driver.accounts[1]
    old, new = [await driver.deploy_stablecoin(SUPPLY_RAW) for _ in range(2)]
    await driver.call_contract(new, "setLegacy(address)", old)
    await driver.call_contract(old, "deprecate(address)", new)
    receipt = await driver.transfer_token(old, holder, 5, sender=issuer)
    assert [log["address"] for log in receipt["logs"]] == [new.lower()]
    assert await driver.balance_of(holder, old) == await driver.balance_of(holder, new) == 5


async def test_a_circle_token_stops_whoever_is_blacklisted(driver: AnvilDriver) -> None:
    issuer, holder = driver.accounts[0], driver.accounts[1]
    usdc = await driver.deploy_stablecoin(SUPPLY_RAW, name="CircleLike")
    data = "0x" + contracts.call_data("transfer(address,uint256)", holder, 5).hex()
    answer = await driver.call("eth_call", {"from": issuer, "to": usdc, "data": data}, "latest")
    assert answer == "0x" + encode(["bool"], [True]).hex()
    await driver.call_contract(usdc, "blacklist(address)", holder)
    assert (await driver.transfer_token(usdc, holder, 5))["status"] == "0x0"
    await driver.call_contract(usdc, "unBlacklist(address)", holder)
    assert (await driver.transfer_token(usdc, holder, 5))["status"] == "0x1"


@pytest.mark.parametrize("spoiled", [False, True])
async def test_a_contract_pays_coins_on(driver: AnvilDriver, spoiled: bool) -> None:
    spreader = await driver.deploy_contract("Spreader")
    to = "0x" + "b0" * 20
    if spoiled:
        receipt = await driver.call_contract(spreader, "payInVain(address,uint256)", to, 3, value_raw=5)
    else:
        receipt = await driver.call_contract(spreader, "pay(address[],uint256[])", [to], [3], value_raw=5)
    assert receipt["status"] == "0x1"
    assert await driver.balance_of(to) == (0 if spoiled else 3)
