"""The next run finds each kind of drift, and alerts everybody."""

import asyncio
import hashlib
import hmac
import json
import mailbox
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from app.alerts import repository as alerts
from app.alerts import service as alert_service
from app.core import clock, database, metrics
from app.core.errors import ApiError
from app.core.mailers import build_mailer
from app.mail import service as mail
from app.monitoring import gauges as ops
from app.reconciliation import repository
from tests.factories.tampering import as_superuser, rewrite
from tests.invariants import assert_invariants
from tests.reconciliation.world import NETWORK, World
from tests.webhooks.receiving import Receiver, response


async def test_an_idle_gateway_has_no_drift(world: World) -> None:
    await world.payout(1_000_000)
    await world.settle()
    await assert_invariants(world.services)
    run, findings = await world.reconcile()
    assert (run.status, findings) == ("clean", [])
    block = run.blocks[NETWORK]
    assert (await world.driver.call("eth_getBlockByNumber", hex(block["height"]), False))["hash"] == block["hash"]
    held = run.figures[f"holdings:{NETWORK}"]
    assert held["USDT.expected_raw"] == held["USDT.held_raw"] != "0"
    assert held["ETH.expected_raw"] == held["ETH.held_raw"] != "0"
    assert await alerts.open_alerts() == []


async def delete_a_deposit(world: World) -> str:
    deposit = await database.fetch_value("SELECT id FROM deposits WHERE status = 'credited' ORDER BY id LIMIT 1")
    await as_superuser(f"DELETE FROM deposits WHERE id = '{deposit}'")
    return f"deposits: {deposit}: is booked, and there is no such deposit"


async def credit_what_is_dust(world: World) -> str:
    deposit = await database.fetch_value("SELECT id FROM deposits WHERE status = 'credited' ORDER BY id LIMIT 1")
    await as_superuser(f"UPDATE deposits SET verdict = 'dust' WHERE id = '{deposit}'")
    return f"deposits: {deposit}: is dust, and credited"


async def lose_a_review(world: World) -> str:
    deposit = await database.fetch_value("SELECT deposit FROM reviews ORDER BY deposit LIMIT 1")
    await as_superuser(f"DELETE FROM reviews WHERE deposit = '{deposit}'")
    verdict = await database.fetch_value("SELECT verdict FROM deposits WHERE id = $1", deposit)
    return f"deposits: {deposit}: is {verdict}, and has no review"


async def call_a_payment_exact_that_is_in_suspense(world: World) -> str:
    deposit = await database.fetch_value("SELECT id FROM deposits WHERE status = 'suspended' ORDER BY id LIMIT 1")
    await as_superuser(f"UPDATE deposits SET verdict = 'exact' WHERE id = '{deposit}'")
    return f"deposits: {deposit}: is exact, and in suspense"


async def change_a_balance(world: World) -> str:
    merchant = world.terms.merchant_id
    await as_superuser(f"UPDATE ledger_heads SET available_raw = available_raw + 5 WHERE owner = '{merchant}'")
    return f"balances: {merchant} USDT {NETWORK}: the balance is not the sum of the entries"


async def count_a_top_up_twice(world: World) -> str:
    await as_superuser("UPDATE hot_wallet_receipts SET amount_raw = 2 * amount_raw WHERE asset = 'ETH'")
    return f"conservation: ETH {NETWORK}: the ledgers together are not what came in less what went out"


async def confirm_without_a_transfer(world: World) -> str:
    payout = await world.payout(1_000_000, sent=False)
    return f"withdrawals: {payout}: is confirmed without a transfer"


async def confirm_a_transfer_that_never_was(world: World) -> str:
    payout = await world.payout(1_000_000)
    await as_superuser("UPDATE outgoing_transactions SET txid = '0x' || repeat('ab', 32)")
    await world.settle()
    return f"withdrawals: {payout}: is confirmed, and the chain does not have its transaction"


async def pay_somebody_else(world: World) -> str:
    payout = await world.payout(1_000_000)
    attacker = "0x000000000000000000000000000000000000dEaD"
    await as_superuser(
        f"UPDATE withdrawals SET destination = '{attacker}'",
        f"UPDATE outgoing_payments SET to_address = '{attacker}'",
    )
    await world.settle()
    return f"withdrawals: {payout}: is confirmed, and its transaction moved something else"


async def move_funds_on_chain(world: World) -> str:
    address = await database.fetch_value(
        "SELECT a.address FROM deposits d JOIN deposit_addresses a ON a.id = d.deposit_address"
        " WHERE d.asset = 'USDT' ORDER BY d.id LIMIT 1"
    )
    await world.driver.call("anvil_impersonateAccount", address)
    await world.driver.set_balance(address, 10**18)  # the attacker pays the gas; the remaining coins are found as well
    await world.send("USDT", "0x000000000000000000000000000000000000dEaD", 1_000_000, sender=address)
    await world.settle()
    return f"holdings: USDT {NETWORK}: the chain holds 1000000 minor units less than the ledgers owe"


async def give_a_merchant_money(world: World) -> str:
    await rewrite_credit(world)
    return f"hash_chains: {world.terms.merchant_id} USDT {NETWORK}: seq 1: rewritten within seq 1"


async def rewrite_credit(world: World) -> None:
    from app.ledger.hashchain import ChainId

    await rewrite(ChainId(owner=world.terms.merchant_id, asset="USDT", network=NETWORK), 1, 1_000_000)


async def lose_a_block(world: World) -> str:
    await as_superuser("DELETE FROM scanned_blocks WHERE height = (SELECT max(height) - 1 FROM scanned_blocks)")
    return f"coverage: {NETWORK}: the scanned blocks from"


async def write_a_secret_down(world: World) -> str:
    await database.execute(
        "INSERT INTO audit_entries (at, actor, action, subject, details) VALUES ($1, 'cli', 'oops', 'x', $2)",
        clock.now(),
        f'{{"key": "sspay_sec_live_abc123_{"Z" * 43}"}}',
    )
    return "secrets: audit_entries: a secret is stored in clear text"


async def pay_twice(world: World) -> str:
    payout = await world.payout(1_000_000)
    await world.settle()
    await as_superuser(
        "INSERT INTO outgoing_transactions (id, lineage, network, purpose, from_address, nonce, txid, signed_bytes,"
        " fee_cap_raw, form, status, block_height, block_hash, created_at)"
        " SELECT id + 1, id + 1, network, purpose, from_address, nonce + 1, '0x01',"
        " signed_bytes, 0, form, status, block_height, block_hash, created_at FROM outgoing_transactions",
        "INSERT INTO outgoing_payments (transaction, network, position, withdrawal, to_address, asset, amount_raw)"
        " SELECT transaction + 1, network, position, withdrawal, to_address, asset, amount_raw"
        " FROM outgoing_payments",
    )
    return f"withdrawals: {payout}: was paid more than once"


HARMS: list[Callable[[World], Awaitable[str]]] = [
    delete_a_deposit,
    credit_what_is_dust,
    lose_a_review,
    call_a_payment_exact_that_is_in_suspense,
    change_a_balance,
    count_a_top_up_twice,
    confirm_without_a_transfer,
    confirm_a_transfer_that_never_was,
    pay_somebody_else,
    pay_twice,
    move_funds_on_chain,
    give_a_merchant_money,
    lose_a_block,
    write_a_secret_down,
]


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
async def test_one_run_finds_it_and_alerts_everybody(
    world: World,
    hook: Receiver,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[World], Awaitable[str]],
) -> None:
    expected = await harm(world)
    run, findings = await world.reconcile(full=True)
    assert run.status == "drift"
    found_lines = [f"{finding.check}: {finding.subject}: {finding.message}" for finding in findings]
    assert any(line.startswith(expected) for line in found_lines), found_lines
    with pytest.raises(AssertionError, match=expected.split(":", maxsplit=1)[0]):
        await assert_invariants(world.services)

    # In the log, on /metrics, and open until an operator acknowledges it.
    logged = [record.msg for record in caplog.records if record.levelname == "CRITICAL"]
    assert any(isinstance(line, dict) and line["message"].startswith(expected) for line in logged)
    exposed = metrics.render(await ops.gauges(clock.now())).decode()
    assert 'swap_pay_alerts_open{kind="drift",severity="critical"}' in exposed
    (alert, *_) = [alert for alert in await alerts.open_alerts() if alert.message.startswith(expected)]
    assert (alert.severity, alert.kind, json.loads(alert.details)["run"]) == ("critical", "drift", run.id)

    # By mail, to each recipient, and at the hook, signed.
    routes = world.services.alert_routes
    await routes.route_new(clock.now())
    await mail.send_waiting(build_mailer(world.services.settings))
    letters = [letter for letter in mailbox.Maildir(tmp_path / "mail") if expected[:30] in str(letter["Subject"])]
    assert {letter["To"] for letter in letters} == {"ops@example.test", "oncall@example.test"}
    await routes.post_waiting()
    assert world.services.settings.alert_hook_secret is not None
    verifier = Webhook(world.services.settings.alert_hook_secret)
    posted = [verifier.verify(request.body, request.headers) for request in hook.at("/alerts")]
    assert any(post["alert"]["message"].startswith(expected) for post in posted)


async def raise_one() -> None:
    await alert_service.raise_alert(
        severity="warning", kind="low_gas", dedupe_key="gas", message="gas is low", details={}, now=clock.now()
    )


async def test_the_alert_hook_is_signed_like_a_webhook(world: World, hook: Receiver) -> None:
    await raise_one()
    await world.services.alert_routes.route_new(clock.now())
    await world.services.alert_routes.post_waiting()
    (request,) = hook.at("/alerts")
    timestamp, mark = (part.split("=", 1)[1] for part in request.headers["swap-pay-signature"].split(","))
    secret = world.services.settings.alert_hook_secret
    assert secret is not None
    signed = hmac.new(secret.encode(), timestamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert mark == signed


async def test_a_failed_hook_is_retried_with_the_same_bytes(world: World, hook: Receiver) -> None:
    await raise_one()
    routes = world.services.alert_routes
    hook.always(response(500), "/alerts")
    await routes.route_new(clock.now())
    assert await routes.post_waiting() == 1
    assert await routes.post_waiting() == 0
    clock.shift(timedelta(seconds=11))
    hook.always(response(204), "/alerts")
    assert await routes.post_waiting() == 1
    clock.shift(timedelta(days=2))
    assert await routes.post_waiting() == 0
    first, second = hook.at("/alerts")
    assert first.body == second.body


async def test_the_same_drift_is_counted_and_sent_once_a_day(world: World, hook: Receiver) -> None:
    await change_a_balance(world)
    await world.reconcile()
    routes = world.services.alert_routes
    first_round = await routes.route_new(clock.now())
    await world.reconcile()
    assert await routes.route_new(clock.now()) == 0
    assert {alert.occurrences for alert in await alerts.open_alerts()} == {2}
    clock.shift(timedelta(hours=25))
    await world.reconcile()
    assert await routes.route_new(clock.now()) == first_round


async def test_acknowledging_needs_a_note_and_a_remaining_fault_alerts_again(world: World) -> None:
    await change_a_balance(world)
    await world.reconcile()
    (alert, *_) = await alerts.open_alerts()
    with pytest.raises(ApiError, match="note"):
        await alert_service.acknowledge(alert.id, by="account:ACC-1", note="  ", now=clock.now())
    await alert_service.acknowledge(alert.id, by="account:ACC-1", note="looking into it", now=clock.now())
    with pytest.raises(ApiError, match="no such open alert"):
        await alert_service.acknowledge(alert.id, by="account:ACC-1", note="again", now=clock.now())
    assert alert.id not in {found.id for found in await alerts.open_alerts()}
    await world.reconcile()
    assert alert.message in {found.message for found in await alerts.open_alerts()}


async def test_a_node_that_is_down_is_no_drift(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.networks.port import NodeUnavailable
    from app.reconciliation import service

    monkeypatch.setattr(service, "RETRY_S", 0.01)
    chain = world.services.networks.chain(NETWORK)

    async def away(height: int) -> None:
        raise NodeUnavailable("http://node: no answer")

    monkeypatch.setattr(chain, "block_ref", away)
    run, (finding,) = await world.reconcile()
    assert (run.status, finding.is_drift, finding.subject) == ("incomplete", False, NETWORK)
    assert [alert.severity for alert in await alerts.open_alerts()] == ["warning"]


async def test_between_full_runs_only_what_is_new_is_read(world: World) -> None:
    await world.reconcile(full=True)
    await world.pay("USDT", "3.00")
    await world.settle()
    run, findings = await world.reconcile(full=False)
    assert (run.status, findings) == ("clean", [])
    assert run.figures["hash_chains"]["entries_read"] == 2


async def test_a_scheduled_run_is_full_once_a_day(world: World) -> None:
    async def scheduled() -> bool:
        run = await repository.run(await world.services.reconciliation.run_scheduled(clock.now()))
        assert run is not None
        return run.full

    assert await scheduled()
    assert not await scheduled()
    clock.shift(timedelta(hours=25))
    assert await scheduled()


async def test_money_in_flight_is_no_drift(world: World) -> None:
    """Seen and not confirmed, sent and not booked, booked and not confirmed, in review: no drift at any height."""
    await world.pay("USDT", "2.00")
    await world.watcher.tick()
    await world.payout(500_000, booked=False)
    for _ in range(5):
        await world.driver.mine(1)
        await world.watcher.tick()
        run, findings = await world.reconcile()
        assert (run.status, findings) == ("clean", [])
    await world.payout(300_000)
    run, findings = await world.reconcile()
    assert (run.status, findings) == ("clean", [])


async def test_a_busy_gateway_is_clean_while_payments_go_on(world: World) -> None:
    stop = asyncio.Event()

    async def customers(asset: str, amount: str) -> None:
        while not stop.is_set():
            await world.pay(asset, amount)

    async def watching() -> None:
        while not stop.is_set():
            await world.watcher.tick()
            await asyncio.sleep(0.02)

    async def paying_out() -> None:
        while not stop.is_set():
            await world.payout(1_000)

    async def deposits() -> int:
        count: int = await database.fetch_value("SELECT count(*) FROM deposits WHERE status <> 'seen'")
        return count

    async with asyncio.TaskGroup() as tasks:
        for asset, amount in (("USDT", "5.00"), ("USDT", "6.00"), ("ETH", "0.01")):
            tasks.create_task(customers(asset, amount))
        tasks.create_task(watching())
        tasks.create_task(paying_out())
        runs, heights = [], set()
        before = await deposits()
        try:
            for number in range(8):
                run, findings = await world.reconcile(full=number % 2 == 0)
                runs.append((run.status, findings))
                heights.add(run.blocks[NETWORK]["height"])
        finally:
            stop.set()
        after = await deposits()
    assert runs == [("clean", [])] * 8
    assert len(heights) > 1
    assert after > before
    assert json.dumps(run.blocks)
