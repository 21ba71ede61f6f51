"""Networks and wallets as operators read them: all of it from the database, no node is asked.

How far the watcher is, what the pool of addresses is used for, what the hot wallet held when the signer last looked,
what waits to be sent and why, and what the treasury has in the books.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core import database
from app.deposits import coverage_repository
from app.deposits.coverage_repository import Coverage
from app.ledger import queries as ledger
from app.ledger.service import TREASURY
from app.networks.config import NetworkConfig
from app.networks.registry import Networks

MAX_LAG_BLOCKS = 100
"""Behind by more, a network counts as degraded: minutes on the fastest chain, and a long way on the slowest."""

MAX_UNCHECKED = timedelta(minutes=2)
"""The watcher asks for the head every few seconds; after this it is not running."""

MOST_WAITING = 50
MOST_TOP_UPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A network's deposit addresses: lent to an invoice, resting after one, free. `cap` is None for fresh ones."""

    made: int = 0
    lent: int = 0
    resting: int = 0
    cap: int | None = None

    @property
    def free(self) -> int:
        """Made and to be had now."""
        return self.made - self.lent - self.resting


@dataclass(frozen=True, slots=True, kw_only=True)
class HotBalance:
    """What the hot wallet held of an asset at the signer's last look. `is_low`: below the mark of the networks file."""

    asset: str
    held_raw: int
    free_raw: int
    gas_left_raw: int | None
    looked_at: datetime
    is_low: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OnItsWay:
    """An approved or sent withdrawal that is not final, and what keeps it."""

    id: str
    kind: str
    status: str
    network: str
    asset: str
    amount_raw: int
    destination: str
    held: bool
    waiting_reason: str | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """A transfer to the hot wallet that is not our own."""

    id: int
    asset: str
    amount_raw: int
    from_address: str
    txid: str
    status: str
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkState:
    """One network. `coverage` is None where nobody has watched it yet; `treasury_raw` is by asset, in the books."""

    network: NetworkConfig
    coverage: Coverage | None
    halted_reason: str | None
    pool: Pool
    hot: tuple[HotBalance, ...]
    on_the_way: int
    stuck: int
    treasury_raw: dict[str, int]


async def states(networks: Networks, now: datetime) -> list[NetworkState]:
    """Every configured network, live ones first."""
    covered = await coverage_repository.coverages()
    cursors = await database.fetch_all("SELECT network, halted_reason FROM network_cursors")
    halted = {row["network"]: row["halted_reason"] for row in cursors}
    pools = await _pools(now)
    hot = await _hot_balances(networks)
    treasury: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for head in await ledger.heads(TREASURY):
        treasury[head.chain.network][head.chain.asset] = head.state.available_raw
    moving = {
        row["network"]: row
        for row in await database.fetch_all(
            """
            SELECT network, count(*) AS on_the_way,
                count(*) FILTER (WHERE held OR waiting_reason IS NOT NULL) AS stuck
            FROM withdrawals WHERE status IN ('approved', 'submitted') GROUP BY network
            """
        )
    }
    return [
        NetworkState(
            network=network,
            coverage=covered.get(network.key),
            halted_reason=halted.get(network.key),
            pool=_pool_of(network, pools.get(network.key, Pool())),
            hot=tuple(hot.get(network.key, [])),
            on_the_way=moving[network.key]["on_the_way"] if network.key in moving else 0,
            stuck=moving[network.key]["stuck"] if network.key in moving else 0,
            treasury_raw=treasury.get(network.key, {}),
        )
        for network in sorted(networks, key=lambda network: (network.mode, network.chain))
    ]


async def on_the_way(network: str | None = None) -> list[OnItsWay]:
    """Approved and sent withdrawals that are not final, the oldest first: those that something keeps before others."""
    rows = await database.fetch_all(
        """
        SELECT id, kind, status, network, asset, amount_raw, destination, held, waiting_reason,
            coalesce(submitted_at, approved_at, created_at) AS since
        FROM withdrawals WHERE status IN ('approved', 'submitted') AND ($1::text IS NULL OR network = $1)
        ORDER BY (held OR waiting_reason IS NOT NULL) DESC, coalesce(submitted_at, approved_at), id LIMIT $2
        """,
        network,
        MOST_WAITING,
    )
    return [OnItsWay(**dict(row)) for row in rows]


async def top_ups(network: str) -> list[TopUp]:
    """The newest transfers to a network's hot wallet."""
    rows = await database.fetch_all(
        """
        SELECT id, asset, amount_raw, from_address, txid, status, seen_at FROM hot_wallet_receipts
        WHERE network = $1 ORDER BY id DESC LIMIT $2
        """,
        network,
        MOST_TOP_UPS,
    )
    return [TopUp(**dict(row)) for row in rows]


async def _pools(now: datetime) -> dict[str, Pool]:
    rows = await database.fetch_all(
        """
        SELECT network, count(*) AS made, count(invoice_id) AS lent,
            count(*) FILTER (WHERE invoice_id IS NULL AND lease_count > 0 AND available_at > $1) AS resting
        FROM deposit_addresses GROUP BY network
        """,
        now,
    )
    return {row["network"]: Pool(made=row["made"], lent=row["lent"], resting=row["resting"]) for row in rows}


def _pool_of(network: NetworkConfig, pool: Pool) -> Pool:
    cap = network.pool_cap if network.address_mode == "pool" else None
    return Pool(made=pool.made, lent=pool.lent, resting=pool.resting, cap=cap)


async def _hot_balances(networks: Networks) -> dict[str, list[HotBalance]]:
    rows = await database.fetch_all(
        "SELECT network, asset, held_raw, free_raw, gas_left_raw, looked_at FROM hot_wallet_looks"
        " ORDER BY network, asset"
    )
    low = {(network.key, asset.symbol): asset.hot_low_raw for network in networks for asset in network.assets}
    found: defaultdict[str, list[HotBalance]] = defaultdict(list)
    for row in rows:
        if (row["network"], row["asset"]) in low:
            found[row["network"]].append(
                HotBalance(
                    asset=row["asset"],
                    held_raw=row["held_raw"],
                    free_raw=row["free_raw"],
                    gas_left_raw=row["gas_left_raw"],
                    looked_at=row["looked_at"],
                    is_low=row["held_raw"] < low[row["network"], row["asset"]],
                )
            )
    return dict(found)
