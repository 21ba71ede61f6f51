"""Transactions of the hot wallet that the books lost with a backup: attached to what they paid, and to nothing else."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from app.accounts.totp import CodeRefused
from app.core import clock, database
from app.networks.config import NodeUrl
from app.networks.evm.sending import EvmSender
from app.networks.port import Draft, NotATransfer, Signed
from app.sandbox.anvil import Anvil
from app.signer.signing import StrangerInWallet
from app.withdrawals.approvals import ApprovalRefused
from tests.factories.merchants import join
from tests.factories.operators import PASSWORD, Operator, operator
from tests.factories.tampering import as_superuser
from tests.factories.withdrawals import approve, event_types
from tests.fakes.evm_node import fake_node, relay
from tests.signer.processes import swap_pay
from tests.withdrawals.conftest import NO_SWEEPS
from tests.withdrawals.till import NETWORK, Till, new_address

REVERTS = "0x60006000fd"


@pytest.fixture
def asset_options() -> dict[str, dict[str, int]]:
    return {"USDT": {**NO_SWEEPS, "approval_threshold_raw": 100_000_000}, "ETH": NO_SWEEPS}


@pytest.fixture
async def other(till: Till) -> Operator:
    """A second operator."""
    return await operator(till.services.settings.data_keys, "other@example.test")


async def sent_before_the_restore(
    till: Till, to: str, amount_raw: int, asset: str = "USDT", *, nonce: int = 0, key: bytes | None = None
) -> str:
    """A transfer that the signer made after the backup: on chain, and in no row. Its id."""
    draft = Draft(
        to_address=to,
        asset_symbol=asset,
        amount_raw=amount_raw,
        nonce=nonce,
        gas_limit=100_000,
        max_fee_raw=3 * 10**9,
        priority_fee_raw=10**9,
    )
    signed: Signed = till.services.networks.sender(NETWORK).sign(draft, key or till.keys.hot_wallet_key())
    await till.driver.call("eth_sendRawTransaction", "0x" + signed.raw.hex())
    return signed.txid


async def adopt(till: Till, withdrawal_id: str, txid: str, by: Operator | None = None, **options: bytes) -> None:
    by = by or till.operator
    await till.services.adoption.adopt(
        withdrawal_id,
        txid,
        by.id,
        by.next_code(),
        "found on the explorer",
        clock.now(),
        **options,  # type: ignore[arg-type]
    )


async def refusal(till: Till, withdrawal_id: str, txid: str, by: Operator | None = None, **options: bytes) -> str:
    """Why it is not attached; the payout and the books are as before."""
    before = await till.read(withdrawal_id), await till.balance()
    with pytest.raises(ApprovalRefused) as refused:
        await adopt(till, withdrawal_id, txid, by, **options)
    assert (await till.read(withdrawal_id), await till.balance()) == before
    return str(refused.value)


async def test_a_payout_that_the_chain_has_paid_is_confirmed_and_the_signer_goes_on(
    till: Till, environment: dict[str, str]
) -> None:
    # Given a payout that was paid after the backup, which halts the signer,
    before, gas_before = await till.balance(), await till.treasury_raw("ETH")
    asked = await till.approved("12.00")
    txid = await sent_before_the_restore(till, asked.destination, 12_000_000)
    with pytest.raises(StrangerInWallet):
        await till.signer.tick()
    # when an operator attaches it once it is final,
    assert await refusal(till, asked.id, txid) == "it has 1 of 3 confirmations: wait"
    await till.confirm_blocks()
    clock.unshift()
    boss = await operator(till.services.settings.data_keys, "boss@example.test")
    named = ("--txid", txid, "--reason", "block 7", "--operator", boss.email, "--password", PASSWORD)
    done = swap_pay(environment, "signer", "adopt-transaction", asked.id, *named, "--code", boss.code())
    assert done.returncode == 0, done.stderr
    # then it is confirmed and booked to the unit, once,
    paid = await till.read(asked.id)
    assert (paid.status, paid.txid) == ("confirmed", txid)
    states = ("pending_approval", "approved", "submitted", "confirmed")
    assert await event_types(asked.id) == [f"payout.{state}" for state in states]
    assert await till.balance() == (before[0] - 12_000_000, 0)
    audited = await database.fetch_one("SELECT actor, subject, details FROM audit_entries ORDER BY id DESC LIMIT 1")
    assert audited is not None
    assert tuple(audited)[:2] == (f"account:{boss.id}", asked.id)
    assert txid in audited["details"]
    # and the signer goes on with the next nonce.
    clock.shift(timedelta(minutes=1))  # past the codes that were given before the clock was put back
    after = await till.approved("5.00")
    await till.until_confirmed(after.id)
    adopted, new = await till.transactions()
    assert (adopted["nonce"], new["nonce"], adopted["gas_booked_raw"]) == (0, 1, adopted["gas_cost_raw"])
    spent_raw = adopted["gas_cost_raw"] + new["gas_cost_raw"]
    assert await till.treasury_raw("ETH") == gas_before - spent_raw
    assert await till.sent_to(asked.destination) == [12_000_000]
    await till.check()


async def test_several_are_attached_in_any_order_and_the_signer_waits_for_the_last(till: Till) -> None:
    first, second = await till.approved("1.00"), await till.approved("0.20", "ETH")
    first_txid = await sent_before_the_restore(till, first.destination, 1_000_000)
    second_txid = await sent_before_the_restore(till, second.destination, 2 * 10**17, "ETH", nonce=1)
    await till.confirm_blocks()
    await adopt(till, second.id, second_txid)
    with pytest.raises(StrangerInWallet):
        await till.signer.tick()
    await adopt(till, first.id, first_txid)
    await till.rounds(2, blocks=1)
    assert [row["status"] for row in await till.transactions()] == ["confirmed", "confirmed"]
    await till.check()


async def test_it_counts_as_an_approval_and_above_the_threshold_as_one_of_two(till: Till, other: Operator) -> None:
    small, large = await till.ask("1.00"), await till.ask("100.01")
    small_txid = await sent_before_the_restore(till, small.destination, 1_000_000)
    large_txid = await sent_before_the_restore(till, large.destination, 100_010_000, nonce=1)
    await till.confirm_blocks()
    await adopt(till, small.id, small_txid)
    assert "another operator must approve it first" in await refusal(till, large.id, large_txid)
    await approve(till.services, large.id, other)
    assert "you have approved it already" in await refusal(till, large.id, large_txid, other)
    await adopt(till, large.id, large_txid)
    assert [(await till.read(one.id)).status for one in (small, large)] == ["confirmed", "confirmed"]
    await till.rounds(blocks=1)
    await till.check()


async def test_what_did_not_pay_it_is_not_attached(till: Till, other: Operator) -> None:
    asked, twin = await till.approved("12.00"), None
    to = asked.destination
    wrong = {
        await sent_before_the_restore(till, to, 12_000_001): "it sends 12000001 minor units of USDT",
        await sent_before_the_restore(till, new_address(), 12_000_000, nonce=1): "not what was asked",
        await sent_before_the_restore(till, to, 12_000_000, "ETH", nonce=2): "it sends 12000000 minor units of ETH",
        "0x" + 64 * "a": "has no such transaction in a block",
        "12": "has no such transaction in a block",
    }
    # Somebody else's of the same amount, and one of another kind: an approval of the token.
    stranger = till.driver.accounts[0]
    receipt = await till.driver.transfer_token(till.token, to, 12_000_000)
    wrong[receipt["transactionHash"]] = f"it was sent by {stranger}, not by the hot wallet"
    approval = {"from": stranger, "to": till.token, "data": "0x095ea7b3" + 64 * "0" + f"{12_000_000:064x}"}
    wrong[(await till.driver.send(approval))["transactionHash"]] = "is no transfer of an asset"
    # And one that was reverted.
    code = await till.driver.call("eth_getCode", till.token, "latest")
    await till.driver.call("anvil_setCode", till.token, REVERTS)
    wrong[await sent_before_the_restore(till, to, 12_000_000, nonce=3)] = "it failed: nothing was moved"
    await till.driver.call("anvil_setCode", till.token, code)
    paid = await sent_before_the_restore(till, to, 12_000_000, nonce=4)
    await till.confirm_blocks()
    for txid, words in wrong.items():
        assert words in await refusal(till, asked.id, txid)
    assert "not what you were shown" in await refusal(till, asked.id, paid, shown=b"another")
    with pytest.raises(CodeRefused):
        await till.services.adoption.adopt(asked.id, paid, till.operator.id, "000000", "found", clock.now())
    await join(till.merchant_id, other.id)
    assert "you belong to the merchant" in await refusal(till, asked.id, paid, other)
    await database.execute("UPDATE withdrawals SET held = true WHERE id = $1", asked.id)
    assert "on hold" in await refusal(till, asked.id, paid)
    await database.execute("UPDATE withdrawals SET held = false WHERE id = $1", asked.id)
    # What paid one payout does not pay its twin.
    await adopt(till, asked.id, paid)
    twin = await till.approved("12.00", destination=to)
    assert "the books have that transaction" in await refusal(till, twin.id, paid)
    assert await refusal(till, asked.id, paid) == "it is confirmed"


async def test_a_node_that_lies_about_a_transaction_proves_nothing(till: Till, anvil: Anvil) -> None:
    """It says of a real transaction of ours that it paid somebody else: then its id is another."""
    thief = new_address()
    txid = await sent_before_the_restore(till, new_address(), 12_000_000)

    def lie(call: dict[str, Any], result: Any) -> Any:
        if call["method"] == "eth_getTransactionByHash":
            result["input"] = "0xa9059cbb" + thief[2:].lower().rjust(64, "0") + result["input"][74:]
        return result

    config = till.services.networks.get(NETWORK)
    async with fake_node(relay(anvil.rpc_url, lie)) as node:
        sender = EvmSender(msgspec.structs.replace(config, rpc_urls=(NodeUrl(node.url),)))
        try:
            with pytest.raises(NotATransfer):
                await sender.look_up(txid)
        finally:
            await sender.aclose()


async def test_a_payout_that_was_edited_or_is_signed_already_takes_no_other_transaction(till: Till) -> None:
    asked, signed = await till.approved("12.00"), await till.approved("3.00")
    await as_superuser(f"UPDATE withdrawals SET amount_raw = 13000000 WHERE id = '{asked.id}'")
    await till.driver.call("evm_setAutomine", False)
    try:
        await till.signer.tick()
    finally:
        await till.driver.call("evm_setAutomine", True)
    await till.driver.mine(1)
    edited = await sent_before_the_restore(till, asked.destination, 13_000_000, nonce=1)
    other = await sent_before_the_restore(till, signed.destination, 3_000_000, nonce=2)
    await till.confirm_blocks()
    assert "somebody has edited it" in await refusal(till, asked.id, edited)
    assert "it is submitted" in await refusal(till, signed.id, other)
