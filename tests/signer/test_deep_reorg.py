"""A deep reorganisation removes a booked deposit: the ledger, the alert, the hold, and what may still be paid out."""

import pytest

from app.core import clock, database
from app.core.errors import ApiError, Code
from app.signer.treasury import Treasury
from app.withdrawals import holds
from app.withdrawals.approvals import ApprovalRefused
from tests.books import assert_books, assert_invoices
from tests.factories.invoices import AskedInvoice, reread
from tests.factories.merchants import terms
from tests.factories.payments import mined_again
from tests.factories.withdrawals import NETWORK, STRANGER, event_types, fund
from tests.factories.withdrawals import payout as payout_of
from tests.signer.signer_under_test import SignerUnderTest

DEEP = 4
"""Blocks: one more than a deposit needs to be booked."""


async def booked(setup: SignerUnderTest, amount: str) -> AskedInvoice:
    """A deposit with just as many confirmations as it needs, in the newest blocks."""
    new = await setup.receive_payment("USDT", amount)
    await setup.confirm_blocks(2)
    assert (await reread(setup.services, new)).status == "paid"
    return new


async def lost(setup: SignerUnderTest, depth: int = DEEP) -> None:
    await setup.driver.reorg(depth)
    await setup.watcher.tick()


async def entries(owner: str) -> list[tuple[str, int]]:
    rows = await database.fetch_all(
        """
        SELECT e.kind, e.available_delta_raw FROM ledger_entries e JOIN ledger_heads h ON h.id = e.ledger
        WHERE h.owner = $1 AND h.asset = 'USDT' ORDER BY e.seq
        """,
        owner,
    )
    return [(row["kind"], row["available_delta_raw"]) for row in rows]


async def check(setup: SignerUnderTest) -> None:
    await setup.check()
    await assert_books()
    await assert_invoices()


async def test_the_credit_is_reversed_with_its_event_and_pending_payouts_are_held(setup: SignerUnderTest) -> None:
    # Given a credited deposit, and payouts that wait, of this merchant and another, in this asset and another,
    await setup.driver.mine(1)
    new = await booked(setup, "300.00")
    net_raw = int(new.net_raw)
    requested, approved = await setup.request_payout("10.00"), await setup.approved("20.00")
    coins = await setup.request_payout("0.10", "ETH")
    other = (await terms(service_fee_bps=0)).merchant_id
    before_raw, locked_raw = await setup.balance()

    # when a reorganisation removes the deposit,
    await lost(setup)

    # then the ledger has a reversing entry, and nothing is deleted;
    assert (await entries(setup.merchant_id))[-1] == ("deposit_reversal", -net_raw)
    assert ("invoice_credit", net_raw) in await entries(setup.merchant_id)
    assert await setup.balance() == (before_raw - net_raw, locked_raw)
    # the merchant and operators are notified;
    current = await reread(setup.services, new)
    assert (current.status, current.credited, current.received_raw, [d.status for d in current.deposits]) == (
        "paid",
        False,
        "0",
        ["orphaned"],
    )
    assert (await event_types(new.id))[-1] == "invoice.reversed"
    assert (await setup.alerts())["deep_reorg"] == "critical"
    # and no payout of this merchant in this asset is sent, while all others continue.
    (hold,) = await holds.open_holds()
    assert (hold.source, hold.asset, hold.withdrawals_held) == (setup.merchant_id, "USDT", 2)
    assert [(await setup.read(one.id)).held for one in (requested, approved, coins)] == [True, True, False]
    assert (await setup.request_payout("1.00")).held
    with pytest.raises(ApprovalRefused, match="hold"):
        await setup.approve(requested.id)
    await setup.rounds(2, blocks=1)
    assert await setup.sent_to(approved.destination) == []
    await setup.approve(coins.id)
    await setup.until_confirmed(coins.id)
    await fund(other, 5_000_000)
    assert not (await payout_of(setup.services, other, "1.00", destination=STRANGER)).held

    # Until an operator releases the hold.
    with pytest.raises(holds.HoldRefused, match="reason"):
        await holds.release(hold.id, setup.operator.id, " ", clock.now())
    await holds.release(hold.id, setup.operator.id, "the other deposits cover it", clock.now())
    with pytest.raises(holds.HoldRefused, match="no open hold"):
        await holds.release(hold.id, setup.operator.id, "again", clock.now())
    await setup.until_confirmed(approved.id)
    await setup.approve(requested.id)
    await setup.until_confirmed(requested.id)
    assert await setup.sent_to(approved.destination) == [20_000_000]
    assert not (await setup.request_payout("1.00")).held
    audit = await database.fetch_one("SELECT actor, merchant_id FROM audit_entries WHERE action = 'hold.released'")
    assert audit is not None
    assert tuple(audit) == (f"account:{setup.operator.id}", setup.merchant_id)


async def test_a_returning_deposit_is_credited_again(setup: SignerUnderTest) -> None:
    await setup.driver.mine(1)
    before = await setup.balance()
    new = await booked(setup, "300.00")
    (deposit,) = (await reread(setup.services, new)).deposits
    raw = await setup.driver.call("eth_getRawTransactionByHash", deposit.txid)
    await lost(setup)
    assert await setup.balance() == before
    await mined_again(setup.driver, raw)
    await setup.confirm_blocks(3)
    again = await reread(setup.services, new)
    assert (again.status, again.credited_raw, [d.status for d in again.deposits]) == ("paid", new.net_raw, ["credited"])
    assert [d.id for d in again.deposits] == [deposit.id]
    assert await setup.balance() == (before[0] + int(new.net_raw), before[1])
    (hold,) = await holds.open_holds()  # which an operator must still release
    assert hold.source == setup.merchant_id
    assert (await event_types(new.id))[-3:] == ["invoice.paid", "invoice.reversed", "invoice.paid"]
    await check(setup)


async def test_later_credits_first_cover_a_balance_below_zero(setup: SignerUnderTest) -> None:
    # Given a merchant who has paid out all that came, the last deposit too,
    await setup.driver.mine(1)
    before_raw, _ = await setup.balance()
    new = await booked(setup, "300.00")
    everything = f"{(before_raw + int(new.net_raw)) / 10**6:.6f}"
    await setup.top_up("USDT", 10**9)
    out = await setup.approved(everything)
    await setup.until_confirmed(out.id)
    assert await setup.balance() == (0, 0)

    # when a reorganisation removes that deposit and, because it is deep, later transactions for a while,
    await lost(setup, await setup.driver.height() - await height_of(new, setup) + 1)
    await setup.top_up("USDT", 10**9)
    await setup.until_stable(out.id)

    # then the payout has been made once, and the balance is below zero;
    assert await setup.sent_to(out.destination) == [int(out.amount_raw)]
    assert await setup.balance() == (-int(new.net_raw), 0)
    assert (await setup.alerts())["sent_transaction_reorganised"] == "critical"
    await check(setup)
    # a first credit covers a part of the deficit, and nothing can be paid out;
    await setup.receive_payment("USDT", "100.00")
    await setup.confirm_blocks()
    available_raw, _ = await setup.balance()
    assert -int(new.net_raw) < available_raw < 0
    with pytest.raises(ApiError) as refusal:
        await setup.request_payout("0.01")
    assert refusal.value.code == Code.INSUFFICIENT_BALANCE
    # only later credits can be paid out.
    await setup.receive_payment("USDT", "250.00")
    await setup.confirm_blocks()
    available_raw, _ = await setup.balance()
    assert 0 < available_raw < 51_000_000
    (hold,) = await holds.open_holds()
    await holds.release(hold.id, setup.operator.id, "made good", clock.now())
    with pytest.raises(ApiError):
        await setup.request_payout(f"{(available_raw + 1) / 10**6:.6f}")
    last = await setup.approved(f"{available_raw / 10**6:.6f}")
    await setup.until_confirmed(last.id)
    assert await setup.balance() == (0, 0)
    await check(setup)


async def test_earlier_locked_payouts_wait_until_the_balance_is_above_zero(setup: SignerUnderTest) -> None:
    # Given a payout of more than is left once a deposit is taken back, locked and approved before that,
    await setup.driver.mine(1)
    before_raw, _ = await setup.balance()
    new = await booked(setup, "300.00")
    held = await setup.approved(f"{(before_raw + 100_000_000) / 10**6:.6f}")
    await lost(setup)
    available_raw, _ = await setup.balance()
    assert available_raw < 0
    # when an operator releases the hold,
    (hold,) = await holds.open_holds()
    await holds.release(hold.id, setup.operator.id, "let it go", clock.now())
    await setup.top_up("USDT", 10**10)
    await setup.confirm_blocks()
    await setup.rounds(2, blocks=1)
    # then it is still not paid without a balance, and shows the reason,
    waiting = await setup.read(held.id)
    assert (waiting.status, waiting.held) == ("approved", False)
    assert waiting.waiting_reason is not None
    assert "below zero" in waiting.waiting_reason
    assert await setup.sent_to(held.destination) == []
    # until a credit has covered the deficit.
    await setup.receive_payment("USDT", "300.00")
    await setup.confirm_blocks()
    await setup.until_confirmed(held.id)
    assert await setup.sent_to(held.destination) == [int(held.amount_raw)]
    assert (await reread(setup.services, new)).credited is False
    await check(setup)


async def test_a_confirmed_payout_whose_block_is_dead_is_sent_again_and_is_no_drift(setup: SignerUnderTest) -> None:
    await setup.driver.mine(1)
    out = await setup.approved("20.00")
    await setup.until_confirmed(out.id)
    (row,) = await setup.transactions(out.id)
    await lost(setup, await setup.driver.height() - row["block_height"] + 1)
    assert await setup.sent_to(out.destination) == []
    await check(setup)  # while it is in no block
    await setup.until_stable(out.id)
    assert await setup.sent_to(out.destination) == [20_000_000]
    (again,) = await setup.transactions(out.id)
    assert (again["txid"], bytes(again["signed_bytes"])) == (row["txid"], bytes(row["signed_bytes"]))
    assert (await setup.read(out.id)).status == "confirmed"
    await check(setup)


async def test_gas_that_differs_after_a_reorganisation_is_booked_by_its_differences(
    setup: SignerUnderTest,
) -> None:
    out = await setup.approved("20.00")
    await setup.until_confirmed(out.id)
    (row,) = await setup.transactions(out.id)
    treasury, now = Treasury(setup.services.networks.get(NETWORK)), clock.now()
    before_raw = await setup.treasury_raw("ETH") + row["fee_raw"]
    for cost_raw in (0, 7, 11, 0, 5):  # 0: of a nonce's transactions another was in the block
        await database.execute("UPDATE outgoing_transactions SET fee_raw = $2 WHERE id = $1", row["id"], cost_raw)
        await treasury.book_fees(now)
        assert await setup.treasury_raw("ETH") == before_raw - cost_raw


async def height_of(new: AskedInvoice, setup: SignerUnderTest) -> int:
    (deposit,) = (await reread(setup.services, new)).deposits
    assert deposit.block_height is not None
    return deposit.block_height
