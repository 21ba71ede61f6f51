"""Transactions that a restored backup lacks: each is attached to the withdrawal that it paid, and to no other."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from app.accounts.totp import CodeRefused
from app.core import clock, database
from app.networks.config import NodeUrl
from app.networks.evm.config import EvmConfig
from app.networks.evm.sending import EvmSender
from app.networks.port import NotATransfer
from app.networks.sending import AccountState, Payment
from app.sandbox.anvil import Anvil
from app.signer.funds import UnknownTransaction
from app.withdrawals.approvals import ApprovalRefused
from tests.factories.merchants import join
from tests.factories.operators import PASSWORD, Operator, operator
from tests.factories.payments import mined_again
from tests.factories.tampering import as_superuser
from tests.factories.withdrawals import approve, event_types
from tests.fakes.evm_node import fake_node, relay
from tests.signer.conftest import NO_SWEEPS
from tests.signer.processes import swap_pay
from tests.signer.signer_under_test import NETWORK, SignerUnderTest, new_address

REVERTS = "0x60006000fd"


@pytest.fixture
def asset_options() -> dict[str, dict[str, int]]:
    return {"USDT": {**NO_SWEEPS, "approval_threshold_raw": 100_000_000}, "ETH": NO_SWEEPS}


@pytest.fixture
async def other(setup: SignerUnderTest) -> Operator:
    """A second operator."""
    return await operator(setup.services.settings.data_keys, "other@example.test")


async def sent_before_the_restore(
    setup: SignerUnderTest,
    to: str,
    amount_raw: int,
    asset: str = "USDT",
    *,
    nonce: int = 0,
    key: bytes | None = None,
) -> str:
    """Send a transfer as the signer did after the backup: on chain, but in no row. Returns its id."""
    sender = setup.services.networks.account_sender(NETWORK)
    state = AccountState(
        sender=setup.hot, nonce=nonce, gas_limit=100_000, max_fee_raw=3 * 10**9, priority_fee_raw=10**9
    )
    signed = sender.sign(sender.plan([Payment(to, asset, amount_raw)], state), key or setup.keys.hot_wallet_key())
    await mined_again(setup.driver, "0x" + signed.raw.hex())
    return signed.txid


async def adopt(
    setup: SignerUnderTest, withdrawal_id: str, txid: str, by: Operator | None = None, **options: bytes
) -> None:
    by = by or setup.operator
    await setup.services.adoption.adopt(
        withdrawal_id,
        txid,
        by.id,
        by.next_code(),
        "found on the explorer",
        clock.now(),
        **options,  # type: ignore[arg-type]
    )


async def refusal(
    setup: SignerUnderTest, withdrawal_id: str, txid: str, by: Operator | None = None, **options: bytes
) -> str:
    """The reason of a refusal; checks that the payout and the ledgers are unchanged."""
    before = await setup.read(withdrawal_id), await setup.balance()
    with pytest.raises(ApprovalRefused) as refused:
        await adopt(setup, withdrawal_id, txid, by, **options)
    assert (await setup.read(withdrawal_id), await setup.balance()) == before
    return str(refused.value)


async def test_a_payout_that_the_chain_has_paid_is_confirmed_and_the_signer_continues(
    setup: SignerUnderTest, environment: dict[str, str]
) -> None:
    # Given a payout that was paid after the backup, which halts the signer,
    before, gas_before = await setup.balance(), await setup.treasury_raw("ETH")
    requested = await setup.approved("12.00")
    txid = await sent_before_the_restore(setup, requested.destination, 12_000_000)
    with pytest.raises(UnknownTransaction):
        await setup.signer.tick()
    # when an operator attaches it once it is final,
    assert await refusal(setup, requested.id, txid) == "it has 1 of 3 confirmations: wait"
    await setup.confirm_blocks()
    clock.unshift()
    boss = await operator(setup.services.settings.data_keys, "boss@example.test")
    named = ("--txid", txid, "--reason", "block 7", "--operator", boss.email, "--password", PASSWORD)
    done = swap_pay(environment, "signer", "adopt-transaction", requested.id, *named, "--code", boss.code())
    assert done.returncode == 0, done.stderr
    # then it is confirmed and booked to the unit, once,
    paid = await setup.read(requested.id)
    assert (paid.status, paid.txid) == ("confirmed", txid)
    states = ("pending_approval", "approved", "submitted", "confirmed")
    assert await event_types(requested.id) == [f"payout.{state}" for state in states]
    assert await setup.balance() == (before[0] - 12_000_000, 0)
    audited = await database.fetch_one("SELECT actor, subject, details FROM audit_entries ORDER BY id DESC LIMIT 1")
    assert audited is not None
    assert tuple(audited)[:2] == (f"account:{boss.id}", requested.id)
    assert txid in audited["details"]
    # and the signer continues with the next nonce.
    clock.shift(timedelta(minutes=1))  # past the codes that were given before the clock was put back
    after = await setup.approved("5.00")
    await setup.until_confirmed(after.id)
    adopted, new = await setup.transactions()
    assert (adopted["nonce"], new["nonce"], adopted["fee_booked_raw"]) == (0, 1, adopted["fee_raw"])
    spent_raw = adopted["fee_raw"] + new["fee_raw"]
    assert await setup.treasury_raw("ETH") == gas_before - spent_raw
    assert await setup.sent_to(requested.destination) == [12_000_000]
    await setup.check()


async def test_several_are_attached_in_any_order_and_the_signer_waits_for_the_last(setup: SignerUnderTest) -> None:
    first, second = await setup.approved("1.00"), await setup.approved("0.20", "ETH")
    first_txid = await sent_before_the_restore(setup, first.destination, 1_000_000)
    second_txid = await sent_before_the_restore(setup, second.destination, 2 * 10**17, "ETH", nonce=1)
    await setup.confirm_blocks()
    await adopt(setup, second.id, second_txid)
    with pytest.raises(UnknownTransaction):
        await setup.signer.tick()
    await adopt(setup, first.id, first_txid)
    await setup.rounds(2, blocks=1)
    assert [row["status"] for row in await setup.transactions()] == ["confirmed", "confirmed"]
    await setup.check()


async def test_attaching_counts_as_one_approval(setup: SignerUnderTest, other: Operator) -> None:
    small, large = await setup.request_payout("1.00"), await setup.request_payout("100.01")
    small_txid = await sent_before_the_restore(setup, small.destination, 1_000_000)
    large_txid = await sent_before_the_restore(setup, large.destination, 100_010_000, nonce=1)
    await setup.confirm_blocks()
    await adopt(setup, small.id, small_txid)
    assert "another operator must approve it first" in await refusal(setup, large.id, large_txid)
    await approve(setup.services, large.id, other)
    assert "you have approved it already" in await refusal(setup, large.id, large_txid, other)
    await adopt(setup, large.id, large_txid)
    assert [(await setup.read(one.id)).status for one in (small, large)] == ["confirmed", "confirmed"]
    await setup.rounds(blocks=1)
    await setup.check()


async def test_other_transactions_are_not_attached(setup: SignerUnderTest, other: Operator) -> None:
    requested, twin = await setup.approved("12.00"), None
    to = requested.destination
    wrong = {
        await sent_before_the_restore(setup, to, 12_000_001): "it sends 12000001 minor units of USDT",
        await sent_before_the_restore(setup, new_address(), 12_000_000, nonce=1): "not what was requested",
        await sent_before_the_restore(setup, to, 12_000_000, "ETH", nonce=2): "it sends 12000000 minor units of ETH",
        "0x" + 64 * "a": "has no such transaction in a block",
        "12": "has no such transaction in a block",
        f" {to} ": "this is an Ethereum address, not a transaction",
    }
    # Somebody else's of the same amount, and one of another kind: an approval of the token.
    stranger = setup.driver.accounts[0]
    receipt = await setup.driver.transfer_token(setup.token, to, 12_000_000)
    wrong[receipt["transactionHash"]] = f"it was sent by {stranger}, not by the hot wallet"
    approval = {"from": stranger, "to": setup.token, "data": "0x095ea7b3" + 64 * "0" + f"{12_000_000:064x}"}
    wrong[(await setup.driver.send(approval))["transactionHash"]] = "is no transfer of an asset"
    # And one that was reverted.
    code = await setup.driver.call("eth_getCode", setup.token, "latest")
    await setup.driver.call("anvil_setCode", setup.token, REVERTS)
    wrong[await sent_before_the_restore(setup, to, 12_000_000, nonce=3)] = "it failed: nothing was moved"
    await setup.driver.call("anvil_setCode", setup.token, code)
    paid = await sent_before_the_restore(setup, to, 12_000_000, nonce=4)
    await setup.confirm_blocks()
    for txid, words in wrong.items():
        assert words in await refusal(setup, requested.id, txid)
    assert "not what you were shown" in await refusal(setup, requested.id, paid, shown=b"another")
    with pytest.raises(CodeRefused):
        await setup.services.adoption.adopt(requested.id, paid, setup.operator.id, "000000", "found", clock.now())
    await join(setup.merchant_id, other.id)
    assert "you belong to the merchant" in await refusal(setup, requested.id, paid, other)
    await database.execute("UPDATE withdrawals SET held = true WHERE id = $1", requested.id)
    assert "on hold" in await refusal(setup, requested.id, paid)
    await database.execute("UPDATE withdrawals SET held = false WHERE id = $1", requested.id)
    # What paid one payout does not pay its twin.
    await adopt(setup, requested.id, paid)
    twin = await setup.approved("12.00", destination=to)
    assert "the books have that transaction" in await refusal(setup, twin.id, paid)
    assert await refusal(setup, requested.id, paid) == "it is confirmed"


async def test_a_node_that_lies_about_a_transaction_proves_nothing(setup: SignerUnderTest, anvil: Anvil) -> None:
    """It reports another recipient for a real transaction of ours: then the id does not match."""
    thief = new_address()
    txid = await sent_before_the_restore(setup, new_address(), 12_000_000)

    def lie(call: dict[str, Any], result: Any) -> Any:
        if call["method"] == "eth_getTransactionByHash":
            result["input"] = "0xa9059cbb" + thief[2:].lower().rjust(64, "0") + result["input"][74:]
        return result

    config = setup.services.networks.get(NETWORK)
    assert isinstance(config, EvmConfig)
    async with fake_node(relay(anvil.rpc_url, lie)) as node:
        sender = EvmSender(msgspec.structs.replace(config, rpc_urls=(NodeUrl(node.url),)))
        try:
            with pytest.raises(NotATransfer):
                await sender.look_up(txid)
        finally:
            await sender.aclose()


async def test_a_payout_that_was_edited_or_is_signed_already_gets_no_other_transaction(
    setup: SignerUnderTest,
) -> None:
    requested, signed = await setup.approved("12.00"), await setup.approved("3.00")
    await as_superuser(f"UPDATE withdrawals SET amount_raw = 13000000 WHERE id = '{requested.id}'")
    await setup.driver.call("evm_setAutomine", False)
    try:
        await setup.signer.tick()
    finally:
        await setup.driver.call("evm_setAutomine", True)
    await setup.driver.mine(1)
    edited = await sent_before_the_restore(setup, requested.destination, 13_000_000, nonce=1)
    other = await sent_before_the_restore(setup, signed.destination, 3_000_000, nonce=2)
    await setup.confirm_blocks()
    assert "somebody has edited it" in await refusal(setup, requested.id, edited)
    assert "it is submitted" in await refusal(setup, signed.id, other)
