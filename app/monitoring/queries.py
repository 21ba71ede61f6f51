"""What operators' monitoring reads: figures over all nouns and merchants, each cheap enough for every scrape."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.alerts import repository as alerts
from app.core import database
from app.core.metrics import Gauge


class NetworkState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the watcher of a network is. `checked_at`: when it last asked the node for the head."""

    network: str
    scanned_height: int
    head_height: int
    checked_at: datetime
    halted: bool

    @property
    def lag_blocks(self) -> int:
        """Blocks that exist and are not scanned yet."""
        return max(0, self.head_height - self.scanned_height)


async def network_states() -> list[NetworkState]:
    """Every network that has a cursor."""
    rows = await database.fetch_all(
        """
        SELECT network, scanned_height, head_height, checked_at, halted_reason IS NOT NULL AS halted
        FROM network_cursors ORDER BY network
        """
    )
    return [NetworkState(**dict(row)) for row in rows]


async def gauges(now: datetime) -> list[Gauge]:
    """Figures of the database for one scrape."""
    return [
        *_network_gauges(await network_states(), now),
        *await _delivery_gauges(now),
        *await _other_gauges(now),
        *await _watch_gauges(now),
    ]


async def _watch_gauges(now: datetime) -> list[Gauge]:
    """Open alerts, and how long ago the books were last proven: the latter is for whoever watches the watchers."""
    open_alerts = Gauge("swap_pay_alerts_open", "Alerts that nobody has acknowledged", labels=["severity", "kind"])
    for one in await alerts.open_counts():
        open_alerts.add_metric([one.severity, one.kind], one.open)
    figures = [open_alerts]
    row = await database.fetch_one(
        """
        SELECT (SELECT max(finished_at) FROM reconciliation_runs WHERE status <> 'failed') AS reconciled_at,
            (SELECT max(created_at) FROM ledger_checkpoints) AS signed_at
        """
    )
    assert row is not None
    for name, text, at in (
        ("swap_pay_reconciled_seconds", "Time since reconciliation last came to an end", row["reconciled_at"]),
        ("swap_pay_checkpoint_seconds", "Time since the ledgers' heads were last signed", row["signed_at"]),
    ):
        if at is not None:
            figures.append(Gauge(name, text, (now - at).total_seconds()))
    return figures


def _network_gauges(states: Sequence[NetworkState], now: datetime) -> list[Gauge]:
    scanned = Gauge("swap_pay_network_scanned_height", "Last block scanned", labels=["network"])
    lag = Gauge("swap_pay_network_lag_blocks", "Blocks known and not scanned yet", labels=["network"])
    age = Gauge("swap_pay_network_checked_seconds", "Time since the node was last asked", labels=["network"])
    halted = Gauge("swap_pay_network_halted", "1 where the watcher refuses to go on", labels=["network"])
    for state in states:
        scanned.add_metric([state.network], state.scanned_height)
        lag.add_metric([state.network], state.lag_blocks)
        age.add_metric([state.network], (now - state.checked_at).total_seconds())
        halted.add_metric([state.network], int(state.halted))
    return [scanned, lag, age, halted]


async def _delivery_gauges(now: datetime) -> list[Gauge]:
    unnumbered = await database.fetch_value("SELECT count(*) FROM events WHERE seq IS NULL")
    # Read from the partial index over pending rows; delivered and dead ones can be millions.
    row = await database.fetch_one(
        """
        SELECT count(*) AS pending,
            COALESCE(EXTRACT(epoch FROM $1::timestamptz - min(d.next_attempt_at)), 0)::float8 AS overdue_s
        FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint
        WHERE d.status = 'pending' AND e.status = 'enabled'
        """,
        now,
    )
    paused = await database.fetch_value("SELECT count(*) FROM webhook_endpoints WHERE status = 'paused'")
    assert row is not None
    return [
        Gauge("swap_pay_events_unnumbered", "Events not yet fanned out", unnumbered),
        Gauge("swap_pay_deliveries_pending", "Deliveries that wait at enabled endpoints", row["pending"]),
        Gauge("swap_pay_deliveries_overdue_seconds", "Delay of the oldest due one", max(0.0, row["overdue_s"])),
        Gauge("swap_pay_webhook_endpoints_paused", "Endpoints paused after failures", paused),
    ]


async def _other_gauges(now: datetime) -> list[Gauge]:
    locked = await database.fetch_value("SELECT count(*) FROM api_keys WHERE locked_until > $1", now)
    open_addresses = Gauge("swap_pay_addresses", "Deposit addresses by use", labels=["network", "use"])
    for row in await database.fetch_all(
        """
        SELECT network, count(*) AS made, count(invoice_id) AS leased FROM deposit_addresses GROUP BY network
        """
    ):
        open_addresses.add_metric([row["network"], "leased"], row["leased"])
        open_addresses.add_metric([row["network"], "idle"], row["made"] - row["leased"])
    switches = Gauge("swap_pay_switch_paused", "1 for what operators have paused", labels=["switch"])
    for row in await database.fetch_all("SELECT name FROM switches"):
        switches.add_metric([row["name"]], 1)
    return [Gauge("swap_pay_api_keys_locked", "API keys under lockout", locked), open_addresses, switches]
