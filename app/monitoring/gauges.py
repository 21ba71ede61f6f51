"""The gauges of `/metrics` that are read from the database and Redis. Each is cheap enough for every scrape."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from app.alerts import repository as alerts
from app.backoffice import energy, sweeps
from app.core import redis, standby
from app.core.metrics import Gauge
from app.ledger import checkpoints_repository
from app.monitoring import repository
from app.monitoring.repository import NetworkState
from app.rates import median
from app.rates import repository as rates
from app.reconciliation import repository as reconciliation
from app.webhooks import partitions_repository as partitions

RATES_SHOWN_FOR = timedelta(minutes=10)
"""A pair that was not refreshed for so long is not refreshed any more: its currency was taken out."""


async def gauges(now: datetime) -> list[Gauge]:
    """Read all gauges for one scrape."""
    return [
        *_network_gauges(await repository.network_states(), now),
        *await _delivery_gauges(now),
        *await _other_gauges(now),
        *await _watch_gauges(now),
        *await _rate_gauges(now),
        *await _energy_gauges(),
        *_standby_gauges(),
        *await _redis_gauges(),
        *await _archive_gauges(now),
        *await _growth_gauges(now),
    ]


def _standby_gauges() -> list[Gauge]:
    """The standbys of the process that is scraped: each reads from them by what it knows itself."""
    usable = Gauge("swap_pay_standby_usable", "1 if lists may be read from this standby now", labels=["server"])
    lag = Gauge("swap_pay_standby_lag_seconds", "How old the data of a standby may be", labels=["server"])
    for one in standby.standbys():
        if one.reason != "a primary":
            usable.add_metric([one.name], int(one.is_usable))
        if math.isfinite(one.lag_s):
            lag.add_metric([one.name], one.lag_s)
    return [usable, lag]


async def _rate_gauges(now: datetime) -> list[Gauge]:
    """How old rates are, how far their sources are apart, and how the sources are doing."""
    age = Gauge("swap_pay_rate_age_seconds", "Age of the oldest price in a rate", labels=["base", "quote"])
    spread = Gauge("swap_pay_rate_spread_bps", "Highest price over lowest, in 1/100 of a %", labels=["base", "quote"])
    used = Gauge("swap_pay_rate_sources", "Sources in a rate; 0 without a rate", labels=["base", "quote"])
    for one in await rates.newest_since(now - RATES_SHOWN_FOR):
        labels = [one.base, one.quote]
        used.add_metric(labels, sum(source.used for source in one.sources) if one.rate else 0)
        if one.rate is not None:
            age.add_metric(labels, (now - one.rate.at).total_seconds())
            spread.add_metric(labels, median.spread_bps(one.sources))
    failures = Gauge("swap_pay_rate_source_failures", "Failures of a source since its first use", labels=["source"])
    resting = Gauge("swap_pay_rate_source_resting", "1 while a source is not asked, after failures", labels=["source"])
    for state in await rates.source_states():
        failures.add_metric([state.name], state.failures)
        resting.add_metric([state.name], int(state.rests_until is not None and state.rests_until > now))
    figures = [age, spread, used, failures, resting]
    refreshed_at = await rates.last_finished_at()
    if refreshed_at is not None:
        text = "Time since the last refresh of rates ended"
        figures.append(Gauge("swap_pay_rates_refreshed_seconds", text, (now - refreshed_at).total_seconds()))
    return figures


async def _watch_gauges(now: datetime) -> list[Gauge]:
    """Open alerts, and the time since the last reconciliation and checkpoint, for alarms outside the gateway."""
    open_alerts = Gauge("swap_pay_alerts_open", "Alerts that nobody has acknowledged", labels=["severity", "kind"])
    for one in await alerts.open_counts():
        open_alerts.add_metric([one.severity, one.kind], one.open)
    figures = [open_alerts]
    reconciled_at = await reconciliation.last_finished_at()
    signed_at = await checkpoints_repository.last_signed_at()
    for name, text, at in (
        (
            "swap_pay_reconciled_seconds",
            "Time since reconciliation last ended",
            reconciled_at,
        ),
        (
            "swap_pay_checkpoint_seconds",
            "Time since the ledgers' heads were last signed",
            signed_at,
        ),
    ):
        if at is not None:
            figures.append(Gauge(name, text, (now - at).total_seconds()))
    return figures


def _network_gauges(states: Sequence[NetworkState], now: datetime) -> list[Gauge]:
    scanned = Gauge("swap_pay_network_scanned_height", "Last block scanned", labels=["network"])
    lag = Gauge("swap_pay_network_lag_blocks", "Blocks known and not scanned yet", labels=["network"])
    age = Gauge("swap_pay_network_checked_seconds", "Time since the node was last asked", labels=["network"])
    halted = Gauge("swap_pay_network_halted", "1 if the watcher has halted", labels=["network"])
    for state in states:
        scanned.add_metric([state.network], state.scanned_height)
        lag.add_metric([state.network], state.lag_blocks)
        age.add_metric([state.network], (now - state.checked_at).total_seconds())
        halted.add_metric([state.network], int(state.halted))
    return [scanned, lag, age, halted]


async def _delivery_gauges(now: datetime) -> list[Gauge]:
    waiting = await repository.waiting_deliveries(now)
    paused = await repository.paused_endpoints()
    return [
        Gauge("swap_pay_events_unnumbered", "Events not yet fanned out", await repository.unnumbered_events()),
        Gauge("swap_pay_deliveries_pending", "Deliveries that wait at enabled endpoints", waiting.pending),
        Gauge("swap_pay_deliveries_overdue_seconds", "Delay of the oldest due one", max(0.0, waiting.overdue_s)),
        Gauge("swap_pay_webhook_endpoints_paused", "Endpoints paused after failures", paused),
    ]


async def _other_gauges(now: datetime) -> list[Gauge]:
    locked = await repository.locked_api_keys(now)
    open_addresses = Gauge("swap_pay_addresses", "Deposit addresses by use", labels=["network", "use"])
    for use in await repository.address_uses():
        open_addresses.add_metric([use.network, "leased"], use.leased)
        open_addresses.add_metric([use.network, "idle"], use.made - use.leased)
    switches = Gauge("swap_pay_switch_paused", "1 for what operators have paused", labels=["switch"])
    for name in await repository.paused_switches():
        switches.add_metric([name], 1)
    return [Gauge("swap_pay_api_keys_locked", "API keys under lockout", locked), open_addresses, switches]


async def _energy_gauges() -> list[Gauge]:
    """What hot wallets pay fees with where transactions take energy, by the signer's last look; and the sweeps that
    wait, on every network."""
    left = Gauge("swap_pay_energy_left", "Energy that the hot wallet has left", labels=["network"])
    limit = Gauge("swap_pay_energy_limit", "Energy that the hot wallet has in a day", labels=["network"])
    size = Gauge("swap_pay_bandwidth_left_bytes", "Bytes that cost the hot wallet nothing", labels=["network"])
    price = Gauge("swap_pay_energy_price_raw", "Price of energy, in minor units of the coin", labels=["network"])
    for network, state in (await energy.every_resources()).items():
        left.add_metric([network], state.energy)
        limit.add_metric([network], state.energy_limit)
        size.add_metric([network], state.bytes_staked + state.bytes_free)
        price.add_metric([network], state.energy_price_raw)
    waiting = Gauge("swap_pay_sweeps_waiting", "Deposit addresses that wait to be swept", labels=["network", "cost"])
    for network, counts in (await sweeps.every_counts()).items():
        waiting.add_metric([network, "dear"], counts.dear)
        waiting.add_metric([network, "usual"], counts.waiting - counts.dear)
    return [left, limit, size, price, waiting]


async def _redis_gauges() -> list[Gauge]:
    """Whether Redis could change over to another server; only under Sentinel, and not while Redis is away."""
    if redis.sentinels() is None:
        return []
    try:
        now = await redis.ask(lambda _: redis.standing())
    except redis.RedisAway:
        return []
    return [
        Gauge("swap_pay_redis_replicas", "Replicas that follow the primary", now.replicas),
        Gauge(
            "swap_pay_redis_sentinels_missing",
            "Sentinels that don't answer or name another primary",
            now.sentinels - now.agreeing,
        ),
    ]


async def _archive_gauges(now: datetime) -> list[Gauge]:
    """Whether the WAL is archived, without which a backup ends with the last base backup; nothing where it is off."""
    state = await repository.archiver()
    if state is None:
        return []
    archived_s = max((now - state.archived_at).total_seconds(), 0.0)
    return [
        Gauge("swap_pay_wal_archived_seconds", "Time since a segment of WAL was last archived", archived_s),
        Gauge("swap_pay_wal_archive_failing", "1 if the last attempt to archive one has failed", int(state.fails)),
    ]


async def _growth_gauges(now: datetime) -> list[Gauge]:
    """How large the tables that grow are, and whether the next months' partitions are there (docs/growth.md)."""
    size = Gauge("swap_pay_table_bytes", "Size of a table on disk, with its indexes", labels=["table"])
    for table, size_bytes in (await repository.table_sizes()).items():
        size.add_metric([table], size_bytes)
    ahead = await partitions.months_ahead(now)
    rest = int(await partitions.rest_has_attempts())
    return [
        size,
        Gauge("swap_pay_partitions_ahead", "Months after this one that have a partition; -1: this one has none", ahead),
        Gauge("swap_pay_partitions_rest", "1 if attempts are in no month's partition", rest),
    ]
