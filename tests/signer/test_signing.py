"""An approved withdrawal is paid once, unchanged, and within the signer's own ceilings."""

import asyncio
import contextvars
from collections.abc import Mapping
from datetime import timedelta

import asyncpg
import pytest

from app.core import clock, database
from app.signer import account_funds, account_nonces_repository
from app.signer.funds import NotOurs, UnknownTransaction
from app.withdrawals.digest import Intent, digest
from tests.factories import outgoing
from tests.factories.merchants import join
from tests.factories.operators import PASSWORD, operator
from tests.factories.tampering import as_superuser
from tests.factories.withdrawals import event_types, sign
from tests.signer.conftest import NO_SWEEPS
from tests.signer.processes import swap_pay
from tests.signer.signer_under_test import NETWORK, SignerUnderTest, new_address


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    ceilings = {
        "transaction_ceiling_raw": 200_000_000,
        "day_ceiling_raw": 300_000_000,
        "approval_threshold_raw": 100_000_000,
    }
    return {"USDT": {**NO_SWEEPS, **ceilings}, "ETH": NO_SWEEPS}


async def test_an_approved_payout_is_paid_and_booked_to_the_unit(setup: SignerUnderTest) -> None:
    before, gas_before = await setup.balance(), await setup.treasury_raw("ETH")
    requested = await setup.request_payout("12.50")
    await setup.rounds(3, blocks=1)
    assert await setup.transactions() == []  # nobody has approved it
    await setup.approve(requested.id)
    paid = await setup.until_confirmed(requested.id)
    assert await setup.sent_to(requested.destination) == [12_500_000]
    (sent,) = await setup.transactions(requested.id)
    assert (paid.txid, sent["status"], sent["fee_booked_raw"]) == (sent["txid"], "confirmed", sent["fee_raw"])
    states = ("pending_approval", "approved", "submitted", "confirmed")
    assert await event_types(requested.id) == [f"payout.{state}" for state in states]
    assert await setup.balance() == (before[0] - 12_500_000, 0)
    assert await setup.treasury_raw("ETH") == gas_before - sent["fee_raw"] < gas_before
    await setup.check()


async def test_the_native_coin_is_paid_out_exactly_and_its_gas_is_the_treasurys(setup: SignerUnderTest) -> None:
    available_raw, _ = await setup.balance("ETH")
    requested = await setup.approved("0.25", "ETH")
    await setup.until_confirmed(requested.id)
    assert await setup.driver.balance_of(requested.destination) == 25 * 10**16
    assert await setup.balance("ETH") == (available_raw - 25 * 10**16, 0)
    await setup.check()


async def test_fifty_parallel_payouts_use_fifty_nonces_without_a_gap(setup: SignerUnderTest) -> None:
    requested = await asyncio.gather(*(setup.request_payout("1.00") for _ in range(50)))
    for one in requested:
        await setup.approve(one.id)
    # Two signers of one network at once, as when one has lost its lock and doesn't know: Postgres keeps order.
    other = setup.new_signer()
    await asyncio.gather(setup.signer.tick(), other.tick(), return_exceptions=True)
    for one in requested:
        await setup.until_confirmed(one.id)
    sent = await setup.transactions()
    assert sorted(row["nonce"] for row in sent) == list(range(50))
    assert {row["status"] for row in sent} == {"confirmed"}
    for one in requested:
        assert await setup.sent_to(one.destination) == [1_000_000]
    await setup.check()


@pytest.mark.parametrize(
    "change", ["amount_raw = 13000000", "amount_raw = 900000000000", "destination = '0x{0}'", "destination_memo = 'x'"]
)
async def test_a_withdrawal_edited_after_approval_is_not_signed_and_alerts(setup: SignerUnderTest, change: str) -> None:
    requested, honest = await setup.approved("12.00"), await setup.approved("3.00")
    thief = new_address()
    await as_superuser(f"UPDATE withdrawals SET {change.format(thief[2:])} WHERE id = '{requested.id}'")
    await setup.rounds(3, blocks=1)
    assert await setup.transactions(requested.id) == []
    assert await setup.sent_to(thief) == []
    assert (await setup.alerts())["signer_refused_digest"] == "critical"
    row = await database.fetch_one("SELECT held, waiting_reason FROM withdrawals WHERE id = $1", requested.id)
    assert row is not None
    assert (row["held"], "changed" in row["waiting_reason"]) == (True, True)
    await setup.until_confirmed(honest.id)  # and no other payout waits for that


@pytest.mark.parametrize(
    "change", ["destination = lower(destination)", "destination = 'nobody'", "destination_memo = '7'"]
)
async def test_a_destination_that_is_no_address_is_not_paid_whoever_approved_it(
    setup: SignerUnderTest, change: str
) -> None:
    """The whole row is forged, with its digest and approvals: the signer checks the destination itself."""
    requested = await setup.approved("12.00")
    await as_superuser(f"UPDATE withdrawals SET {change} WHERE id = '{requested.id}'")
    row = await database.fetch_one("SELECT destination, destination_memo FROM withdrawals WHERE id = $1", requested.id)
    assert row is not None
    forged = digest(
        Intent(requested.id, "USDT", NETWORK, 12_000_000, row["destination"], row["destination_memo"])
    ).hex()
    await as_superuser(
        f"UPDATE withdrawals SET digest = '\\x{forged}' WHERE id = '{requested.id}'",
        f"UPDATE approvals SET digest = '\\x{forged}' WHERE withdrawal = '{requested.id}'",
    )
    await setup.rounds()
    assert await setup.transactions() == []
    assert await setup.alerts() == {"signer_refused_destination": "critical"}
    assert await database.fetch_value("SELECT held FROM withdrawals WHERE id = $1", requested.id)


async def test_two_approvals_of_one_operator_are_one(setup: SignerUnderTest) -> None:
    """Postgres accepts one row per operator; the signer counts distinct operators as well."""
    large = await setup.approved("100.01")  # which needs a second operator
    twice = "INSERT INTO approvals (withdrawal, account, digest, created_at)"
    twice += f" SELECT id, '{setup.operator.id}', digest, now()"
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await database.execute(f"{twice} FROM withdrawals WHERE id = '{large.id}'")
    assert "approvals_once" in str(refused.value)
    await as_superuser(
        "ALTER TABLE approvals DROP CONSTRAINT approvals_once",
        f"{twice} FROM withdrawals WHERE id = '{large.id}'",
    )
    with pytest.raises(asyncpg.RestrictViolationError, match="1 of 2 approvals"):
        await database.execute("UPDATE withdrawals SET status = 'approved' WHERE id = $1", large.id)
    await as_superuser(f"UPDATE withdrawals SET status = 'approved', approved_at = now() WHERE id = '{large.id}'")
    await setup.rounds()
    assert await setup.transactions() == []
    assert await setup.alerts() == {"signer_refused_approvals": "critical"}


async def test_an_approver_who_has_joined_the_merchant_does_not_count_any_more(setup: SignerUnderTest) -> None:
    await setup.approved("12.00")
    await join(setup.merchant_id, setup.operator.id)
    await setup.rounds()
    assert await setup.transactions() == []
    assert await setup.alerts() == {"signer_refused_approvals": "critical"}


async def test_payouts_approved_before_a_suspension_wait_until_it_ends(setup: SignerUnderTest) -> None:
    requested = await setup.approved("12.00")
    await database.execute("UPDATE merchants SET status = 'suspended' WHERE id = $1", setup.merchant_id)
    await setup.rounds(2)
    waiting = await setup.read(requested.id)
    assert (waiting.status, waiting.held, waiting.waiting_reason) == ("approved", False, "the merchant is suspended")
    assert await setup.transactions() == []
    assert await setup.alerts() == {"signer_refused_merchant": "warning"}
    await database.execute("UPDATE merchants SET status = 'approved' WHERE id = $1", setup.merchant_id)
    assert (await setup.until_confirmed(requested.id)).waiting_reason is None


async def test_no_more_than_the_limit_of_transactions_wait_for_a_block(
    setup: SignerUnderTest, still_chain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert account_funds.MAX_UNMINED == 64  # geth's --txpool.accountqueue
    monkeypatch.setattr(account_funds, "MAX_UNMINED", 2)
    first, second, third = [await setup.approved("1.00") for _ in range(3)]
    await setup.rounds(2)
    assert [len(await setup.transactions(one.id)) for one in (first, second, third)] == [1, 1, 0]
    assert (await setup.read(third.id)).waiting_reason == "earlier transactions of the hot wallet wait for a block"
    await setup.driver.mine(1)
    await setup.rounds(2)
    assert len(await setup.transactions(third.id)) == 1


async def test_a_second_signer_waits_for_the_nonce(setup: SignerUnderTest) -> None:
    """Two signers at once, before either has committed: the second must not be handed the nonce of the first."""
    await setup.until_confirmed((await setup.approved("1.00")).id)  # the row is there
    async with database.transaction():
        assert await account_nonces_repository.lock_nonce(NETWORK, setup.hot, 1) == 1

        async def second() -> int:
            async with database.transaction():
                return await account_nonces_repository.lock_nonce(NETWORK, setup.hot, 1)

        waits = asyncio.create_task(second(), context=contextvars.Context())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waits), 0.3)
        await database.execute("UPDATE wallet_nonces SET next_nonce = 2")
    assert await waits == 2


async def test_an_edited_digest_does_not_help_without_operators_who_approve_it(setup: SignerUnderTest) -> None:
    requested, thief = await setup.approved("12.00"), new_address()
    forged = digest(Intent(requested.id, "USDT", NETWORK, 12_000_000, thief, None)).hex()
    await as_superuser(
        f"UPDATE withdrawals SET destination = '{thief}', digest = '\\x{forged}' WHERE id = '{requested.id}'"
    )
    await setup.rounds(2, blocks=1)
    assert await setup.transactions(requested.id) == []
    assert (await setup.alerts())["signer_refused_digest"] == "critical"


async def test_a_status_set_in_the_database_is_no_approval(setup: SignerUnderTest) -> None:
    requested, large = (
        await setup.request_payout("12.00"),
        await setup.approved("100.01"),
    )  # which needs a second operator
    await as_superuser(
        "UPDATE withdrawals SET status = 'approved', approved_at = now(), approvals_required = 1"
        f" WHERE id IN ('{requested.id}', '{large.id}')"
    )
    await setup.rounds(2)
    assert (await setup.alerts())["signer_refused_approvals"] == "critical"
    assert await setup.transactions() == []
    assert await database.fetch_value("SELECT count(*) FROM withdrawals WHERE held") == 2


async def test_postgres_refuses_a_transaction_that_nobody_approved(setup: SignerUnderTest) -> None:
    requested = await setup.request_payout("12.00")
    with pytest.raises(asyncpg.RestrictViolationError, match="nothing may be sent"):
        await sign(requested.id)


async def test_a_forged_row_is_not_bumped_into_a_payment(setup: SignerUnderTest) -> None:
    """Whoever writes to the database may insert a "transaction": it was never signed, so it is never signed again."""
    thief = new_address()
    await outgoing.store(
        network=NETWORK,
        purpose="gas",
        from_address=setup.hot,
        to_address=thief,
        asset="USDT",
        amount_raw=400_000_000,
        txid="0x" + 64 * "a",
        signed_bytes=b"\x02",
        created_at=clock.now() - timedelta(hours=1),
    )
    with pytest.raises(NotOurs):
        await setup.signer.tick()
    assert len(await setup.transactions(purpose="gas")) == 1
    assert await setup.sent_to(thief) == []


async def test_a_transaction_that_was_edited_is_not_bumped_into_a_second_payment(setup: SignerUnderTest) -> None:
    """A superuser makes a payout that is on chain look unsent, under the next nonce, and waits for the fee bump."""
    requested = await setup.approved("12.00")
    await setup.rounds(2)
    assert await setup.sent_to(requested.destination) == [12_000_000]
    await as_superuser(
        f"UPDATE outgoing_transactions SET nonce = 1, txid = '0x{64 * 'b'}', signed_bytes = '\\x02',"
        " block_height = NULL, block_hash = NULL, created_at = created_at - interval '1 hour'"
    )
    with pytest.raises(NotOurs, match="is not what was signed"):
        await setup.signer.tick()
    assert len(await setup.transactions()) == 1
    assert await setup.sent_to(requested.destination) == [12_000_000]


async def test_a_transaction_whose_form_was_edited_is_not_bumped(setup: SignerUnderTest, still_chain: None) -> None:
    """Its bytes are left as they are: a bump would be made of the row, with ten times the gas."""
    await setup.approved("12.00")
    await setup.rounds()
    await as_superuser(
        """
        UPDATE outgoing_transactions SET form = replace(form, '"gas_limit":', '"gas_limit":1'),
            created_at = created_at - interval '1 hour'
        """
    )
    with pytest.raises(NotOurs, match="is not what was signed"):
        await setup.signer.tick()
    assert len(await setup.transactions()) == 1


async def test_ceilings_hold_whatever_the_database_says(setup: SignerUnderTest) -> None:
    # Given a payout above the ceiling of one transaction, and three that together are above that of a day,
    large = await setup.approved_by_two("200.01")
    first, second, third = [await setup.approved_by_two("150.00") for _ in range(3)]
    await setup.rounds(6, blocks=1)
    statuses = {one.id: (await setup.read(one.id)).status for one in (large, first, second, third)}
    assert statuses == {large.id: "approved", first.id: "confirmed", second.id: "confirmed", third.id: "approved"}
    assert set(await setup.alerts()) >= {"signer_refused_ceiling", "signer_refused_day_ceiling"}
    assert (await setup.read(third.id)).waiting_reason == "the signer's ceiling for 24 hours is reached"
    # when the database forgets what was signed today, then the signer does not,
    await as_superuser("UPDATE outgoing_transactions SET created_at = created_at - interval '2 days'")
    await setup.rounds(2, blocks=1)
    assert await setup.transactions(third.id) == []
    # and after the day it is paid; the large one needs an operator.
    clock.shift(timedelta(hours=24))
    await setup.top_up("USDT", 500_000_000)
    await setup.until_confirmed(third.id)
    assert await setup.transactions(large.id) == []
    await as_superuser("UPDATE outgoing_transactions SET created_at = created_at + interval '2 days'")


async def test_a_chain_that_is_ahead_of_the_books_stops_the_signer(
    setup: SignerUnderTest, environment: dict[str, str]
) -> None:
    """After a restored backup the ledgers lack payments of the chain: to continue would pay them twice."""
    requested = await setup.approved("5.00")
    await setup.until_confirmed(requested.id)
    again = await setup.approved("5.00")
    await as_superuser("UPDATE wallet_nonces SET next_nonce = 0")
    with pytest.raises(UnknownTransaction, match="adopt-nonce"):
        await setup.signer.tick()
    assert await setup.transactions(again.id) == []
    # Until an operator has attached or skipped each transaction.
    clock.unshift()
    boss = await operator(setup.services.settings.data_keys, "second@example.test")
    asked_for = ("--nonce", "1", "--reason", "block 7 is PO-1", "--operator", boss.email, "--password", PASSWORD)
    done = swap_pay(environment, "signer", "adopt-nonce", "--network", NETWORK, *asked_for, "--code", boss.code())
    assert done.returncode == 0, done.stderr
    audited = await database.fetch_one("SELECT actor, subject FROM audit_entries ORDER BY id DESC LIMIT 1")
    assert audited is not None
    assert tuple(audited) == (f"account:{boss.id}", NETWORK)
    await setup.until_confirmed(again.id)
    await setup.check()
