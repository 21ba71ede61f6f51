"""What operators do: each action checks, changes and is recorded with who, why and from where, or not at all."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from app.accounts import operators
from app.accounts import repository as accounts_repository
from app.accounts.operators import ActionRefused, NotAnOperator, Operator, TotpMissing
from app.alerts.service import raise_alert
from app.backoffice import alerts, queue, service
from app.core import clock, database
from app.core.errors import ApiError, Code
from app.ledger.hashchain import ChainId
from app.merchants import administration, switches
from app.merchants.repository import AssetTerms
from app.reconciliation import repository as runs
from app.reconciliation import requests
from app.reconciliation.service import RUN_LOCK, RunInProgress
from app.sandbox.chain_driver import AnvilDriver
from app.signer.policy import refuse
from app.signer.refusal import Refused
from app.wiring import Services
from app.withdrawals import holds
from app.withdrawals.approvals import ApprovalRefused
from app.withdrawals.holds import HoldRefused
from app.withdrawals.repository import withdrawals_to_sign
from tests.factories.invoices import invoice
from tests.factories.letters import letters
from tests.factories.merchants import make_member, terms
from tests.factories.operators import Operator as Staff
from tests.factories.payments import pay_on_chain
from tests.factories.withdrawals import NETWORK, approve, payout
from tests.operator.conftest import signed_in


async def last_entry() -> tuple[str, str, str, str | None, dict[str, Any]]:
    """The newest audit row: actor, action, subject, address, details."""
    row = await database.fetch_one(
        "SELECT actor, action, subject, address, details FROM audit_entries ORDER BY id DESC LIMIT 1"
    )
    assert row is not None
    return row["actor"], row["action"], row["subject"], row["address"], json.loads(row["details"])


async def count_of_entries() -> int:
    return int(await database.fetch_value("SELECT count(*) FROM audit_entries"))


async def status(merchant_id: str) -> str:
    return str(await database.fetch_value("SELECT status FROM merchants WHERE id = $1", merchant_id))


async def test_only_operators_with_totp_may_act(services: Services, ops: Staff, merchant_id: str) -> None:
    found = operators.operator_from_session(await signed_in(ops.id), address="192.0.2.7")
    assert (found.account_id, found.actor, found.address) == (ops.id, f"account:{ops.id}", "192.0.2.7")
    await database.execute("UPDATE accounts SET totp_secret_sealed = NULL WHERE id = $1", ops.id)
    with pytest.raises(TotpMissing):
        operators.operator_from_session(await signed_in(ops.id), address=None)
    owner = await make_member(merchant_id=merchant_id, role="owner", email="owner@example.test", now=clock.now())
    with pytest.raises(NotAnOperator):
        operators.operator_from_session(await signed_in(owner), address=None)
    assert [one.account_id for one in await accounts_repository.operators()] == [ops.id]


async def test_a_merchant_is_suspended_reinstated_and_banned_with_reasons(
    services: Services, merchant_id: str, by: Operator
) -> None:
    await make_member(merchant_id=merchant_id, role="owner", email="owner@example.test", now=clock.now())
    await make_member(merchant_id=merchant_id, role="viewer", email="viewer@example.test", now=clock.now())
    await administration.suspend(merchant_id, "  chargebacks  ", by, clock.now())
    assert await status(merchant_id) == "suspended"
    assert await last_entry() == (
        by.actor,
        "merchant.suspended",
        merchant_id,
        "192.0.2.7",
        {"was": "approved", "reason": "chargebacks"},
    )
    (letter,) = await letters()
    assert (letter.recipient, letter.subject) == ("owner@example.test", "Your merchant was suspended")
    assert "chargebacks" in letter.body
    with pytest.raises(ActionRefused, match="is suspended"):
        await administration.suspend(merchant_id, "again", by, clock.now())
    await administration.reinstate(merchant_id, "settled", by, clock.now())
    await administration.ban(merchant_id, "fraud", by, clock.now())
    assert await status(merchant_id) == "banned"
    with pytest.raises(ActionRefused):
        await administration.suspend(merchant_id, "less", by, clock.now())
    await administration.reinstate(merchant_id, "it was another company", by, clock.now())
    assert await status(merchant_id) == "approved"


async def test_an_action_without_a_reason_or_a_merchant_changes_nothing(
    services: Services, merchant_id: str, by: Operator
) -> None:
    before = await count_of_entries()
    for reason in ("", "  \n", "x" * 501):
        with pytest.raises(ApiError) as refusal:
            await administration.suspend(merchant_id, reason, by, clock.now())
        assert refusal.value.code == Code.INVALID_INPUT
    with pytest.raises(ApiError) as refusal:
        await administration.ban("MCH-0000000000", "who?", by, clock.now())
    assert refusal.value.code == Code.NOT_FOUND
    assert (await count_of_entries(), await status(merchant_id)) == (before, "approved")


async def test_fee_and_tolerance_are_recorded_before_and_after(
    services: Services, merchant_id: str, by: Operator
) -> None:
    await administration.set_terms(merchant_id, 120, 0, by, clock.now())
    assert (await last_entry())[1:] == (
        "merchant.fee_changed",
        merchant_id,
        "192.0.2.7",
        {"was": 80, "is_now": 120},
    )
    await administration.set_terms(merchant_id, 120, 50, by, clock.now())
    assert (await last_entry())[1:] == (
        "merchant.tolerance_changed",
        merchant_id,
        "192.0.2.7",
        {"was": 0, "is_now": 50},
    )
    before = await count_of_entries()
    await administration.set_terms(merchant_id, 120, 50, by, clock.now())  # nothing changes, nothing is written
    for fee_bps, tolerance_bps in ((5_001, 50), (-1, 50), (100, 1_001)):  # the last one's fee is not set either
        with pytest.raises(ApiError):
            await administration.set_terms(merchant_id, fee_bps, tolerance_bps, by, clock.now())
    assert await count_of_entries() == before
    row = await database.fetch_one("SELECT service_fee_bps, tolerance_bps FROM merchants WHERE id = $1", merchant_id)
    assert row is not None
    assert tuple(row) == (120, 50)


async def test_asset_terms_are_changed_and_recorded_as_strings(
    services: Services, merchant_id: str, by: Operator
) -> None:
    network = services.networks.get(NETWORK)
    usdt = network.asset("USDT")
    assert usdt is not None
    wanted = AssetTerms(enabled=False, min_raw=1_000_000, max_raw=10**30, daily_cap_raw=25_000_000)
    await administration.set_asset_terms(merchant_id, network, usdt, wanted, by, clock.now())
    entry = await last_entry()
    assert entry[1] == "merchant.asset_changed"
    assert entry[4]["is_now"] == {
        "enabled": False,
        "min_raw": "1000000",
        "max_raw": str(10**30),
        "daily_cap_raw": "25000000",
    }
    before = await count_of_entries()
    await administration.set_asset_terms(merchant_id, network, usdt, wanted, by, clock.now())
    for senseless in (
        AssetTerms(enabled=True, min_raw=2, max_raw=1, daily_cap_raw=None),
        AssetTerms(enabled=True, min_raw=None, max_raw=None, daily_cap_raw=10**78),
        AssetTerms(enabled=True, min_raw=-1, max_raw=None, daily_cap_raw=None),
    ):
        with pytest.raises(ApiError):
            await administration.set_asset_terms(merchant_id, network, usdt, senseless, by, clock.now())
    assert await count_of_entries() == before


async def test_a_switch_is_turned_once_with_a_reason(services: Services, merchant_id: str, by: Operator) -> None:
    outcomes = await asyncio.gather(
        *(switches.pause("payouts", "an incident", by, clock.now()) for _ in range(5)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ActionRefused"] * 4 + ["NoneType"]
    with pytest.raises(ApiError) as refusal:
        await payout(services, merchant_id)
    assert refusal.value.code == Code.PAYOUTS_DISABLED
    (invoices, payouts, refunds) = await switches.states()
    assert (invoices.is_paused, payouts.is_paused, payouts.reason, refunds.is_paused) == (
        False,
        True,
        "an incident",
        False,
    )
    with pytest.raises(ApiError):
        await switches.resume("payouts", " ", by, clock.now())
    await switches.resume("payouts", "it is over", by, clock.now())
    assert (await last_entry())[1:] == ("switch.resumed", "payouts", "192.0.2.7", {"reason": "it is over"})
    with pytest.raises(ActionRefused):
        await switches.resume("payouts", "again", by, clock.now())
    await payout(services, merchant_id)


async def test_an_alert_is_acknowledged_once_with_a_note(services: Services, by: Operator) -> None:
    for key in ("a", "b"):
        await raise_alert(
            severity="critical", kind="drift", dedupe_key=key, message=f"drift {key}", details={}, now=clock.now()
        )
    page = await alerts.page("open", None, None, 10)
    (newest, oldest), following = page, page.following
    assert following is None
    await service.acknowledge_alert(oldest.id, " recounted ", by, clock.now())
    assert (await last_entry())[1:] == ("alert.acknowledged", f"alert {oldest.id}", "192.0.2.7", {"note": "recounted"})
    before = await count_of_entries()
    for alert_id, note in ((oldest.id, "again"), (newest.id, " ")):
        with pytest.raises(ApiError):
            await service.acknowledge_alert(alert_id, note, by, clock.now())
    assert await count_of_entries() == before
    (closed,) = await alerts.page("acknowledged", None, None, 10)
    assert (closed.id, closed.acknowledged_by, closed.note) == (oldest.id, by.actor, "recounted")


async def test_a_repeated_alert_shows_the_notes_on_the_earlier_ones(services: Services, by: Operator) -> None:
    for note in ("first", "second"):
        await raise_alert(severity="warning", kind="k", dedupe_key="k", message="m", details={}, now=clock.now())
        (found,) = await alerts.page("open", None, None, 10)
        await service.acknowledge_alert(found.id, note, by, clock.now())
    await raise_alert(severity="warning", kind="k", dedupe_key="k", message="m", details={}, now=clock.now())
    (found,) = await alerts.page("open", None, None, 10)
    assert [before.note for before in await alerts.earlier(found)] == ["second", "first"]


async def test_a_run_is_requested_once_and_served(services: Services, driver: AnvilDriver, by: Operator) -> None:
    (watcher,) = services.watchers()
    await watcher.tick()
    requested = await asyncio.gather(*(requests.request(by, full=False, now=clock.now()) for _ in range(3)))
    assert len(set(requested)) == 1
    again = await requests.request(by, full=True, now=clock.now())
    waiting = await runs.run(again)
    assert waiting is not None
    assert (again, waiting.status, waiting.full, waiting.is_over) == (requested[0], "requested", True, False)
    assert waiting.requested_by == by.actor
    assert await services.reconciliation.run_requested(clock.now()) == again
    done = await runs.run(again)
    assert done is not None
    assert (done.is_over, done.cause, done.progress) == (True, "operator", "comparing with ethereum:test")
    assert await services.reconciliation.run_requested(clock.now()) is None
    assert (await last_entry())[1:3] == ("reconciliation.requested", f"run {again}")


async def test_a_request_waits_for_the_run_under_way_and_a_crashed_one_is_called_failed(
    services: Services, driver: AnvilDriver, by: Operator
) -> None:
    (watcher,) = services.watchers()
    await watcher.tick()
    requested = await requests.request(by, full=False, now=clock.now())
    async with database.pool().acquire() as other:
        await other.execute(f"SELECT pg_advisory_lock({RUN_LOCK.sql})")
        with pytest.raises(RunInProgress):
            await services.reconciliation.run_requested(clock.now())
        await other.execute(f"SELECT pg_advisory_unlock({RUN_LOCK.sql})")
    left: int = await database.fetch_value(
        """
        INSERT INTO reconciliation_runs (cause, "full", status, started_at, blocks, figures)
        VALUES ('schedule', false, 'running', $1, '{}', '{}') RETURNING id
        """,
        clock.now() - timedelta(days=1),
    )
    await services.reconciliation.run_requested(clock.now())
    crashed, done = await runs.run(left), await runs.run(requested)
    assert crashed is not None
    assert done is not None
    assert (crashed.status, done.is_over) == ("failed", True)


async def test_money_actions_record_the_client_address(
    services: Services, merchant_id: str, by: Operator, ops: Staff, driver: AnvilDriver, token: str
) -> None:
    now = clock.now()
    one, other = await payout(services, merchant_id), await payout(services, merchant_id)
    async with database.transaction():
        await holds.place(ChainId(owner=merchant_id, network=NETWORK, asset="USDT"), "a reorganisation", now)
    (hold,) = await holds.open_holds()
    await holds.release(hold.id, by.account_id, "settled", now, address=by.address)
    assert (await last_entry())[1:4] == ("hold.released", f"hold {hold.id}", "192.0.2.7")
    await services.approvals.approve(one.id, by.account_id, ops.next_code(), clock.now(), address=by.address)
    assert (await last_entry())[1:4] == ("withdrawal.approved", one.id, "192.0.2.7")
    await services.approvals.reject(other.id, by.account_id, "no", now, address=by.address)
    assert (await last_entry())[1:4] == ("withdrawal.rejected", other.id, "192.0.2.7")
    new = await invoice(services, await terms(service_fee_bps=0))
    await pay_on_chain(services, driver, token, new.pay_in.address, int(new.pay_in.amount_raw) - 1)
    deposit_id = await database.fetch_value("SELECT deposit FROM reviews")
    await services.reviews.close(deposit_id, by.account_id, "too little", now, address=by.address)
    assert (await last_entry())[1:4] == ("review.closed", deposit_id, "192.0.2.7")


async def test_what_was_not_shown_is_not_approved(services: Services, merchant_id: str, ops: Staff) -> None:
    one, other = await payout(services, merchant_id), await payout(services, merchant_id)
    shown = await database.fetch_value("SELECT digest FROM withdrawals WHERE id = $1", other.id)
    with pytest.raises(ApprovalRefused, match="not what you were shown"):
        await services.approvals.approve(one.id, ops.id, ops.next_code(), clock.now(), shown=shown)
    assert await database.fetch_value("SELECT count(*) FROM approvals") == 0
    await services.approvals.approve(other.id, ops.id, ops.next_code(), clock.now(), shown=shown)


async def test_only_an_operator_releases_what_the_signer_refused(
    services: Services, merchant_id: str, by: Operator, ops: Staff
) -> None:
    network, now = services.networks.get(NETWORK), clock.now()
    one, other = await payout(services, merchant_id), await payout(services, merchant_id)
    await approve(services, one.id, ops)
    await refuse(one.id, Refused("ceiling", "above the ceiling", held=True), network, now)
    assert [(held.id, held.reason) for held in await holds.refused()] == [(one.id, "above the ceiling")]
    assert (await queue.counts()).holds == 1
    assert await withdrawals_to_sign(NETWORK) == []
    for withdrawal_id, reason in ((other.id, "why not"), (one.id, " ")):
        with pytest.raises(HoldRefused):
            await holds.release_refused(withdrawal_id, by.account_id, reason, now)
    await holds.release_refused(one.id, by.account_id, "the ceiling was raised", now, address=by.address)
    assert (await last_entry())[1:4] == ("withdrawal.released", one.id, "192.0.2.7")
    assert [ready.id for ready in await withdrawals_to_sign(NETWORK)] == [one.id]


async def test_a_ledgers_hold_is_not_bypassed_one_by_one(
    services: Services, merchant_id: str, by: Operator, ops: Staff
) -> None:
    requested = await payout(services, merchant_id)
    await approve(services, requested.id, ops)
    async with database.transaction():
        await holds.place(ChainId(owner=merchant_id, network=NETWORK, asset="USDT"), "a reorganisation", clock.now())
    assert await holds.refused() == []
    with pytest.raises(HoldRefused):
        await holds.release_refused(requested.id, by.account_id, "it is urgent", clock.now())
    assert await withdrawals_to_sign(NETWORK) == []
