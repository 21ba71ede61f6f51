"""Nobody approves their own request, by cabinet or API, or a withdrawal of a merchant that they belong to."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from app.accounts.operators import ActionRefused
from app.accounts.operators import Operator as ActingOperator
from app.api_keys import administration as key_administration
from app.core import clock, database
from app.ledger.hashchain import ChainId
from app.merchants import administration, applications, team
from app.merchants.applications_repository import Facts
from app.merchants.members import Member, member
from app.merchants.repository import AssetTerms
from app.wiring import Services
from app.withdrawals import holds
from app.withdrawals.approvals import ApprovalRefused
from app.withdrawals.holds import HoldRefused
from tests.factories.merchants import join, leave, make_member, merchant, terms
from tests.factories.operators import Operator, operator
from tests.factories.tampering import as_superuser
from tests.factories.withdrawals import NETWORK, approve, fund, payout, sign


@pytest.fixture
async def merchant_id(services: Services) -> str:
    """A merchant with 100 USDT and an owner."""
    found = (await terms(service_fee_bps=0)).merchant_id
    await make_member(merchant_id=found, role="owner", email="owner@example.test", now=clock.now())
    await fund(found, 100_000_000)
    return found


@pytest.fixture
async def ops(services: Services) -> Operator:
    return await operator(services.settings.data_keys)


@pytest.fixture
async def other(services: Services) -> Operator:
    return await operator(services.settings.data_keys, "other@example.test")


async def as_member(merchant_id: str, account_id: str) -> Member:
    found = await member(account_id, merchant_id, address="192.0.2.7")
    assert found is not None
    return found


async def refused(services: Services, withdrawal_id: str, by: Operator) -> str:
    """The reason why the service refuses an approval; checks that Postgres refuses the row too."""
    with pytest.raises(asyncpg.RestrictViolationError):
        await database.execute(
            "INSERT INTO approvals (withdrawal, account, digest, created_at)"
            " SELECT id, $2, digest, $3 FROM withdrawals WHERE id = $1",
            withdrawal_id,
            by.id,
            clock.now(),
        )
    with pytest.raises(ApprovalRefused) as refusal:
        await services.approvals.approve(withdrawal_id, by.id, by.next_code(), clock.now())
    return str(refusal.value)


async def issue(services: Services, by: Member) -> str:
    """Create a key with the scope for payouts in the cabinet. Returns its id."""
    key, _ = await key_administration.issue(
        by,
        services.settings.api_key_peppers,
        mode="test",
        name="payroll",
        scopes=["payouts.write"],
        allowlist=[],
        rate_limit_per_minute=60,
        expires_at=None,
        now=clock.now(),
    )
    return key.id


async def test_the_creator_of_a_key_counts_as_its_requester(
    services: Services, merchant_id: str, ops: Operator, other: Operator
) -> None:
    """An operator is an admin of the merchant for a while, makes a key, and leaves: the key is still theirs."""
    await join(merchant_id, ops.id)
    key_id = await issue(services, await as_member(merchant_id, ops.id))
    await team.leave(await as_member(merchant_id, ops.id), clock.now())
    await as_superuser("UPDATE former_members SET left_at = left_at - interval '1 year'")
    requested = await payout(services, merchant_id, requested_by=f"api_key:{key_id}")
    assert "API key whose secret you have seen" in await refused(services, requested.id, ops)
    await approve(services, requested.id, other)


async def test_who_rotated_a_key_counts_as_requester_and_its_creator_still_does(
    services: Services, merchant_id: str, ops: Operator, other: Operator
) -> None:
    for account in (ops, other):
        await join(merchant_id, account.id)
    key_id = await issue(services, await as_member(merchant_id, ops.id))
    rotated = {"mode": "test", "key_id": key_id, "grace_hours": 0, "now": clock.now()}
    peppers = services.settings.api_key_peppers
    await key_administration.rotate(await as_member(merchant_id, other.id), peppers, **rotated)  # type: ignore[arg-type]
    for account in (ops, other):
        await leave(merchant_id, account.id)
    await as_superuser("UPDATE former_members SET left_at = left_at - interval '1 year'")
    requested = await payout(services, merchant_id, requested_by=f"api_key:{key_id}")
    for account in (ops, other):
        assert "whose secret you have seen" in await refused(services, requested.id, account)
    for change in ("UPDATE api_key_holders SET since = now()", "DELETE FROM api_key_holders"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await database.execute(change)


async def test_members_approve_nothing_however_briefly_they_belong(
    services: Services, merchant_id: str, ops: Operator, other: Operator
) -> None:
    # When it is requested, or invited afterwards,
    first = await payout(services, merchant_id)
    await join(merchant_id, ops.id, "viewer")
    second = await payout(services, merchant_id)
    for requested in (first, second):
        assert "you belong to the merchant" in await refused(services, requested.id, ops)
    # and having left again before the approval.
    await leave(merchant_id, ops.id)
    for requested in (first, second):
        assert "you belong to the merchant, or did" in await refused(services, requested.id, ops)
        await approve(services, requested.id, other)
    # A person who left before the request has no conflict.
    await as_superuser("UPDATE former_members SET left_at = left_at - interval '2 hours'")
    third = await payout(services, merchant_id)
    await approve(services, third.id, ops)


async def test_an_approver_who_joins_before_it_is_signed_does_not_count(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    requested = await payout(services, merchant_id)
    await approve(services, requested.id, ops)
    await join(merchant_id, ops.id)
    with pytest.raises(asyncpg.RestrictViolationError, match="0 of 1 approvals"):
        async with database.transaction():
            await sign(requested.id)


async def test_an_operator_may_stop_a_payout_of_their_merchant_but_not_release_it(
    services: Services, merchant_id: str, ops: Operator, other: Operator
) -> None:
    requested = await payout(services, merchant_id)
    await join(merchant_id, ops.id)
    async with database.transaction():
        await holds.place(ChainId(owner=merchant_id, network=NETWORK, asset="USDT"), "a reorganisation", clock.now())
    (hold,) = await holds.open_holds()
    with pytest.raises(HoldRefused, match="you belong to"):
        await holds.release(hold.id, ops.id, "all is well", clock.now())
    await holds.release(hold.id, other.id, "all is well", clock.now())
    await approve(services, requested.id, other)
    await database.execute("UPDATE withdrawals SET held = true WHERE id = $1", requested.id)
    with pytest.raises(HoldRefused, match="you belong to"):
        await holds.release_refused(requested.id, ops.id, "the ceiling was raised", clock.now())
    await services.approvals.reject(requested.id, ops.id, "this is not us", clock.now())


async def test_operators_decide_nothing_in_favour_of_their_own_merchant(
    services: Services, merchant_id: str, ops: Operator
) -> None:
    await join(merchant_id, ops.id)
    by, now = ActingOperator(account_id=ops.id, address=None), clock.now()
    network = services.networks.get(NETWORK)
    asset = network.asset("USDT")
    assert asset is not None
    no_cap = AssetTerms(enabled=True, min_raw=None, max_raw=None, daily_cap_raw=None)
    facts = Facts(
        name="Tea & Co",
        legal_name="Tea & Co Ltd",
        country="DE",
        website="https://tea.example",
        business="Tea, sold by post to homes.",
        monthly_volume="under_10k",
    )
    own = await applications.apply(facts, services.networks, account_id=ops.id, address="192.0.2.7", now=now)
    application: int = await database.fetch_value("SELECT id FROM merchant_applications WHERE merchant = $1", own)
    favours: list[Callable[[], Awaitable[None]]] = [
        lambda: administration.set_terms(merchant_id, 0, 0, by, now),
        lambda: administration.set_asset_terms(merchant_id, network, asset, no_cap, by, now),
        lambda: applications.approve(application, services.networks, by, now, public_url="https://pay.example"),
    ]
    for favour in favours:
        with pytest.raises(ActionRefused, match="you belong to the merchant"):
            await favour()
    await administration.suspend(merchant_id, "to be safe", by, now)
    with pytest.raises(ActionRefused, match="you belong to the merchant"):
        await administration.reinstate(merchant_id, "it is mine", by, now)


@pytest.mark.parametrize("status", ["suspended", "banned"])
async def test_a_suspended_merchant_gets_no_payout(services: Services, ops: Operator, status: str) -> None:
    merchant_id = await merchant()
    await fund(merchant_id, 100_000_000)
    requested = await payout(services, merchant_id)
    await database.execute("UPDATE merchants SET status = $2 WHERE id = $1", merchant_id, status)
    assert await refused(services, requested.id, ops) == f"the merchant is {status}: nothing leaves its balance"
    await database.execute("UPDATE merchants SET status = 'approved' WHERE id = $1", merchant_id)
    await approve(services, requested.id, ops)
