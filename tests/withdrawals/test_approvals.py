"""Nothing is paid without an operator: who may approve, how often, and what Postgres itself refuses."""

import asyncio
import json
from datetime import timedelta

import asyncpg
import pytest

from app.accounts import links, operators, totp
from app.accounts import repository as accounts
from app.accounts.totp import CodeRefused, TooManyTries
from app.core import clock, database
from app.ledger.hashchain import ChainId
from app.wiring import Services
from app.withdrawals import holds
from app.withdrawals.approvals import ApprovalRefused, expire_stale, waiting
from app.withdrawals.repository import withdrawals_to_sign
from tests.factories import outgoing
from tests.factories.merchants import make_member, terms
from tests.factories.operators import Operator, operator
from tests.factories.withdrawals import NETWORK, approve, balance, event_types, fund, payout, send, sign


@pytest.fixture
def chain_settings(chain_settings):  # type: ignore[no-untyped-def]
    """More than 50.00 USDT needs two operators."""

    def make(**options: object):  # type: ignore[no-untyped-def]
        settings = chain_settings(**options)
        text = settings.networks_file.read_text()
        settings.networks_file.write_text(
            text.replace("decimals = 6", "decimals = 6\napproval_threshold_raw = 50000000")
        )
        return settings

    return make


@pytest.fixture
async def merchant_id(services: Services) -> str:
    """A merchant with 100 USDT."""
    merchant = await terms(service_fee_bps=0)
    await fund(merchant.merchant_id, 100_000_000)
    return merchant.merchant_id


@pytest.fixture
async def ops(services: Services) -> Operator:
    return await operator(services.settings.data_keys)


async def tries(services: Services, withdrawal_id: str, by: Operator, code: str) -> str:
    try:
        return await services.approvals.approve(withdrawal_id, by.id, code, clock.now())
    except (ApprovalRefused, CodeRefused) as error:
        return type(error).__name__


async def test_an_operator_approves_with_a_fresh_code(services: Services, merchant_id: str, ops: Operator) -> None:
    requested = await payout(services, merchant_id)
    assert [w.id for w in await waiting()] == [requested.id]
    assert await tries(services, requested.id, ops, ops.code()) == "approved"
    assert await waiting() == []
    (ready,) = await withdrawals_to_sign(NETWORK)
    stored = await database.fetch_one("SELECT digest, withdrawal FROM approvals")
    assert stored is not None
    assert (stored["digest"], stored["withdrawal"]) == (ready.digest, requested.id)
    audited = await database.fetch_one("SELECT actor, subject FROM audit_entries WHERE action = 'withdrawal.approved'")
    assert audited is not None
    assert tuple(audited) == (f"account:{ops.id}", requested.id)


async def test_one_code_is_accepted_once_however_many_at_once(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    requested = [await payout(services, merchant_id, "1.00") for _ in range(20)]
    code = ops.code()
    outcomes = await asyncio.gather(*(tries(services, one.id, ops, code) for one in requested))
    assert outcomes.count("approved") == 1
    assert set(outcomes) <= {"approved", "CodeRefused", "TooManyTries"}
    clock.shift(timedelta(minutes=6))
    left = [one for one, outcome in zip(requested, outcomes, strict=True) if outcome != "approved"]
    assert await tries(services, left[0].id, ops, code) == "CodeRefused"
    assert await tries(services, left[0].id, ops, ops.code()) == "approved"


async def test_five_wrong_codes_in_five_minutes_twenty_an_hour(services: Services, ops: Operator) -> None:
    keys = services.settings.data_keys

    async def guess(code: str) -> type[Exception] | None:
        try:
            await totp.verify(keys, ops.id, code, clock.now())
        except CodeRefused as error:
            return type(error)
        return None

    wrong = f"{(int(ops.code()) + 500_000) % 1_000_000:06d}"
    at_once = await asyncio.gather(*(guess(wrong) for _ in range(100)))
    assert at_once.count(CodeRefused) == 5
    assert await guess(ops.code()) is TooManyTries
    for _ in range(3):
        clock.shift(timedelta(minutes=5, seconds=1))
        assert [await guess("abcdef") for _ in range(5)] == [CodeRefused] * 5
    clock.shift(timedelta(minutes=5, seconds=1))
    assert await guess(ops.code()) is TooManyTries  # the twentieth of the hour was the last
    clock.shift(timedelta(hours=1))
    assert await guess(ops.code()) is None
    assert await guess(ops.next_code()) is None


async def test_large_amounts_need_two_different_operators(services: Services, merchant_id: str, ops: Operator) -> None:
    requested = await payout(services, merchant_id, "50.000001")
    second = await operator(services.settings.data_keys, "second@example.test")
    assert await tries(services, requested.id, ops, ops.next_code()) == "pending_approval"
    assert await tries(services, requested.id, ops, ops.next_code()) == "ApprovalRefused"
    assert await withdrawals_to_sign(NETWORK) == []
    assert await tries(services, requested.id, second, second.code()) == "approved"


async def test_an_approval_ends_with_the_right_to_give_one(services: Services, merchant_id: str, ops: Operator) -> None:
    """An approval of a removed operator does not count: two of the remaining ones must approve."""
    requested = await payout(services, merchant_id, "50.000001")
    second, third = [await operator(services.settings.data_keys, f"{name}@example.test") for name in ("b", "c")]
    assert await tries(services, requested.id, ops, ops.next_code()) == "pending_approval"
    async with database.transaction():
        await operators.remove(ops.email)
    assert await tries(services, requested.id, second, second.code()) == "pending_approval"
    assert await withdrawals_to_sign(NETWORK) == []
    assert await tries(services, requested.id, third, third.code()) == "approved"
    with pytest.raises(ApprovalRefused, match="operators alone"):
        await services.approvals.approve(requested.id, ops.id, ops.next_code(), clock.now())


async def test_approvals_since_a_sign_in_that_is_disowned_are_taken_back(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    """What is not signed is rejected, also where another operator has approved it too. Earlier ones stand."""
    before, after, signed = [await payout(services, merchant_id, "1.00") for _ in range(3)]
    large = await payout(services, merchant_id, "60.00")
    await approve(services, before.id, ops)
    clock.shift(timedelta(minutes=1))
    async with database.transaction():
        person = await accounts.lock(ops.id)
        token = await links.create("not_me", links.of(person, person.email), clock.now())
    for one in (after, signed, large):
        await approve(services, one.id, ops)
    async with database.transaction():
        await sign(signed.id)
    done = await services.not_me.disown(token, address="192.0.2.1", now=clock.now())
    assert done is not None
    rows = await database.fetch_all("SELECT id, status FROM withdrawals")
    assert {row["id"]: row["status"] for row in rows} == {
        before.id: "approved",
        signed.id: "approved",
        after.id: "rejected",
        large.id: "rejected",
    }
    ended = await services.withdrawal_reader.payout(merchant_id, "test", after.id)
    assert ended is not None
    assert "somebody else was signed in as them" in (ended.status_reason or "")
    details = await database.fetch_value("SELECT details FROM alerts WHERE kind = 'sign_in_disowned'")
    assert sorted(json.loads(details)["approvals_stopped"]) == sorted((after.id, large.id))
    assert await services.not_me.disown(token, address="192.0.2.1", now=clock.now()) is None


async def test_the_requester_does_not_approve_and_members_do_not_either(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    own = await payout(services, merchant_id, requested_by=f"account:{ops.id}")
    assert await tries(services, own.id, ops, ops.next_code()) == "ApprovalRefused"
    member = await make_member(merchant_id=merchant_id, role="owner", email="owner@example.test", now=clock.now())
    with pytest.raises(ApprovalRefused, match="operators alone"):
        await services.approvals.approve(own.id, member, "000000", clock.now())
    digest = await database.fetch_value("SELECT digest FROM withdrawals WHERE id = $1", own.id)
    for account in (ops.id, member):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(
                "INSERT INTO approvals (withdrawal, account, digest, created_at) VALUES ($1, $2, $3, $4)",
                own.id,
                account,
                digest,
                clock.now(),
            )


async def test_a_rejection_has_a_reason_and_releases_the_money(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    requested = await payout(services, merchant_id)
    with pytest.raises(ApprovalRefused, match="reason"):
        await services.approvals.reject(requested.id, ops.id, " ", clock.now())
    await services.approvals.reject(requested.id, ops.id, "the destination is sanctioned", clock.now())
    rejected = await services.withdrawal_reader.payout(merchant_id, "test", requested.id)
    assert rejected is not None
    assert (rejected.status, rejected.status_reason) == ("rejected", "the destination is sanctioned")
    assert await balance(merchant_id) == (100_000_000, 0)
    assert (await event_types(requested.id))[-1] == "payout.rejected"
    assert await tries(services, requested.id, ops, ops.next_code()) == "ApprovalRefused"


async def test_an_approved_payout_is_rejected_only_while_nothing_is_signed(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    early, late = await payout(services, merchant_id), await payout(services, merchant_id)
    await approve(services, early.id, ops)
    await approve(services, late.id, ops)
    await services.approvals.reject(early.id, ops.id, "on second thoughts", clock.now())
    async with database.transaction():
        await sign(late.id)
    with pytest.raises(ApprovalRefused, match="signed"):
        await services.approvals.reject(late.id, ops.id, "too late", clock.now())
    assert await balance(merchant_id) == (90_000_000, 10_000_000)


async def test_stale_requests_expire(services: Services, merchant_id: str, ops: Operator) -> None:
    stale = await payout(services, merchant_id)
    clock.shift(timedelta(days=6))
    fresh, approved = await payout(services, merchant_id), await payout(services, merchant_id)
    await approve(services, approved.id, ops)
    clock.shift(timedelta(days=1, minutes=1))
    assert await expire_stale(services.withdrawals, 7, clock.now()) == 1
    assert await expire_stale(services.withdrawals, 7, clock.now()) == 0
    ended = await services.withdrawal_reader.payout(merchant_id, "test", stale.id)
    assert ended is not None
    assert (ended.status, ended.status_reason) == ("rejected", "not approved within 7 days")
    assert [w.id for w in await waiting()] == [fresh.id]
    assert await balance(merchant_id) == (80_000_000, 20_000_000)


async def test_postgres_refuses_an_unapproved_transaction(services: Services, merchant_id: str, ops: Operator) -> None:
    requested, large = await payout(services, merchant_id), await payout(services, merchant_id, "60.00")
    await approve(services, large.id, ops)  # one of two
    for unapproved in (requested.id, large.id):
        with pytest.raises(asyncpg.RestrictViolationError, match="nothing may be sent"):
            async with database.transaction():
                await sign(unapproved)
    await approve(services, requested.id, ops)
    with pytest.raises(asyncpg.RestrictViolationError, match="not what was approved"):
        await outgoing.store(
            network=NETWORK,
            withdrawal=requested.id,
            to_address=requested.destination,
            asset="USDT",
            amount_raw=10_000_001,
            txid="0x1",
        )
    for change in ("UPDATE approvals SET digest = '\\x00'", "DELETE FROM approvals", "TRUNCATE approvals"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await database.execute(change)
    await send(services, requested.id)


async def test_a_row_that_was_edited_past_the_triggers_is_not_approved(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    requested = await payout(services, merchant_id)
    async with database.transaction():
        await database.execute("SET LOCAL session_replication_role = replica")  # a superuser, without triggers
        await database.execute("UPDATE withdrawals SET destination = $2 WHERE id = $1", requested.id, "0x" + 40 * "9")
    assert await tries(services, requested.id, ops, ops.code()) == "ApprovalRefused"
    alert = await database.fetch_one("SELECT severity, kind FROM alerts")
    assert alert is not None
    assert tuple(alert) == ("critical", "withdrawal_tampered")
    assert await withdrawals_to_sign(NETWORK) == []


async def test_a_hold_stops_unsent_and_later_withdrawals(services: Services, merchant_id: str, ops: Operator) -> None:
    requested, approved = await payout(services, merchant_id), await payout(services, merchant_id)
    await approve(services, approved.id, ops)
    async with database.transaction():
        await holds.place(ChainId(owner=merchant_id, network=NETWORK, asset="USDT"), "a reorganisation", clock.now())
    later = await payout(services, merchant_id)
    assert await tries(services, requested.id, ops, ops.next_code()) == "ApprovalRefused"
    assert (later.held, await withdrawals_to_sign(NETWORK)) == (True, [])
    with pytest.raises(asyncpg.RestrictViolationError):
        async with database.transaction():
            await sign(approved.id)

    (hold,) = await holds.open_holds()
    assert hold.withdrawals_held == 3
    await holds.release(hold.id, ops.id, "all is well", clock.now())
    assert [ready.id for ready in await withdrawals_to_sign(NETWORK)] == [approved.id]
    await approve(services, requested.id, ops)
    assert not (await payout(services, merchant_id)).held
