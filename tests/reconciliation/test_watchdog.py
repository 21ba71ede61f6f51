"""The watchdog, and a watcher that halts."""

from datetime import timedelta

from app.alerts import repository as alerts
from app.core import clock, database
from app.ledger import checkpoints
from app.reconciliation.watchdog import Watchdog
from tests.reconciliation.world import NETWORK, World


async def open_alerts() -> dict[str, str]:
    return {alert.message.split(" since ")[0]: alert.severity for alert in await alerts.open_alerts()}


async def test_a_stopped_job_raises_an_alert(world: World) -> None:
    await world.reconcile()
    watchdog = world.services.watchdog()
    await watchdog.check(clock.now())
    assert await open_alerts() == {}

    clock.shift(timedelta(minutes=6))
    await watchdog.check(clock.now())
    assert await open_alerts() == {f"{NETWORK} is not watched": "critical"}

    clock.shift(timedelta(hours=7))
    await watchdog.check(clock.now())
    assert await open_alerts() == {
        f"{NETWORK} is not watched": "critical",
        "reconciliation has not run": "critical",
        "no checkpoint of the ledgers was signed": "critical",
    }
    assert {alert.kind for alert in await alerts.open_alerts()} == {"stopped"}


async def test_a_job_that_runs_again_raises_no_alert(world: World) -> None:
    clock.shift(timedelta(hours=8))
    await world.watcher.tick()
    await world.reconcile()
    keys = world.services.settings.checkpoint_keys
    assert keys is not None
    await checkpoints.create(keys, clock.now())
    await world.services.watchdog().check(clock.now())
    assert "stopped" not in {alert.kind for alert in await alerts.open_alerts()}


async def test_a_new_gateway_raises_no_alert_at_first(world: World) -> None:
    await database.execute("DELETE FROM network_cursors")
    watchdog = Watchdog(networks=world.services.networks, checkpoints=False, started_at=clock.now())
    await watchdog.check(clock.now())
    assert await open_alerts() == {}
    await watchdog.check(clock.now() + timedelta(hours=8))
    assert await open_alerts() == {
        f"{NETWORK} is not watched": "critical",
        "reconciliation has not run": "critical",
    }


async def test_a_halted_watcher_has_one_alert_while_it_lasts(world: World) -> None:
    for _ in range(3):
        await world.watcher._halt("another chain?")
    (alert,) = await alerts.open_alerts()
    assert (alert.severity, alert.kind, alert.occurrences) == ("critical", "watcher_halted", 1)
    assert "another chain?" in alert.message
    await world.services.watchdog().check(clock.now())
    (alert,) = await alerts.open_alerts()
    assert alert.occurrences == 2
    await world.watcher.tick()
    await world.services.watchdog().check(clock.now())
    (alert,) = await alerts.open_alerts()
    assert alert.occurrences == 2


async def test_the_time_counts_from_the_start_after_a_pause_of_everything(world: World) -> None:
    await world.reconcile()
    clock.shift(timedelta(days=3))
    watchdog = world.services.watchdog()
    await watchdog.check(clock.now())
    assert await open_alerts() == {}
    clock.shift(timedelta(minutes=6))
    await watchdog.check(clock.now())
    assert await open_alerts() == {f"{NETWORK} is not watched": "critical"}
