"""The rules for tokens on Tron: what its issuer does to payouts, what operators see of them first, and what arrives."""

import re
from datetime import timedelta

import pytest

from app.core import clock, database
from app.ledger.service import SUSPENSE
from app.sandbox.tron_driver import evm
from app.signer import previews, token_rules
from tests.factories.tron import somebody
from tests.signer.tron_under_test import NETWORK, SOLID, TronUnderTest

PAYOUT_RAW = 12_000_000


async def issuer_calls(setup: TronUnderTest, signature: str, *arguments: object) -> None:
    """The token's issuer changes something, in a block."""
    await setup.driver.call_contract(setup.usdt, signature, *arguments)
    await setup.blocks()


async def seen(withdrawal_id: str) -> dict[str, object]:
    """A payout's preview."""
    row = await database.fetch_one("SELECT * FROM withdrawal_previews WHERE withdrawal = $1", withdrawal_id)
    assert row is not None
    return dict(row)


@pytest.mark.parametrize(
    ("stop", "go_on", "reason", "kind"),
    [
        (("pause()",), ("unpause()",), "USDT is paused by its issuer", "token_paused"),
        (
            ("setParams(uint256,uint256)", 10, 1),
            ("setParams(uint256,uint256)", 0, 0),
            "USDT keeps a fee of each transfer now: less would arrive",
            "token_fee",
        ),
    ],
)
async def test_a_stopped_token_waits_with_its_reason(
    tron_setup: TronUnderTest, stop: tuple[str, object], go_on: tuple[str, object], reason: str, kind: str
) -> None:
    setup = tron_setup
    await issuer_calls(setup, *stop)
    payout, coins = await setup.approved(PAYOUT_RAW), await setup.approved(3_000_000, "TRX")
    await setup.signer.tick()
    assert await setup.waits_for(payout.id) == reason
    assert len(await setup.attempts()) == 1, "coins are nobody's to stop"
    assert (await setup.alerts())[kind] == "warning"
    await issuer_calls(setup, *go_on)
    clock.shift(token_rules.STOPPED_FOR)
    await setup.until_confirmed(payout, coins)
    await setup.assert_paid_once(payout, coins)


async def test_frozen_addresses(tron_setup: TronUnderTest) -> None:
    setup, frozen = tron_setup, somebody(77)
    await issuer_calls(setup, "addBlackList(address)", evm(frozen))
    held = await setup.approved(PAYOUT_RAW, destination=frozen)
    await setup.signer.tick()
    assert await setup.waits_for(held.id) == "the issuer of USDT has frozen the destination"
    assert await database.fetch_value("SELECT held FROM withdrawals WHERE id = $1", held.id)
    await issuer_calls(setup, "addBlackList(address)", evm(setup.hot))
    payout = await setup.approved(PAYOUT_RAW)
    await setup.signer.tick()
    assert await setup.waits_for(payout.id) == "the issuer of USDT has frozen the hot wallet"
    assert (await setup.alerts())["wallet_frozen"] == "critical"
    assert await setup.attempts() == []


async def test_previews(tron_setup: TronUnderTest) -> None:
    """About 6.5 or 13 TRX for tokens, as the recipient holds some or none, which staked energy would pay; 1.1 TRX
    for an account that a first transfer of coins makes."""
    setup = tron_setup
    contract = await setup.driver.deploy("Spreader")
    tokens = await setup.requested(PAYOUT_RAW)
    to_contract = await setup.requested(PAYOUT_RAW, destination=contract)
    coins = await setup.requested(3_000_000, "TRX")
    for _ in range(2):
        await setup.signer.tick()
    for_tokens, for_coins = await seen(tokens.id), await seen(coins.id)
    assert re.fullmatch(
        r"about 1[34]\.[0-9]0 TRX, of which 0\.00 TRX if all energy is staked", str(for_tokens["cost_in_words"])
    )
    assert not for_tokens["is_contract"]
    assert (await seen(to_contract.id))["is_contract"]
    assert (for_coins["is_new_account"], for_coins["cost_raw"]) == (True, 1_100_000)
    # It is what it costs then.
    for one in (tokens, coins):
        await setup.approve(one.id)
    await setup.until_confirmed(tokens, coins)
    rows = await database.fetch_all(
        "SELECT withdrawal, fee_raw FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id"
    )
    paid_raw = {row["withdrawal"]: row["fee_raw"] for row in rows}
    assert paid_raw[tokens.id] == for_tokens["cost_raw"]
    assert paid_raw[coins.id] == for_coins["cost_raw"]
    # What waits on is looked up again after ten minutes; what is signed is not.
    clock.shift(previews.RENEWED_AFTER + timedelta(seconds=1))
    await setup.blocks()
    before = await seen(to_contract.id)
    await setup.signer.tick()
    assert (await seen(to_contract.id))["looked_at"] != before["looked_at"]
    assert await seen(tokens.id) == for_tokens


async def test_what_arrived_less_a_fee_is_what_counts(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    await issuer_calls(setup, "setParams(uint256,uint256)", 10, 1)
    made = await setup.receive("USDT", 50_000_000)
    asked_raw = int(made.pay_in.amount_raw)
    await setup.blocks(SOLID)
    arrived_raw = asked_raw - asked_raw * 10 // 10_000
    rows = await database.fetch_all("SELECT amount_raw, verdict FROM deposits WHERE invoice = $1", made.id)
    assert [(row["amount_raw"], row["verdict"]) for row in rows] == [(arrived_raw, "underpaid")]
    assert (await setup.reread(made)).status == "manual_review"
    assert (
        await database.fetch_value(
            "SELECT available_raw FROM ledger_heads WHERE owner = $1 AND network = $2 AND asset = 'USDT'",
            SUSPENSE,
            NETWORK,
        )
        == arrived_raw
    )
    await setup.check()
