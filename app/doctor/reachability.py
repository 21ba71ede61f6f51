"""Checks of the networks' nodes, of reconciliation and of rates: whether they answer, run, and are the right ones."""

from collections.abc import AsyncIterator
from datetime import timedelta

from app.alerts import repository as alerts
from app.core import clock
from app.core.settings import Settings
from app.doctor.symptoms import Symptom
from app.ledger import checkpoints_repository
from app.networks.port import NetworkError
from app.networks.registry import Networks
from app.rates import repository as rates
from app.reconciliation import repository
from app.reconciliation.watchdog import CHECKPOINT_WITHIN, RECONCILED_WITHIN

RATES_WITHIN = timedelta(minutes=5)
PAIRS_NAMED = 10


async def examine_networks(networks: Networks) -> AsyncIterator[Symptom]:
    """Check that each network's node answers, is on the right chain, and is watched; then each node by itself."""
    for network in networks:
        cursor = await repository.watched_network(network.key)
        for found in await networks.inspect(network.key, None if cursor is None else cursor.scanned_height + 1):
            yield Symptom(found.severity, network.key, found.message)
        try:
            chain = networks.chain(network.key)
            await chain.check_identity()
            head = await chain.head_height()
        except NetworkError as error:
            yield Symptom("unsafe", network.key, f"can't be used: {error}")
            continue
        if cursor is None:
            yield Symptom(
                "warning", network.key, f"chain {network.identity}, block {head}; no worker has watched it yet"
            )
        elif cursor.halted_reason is not None:
            yield Symptom("unsafe", network.key, f"the watcher has halted: {cursor.halted_reason}")
        else:
            behind = max(0, head - cursor.scanned_height)
            yield Symptom(
                "warning" if behind > network.batch_blocks else "ok",
                network.key,
                f"chain {network.identity}, block {head}, {behind} behind",
            )


async def examine_watch(settings: Settings) -> AsyncIterator[Symptom]:
    """Check that reconciliation and checkpoints run, and that no critical alert is open."""
    now = clock.now()
    reconciled_at = await repository.last_finished_at()
    if reconciled_at is None or now - reconciled_at > RECONCILED_WITHIN:
        when = "never" if reconciled_at is None else f"last {clock.rfc3339(reconciled_at)}"
        yield Symptom("warning", "reconciliation", f"has not run lately ({when}): is a default worker running?")
    elif (last := (await repository.runs(None, 1))[0]).status == "drift":
        yield Symptom("unsafe", "reconciliation", f"run {last.id} found drift")
    if settings.checkpoint_keys is not None:
        signed_at = await checkpoints_repository.last_signed_at()
        if signed_at is None or now - signed_at > CHECKPOINT_WITHIN:
            yield Symptom("warning", "checkpoints", "none was signed lately: is a default worker running?")
    critical = sum(count.open for count in await alerts.open_counts() if count.severity == "critical")
    if critical:
        yield Symptom("unsafe", "alerts", f"{critical} critical alerts are open: swap-pay alerts list")


async def examine_rates(settings: Settings) -> AsyncIterator[Symptom]:
    """Check that rates are refreshed, how each source is doing, and which pairs have no rate."""
    now = clock.now()
    pairs = await rates.newest_since(now - RATES_WITHIN)
    if not pairs:
        if settings.rate_currencies:
            yield Symptom("warning", "rates", "none was refreshed lately: is a default worker running?")
        else:
            yield Symptom("ok", "rates", "no currency is in use: nothing is priced in national money")
        return
    for state in await rates.source_states():
        if state.failures_in_row:
            when = "never answered" if state.answered_at is None else f"answered {clock.rfc3339(state.answered_at)}"
            yield Symptom(
                "warning", "rates", f"{state.name} fails ({state.failures_in_row} in a row, {when}): {state.problem}"
            )
        elif state.problem is not None:
            yield Symptom("advice", "rates", f"{state.name} answers in part: {state.problem}")
        else:
            yield Symptom("ok", "rates", f"{state.name} answers")
    without = [one for one in pairs if one.rate is None]
    for one in without[:PAIRS_NAMED]:
        yield Symptom("warning", "rates", f"{one.base}/{one.quote}: no rate: {one.problem}")
    if len(without) > PAIRS_NAMED:
        yield Symptom("warning", "rates", f"{len(without) - PAIRS_NAMED} more pairs have no rate")
    yield Symptom("ok", "rates", f"{len(pairs) - len(without)} of {len(pairs)} pairs have a rate")
