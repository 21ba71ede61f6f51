"""Networks and wallets as operators read them: all from the database, without a request to a node.

The watcher's progress, the use of the address pool, the hot wallet's balances at the signer's last check, withdrawals
that wait to be sent and why, and the treasury's balance in the books.
"""

from collections import defaultdict
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace
from piccolo.query import OrderByRaw
from piccolo.query.functions import Coalesce

from app.core import database
from app.core.statement import Condition, Param, Statement, select
from app.deposits import coverage_repository, outages_repository
from app.deposits.coverage_repository import Coverage
from app.deposits.tables import NetworkCursor
from app.ledger import repository as ledger
from app.ledger.service import TREASURY
from app.networks.config import NetworkConfig
from app.networks.registry import Networks
from app.withdrawals.tables import FeeLook, HotWalletLook, HotWalletReceipt, Withdrawal

MAX_LAG_BLOCKS = 100
"""Behind by more, a network counts as degraded: minutes on the fastest chain, hours on the slowest."""

MAX_UNCHECKED = timedelta(minutes=2)
"""The watcher reads the head every few seconds; after this long it counts as not running."""

MOST_WAITING = 50
MOST_TOP_UPS = 10


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a network's deposit addresses. `cap` is None where each invoice gets a fresh address."""

    created: int = 0
    leased: int = 0
    cooling_down: int = 0
    cap: int | None = None

    @property
    def free(self) -> int:
        """Derived addresses that can be leased now."""
        return self.created - self.leased - self.cooling_down


class HotBalance(msgspec.Struct, frozen=True, kw_only=True):
    """What the hot wallet held of an asset at the signer's last check. `is_low`: below `hot_low_raw`."""

    asset: str
    held_raw: int
    free_raw: int
    gas_left_raw: int | None
    looked_at: datetime
    is_low: bool


class OnItsWay(msgspec.Struct, frozen=True, kw_only=True):
    """An approved or sent withdrawal that is not final, and what delays it."""

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


class TopUp(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer to the hot wallet that is not our own."""

    id: int
    asset: str
    amount_raw: int
    from_address: str | None
    txid: str
    status: str
    seen_at: datetime


class NetworkState(msgspec.Struct, frozen=True, kw_only=True):
    """One network. `coverage` is None where no watcher has read it yet; `outage_reason` says why it can't be read now.
    `treasury_raw` is by asset, in the books."""

    network: NetworkConfig
    coverage: Coverage | None
    halted_reason: str | None
    outage_reason: str | None
    pool: Pool
    hot: tuple[HotBalance, ...]
    on_the_way: int
    stuck: int
    treasury_raw: dict[str, int]


async def states(networks: Networks, now: datetime) -> list[NetworkState]:
    """Every configured network, live ones first."""
    covered = await coverage_repository.coverages()
    halted = {cursor.network: cursor.halted_reason for cursor in await _CURSORS.all()}
    outages = {outage.network: outage.reason for outage in await outages_repository.outages()}
    pools = await _pools(now)
    hot = await _hot_balances(networks)
    treasury: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for head in await ledger.heads(TREASURY):
        treasury[head.chain.network][head.chain.asset] = head.state.available_raw
    # SQL: count() with FILTER.
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
            outage_reason=outages.get(network.key),
            pool=_pool_of(network, pools.get(network.key, Pool())),
            hot=tuple(hot.get(network.key, [])),
            on_the_way=moving[network.key]["on_the_way"] if network.key in moving else 0,
            stuck=moving[network.key]["stuck"] if network.key in moving else 0,
            treasury_raw=treasury.get(network.key, {}),
        )
        for network in sorted(networks, key=lambda network: network.mode)
    ]


class _Cursor(msgspec.Struct, frozen=True):
    network: str
    halted_reason: str | None


_CURSORS = Statement(select(NetworkCursor, _Cursor), _Cursor)


async def on_the_way(network: str | None = None) -> list[OnItsWay]:
    """Approved and sent withdrawals that are not final, the oldest first; delayed ones before others."""
    if network is None:
        return await _ON_THE_WAY.all(limit=MOST_WAITING)
    return await _ON_THE_WAY_IN_NETWORK.all(network=network, limit=MOST_WAITING)


def _on_the_way(*conditions: Condition) -> Statement[OnItsWay]:
    return Statement(
        Withdrawal.select(
            Withdrawal.id,
            Withdrawal.kind,
            Withdrawal.status,
            Withdrawal.network,
            Withdrawal.asset,
            Withdrawal.amount_raw,
            Withdrawal.destination,
            Withdrawal.held,
            Withdrawal.waiting_reason,
            Coalesce(Withdrawal.submitted_at, Withdrawal.approved_at, Withdrawal.created_at, alias="since"),
        )
        .where(Withdrawal.status.is_in(["approved", "submitted"]), *conditions)
        .order_by(
            OrderByRaw("(held OR waiting_reason IS NOT NULL) DESC, coalesce(submitted_at, approved_at), id"),
        ),
        OnItsWay,
        limited=True,
    )


_ON_THE_WAY = _on_the_way()
_ON_THE_WAY_IN_NETWORK = _on_the_way(Withdrawal.network == Param("network"))


class FeeRate(msgspec.Struct, frozen=True):
    """What the signer would offer when it last asked, for 1,000 units of a transaction's size; `problem` says why there
    is no rate."""

    rate_raw: int | None
    problem: str | None
    looked_at: datetime


async def fee_rate(network: str) -> FeeRate | None:
    """The fee that a network's signer offers now; None where none has looked."""
    return await _FEE_RATE.first(network=network)


_FEE_RATE = Statement(select(FeeLook, FeeRate).where(FeeLook.network == Param("network")), FeeRate)


async def top_ups(network: str) -> list[TopUp]:
    """The newest transfers to a network's hot wallet."""
    return await _TOP_UPS.all(network=network, limit=MOST_TOP_UPS)


_TOP_UPS = Statement(
    select(HotWalletReceipt, TopUp)
    .where(HotWalletReceipt.network == Param("network"))
    .order_by(HotWalletReceipt.id, ascending=False),
    TopUp,
    limited=True,
)


async def _pools(now: datetime) -> dict[str, Pool]:
    # SQL: count() with FILTER.
    rows = await database.fetch_all(
        """
        SELECT network, count(*) AS created, count(invoice_id) AS leased,
            count(*) FILTER (WHERE invoice_id IS NULL AND lease_count > 0 AND available_at > $1) AS cooling_down
        FROM deposit_addresses GROUP BY network
        """,
        now,
    )
    return {
        row["network"]: Pool(created=row["created"], leased=row["leased"], cooling_down=row["cooling_down"])
        for row in rows
    }


def _pool_of(network: NetworkConfig, pool: Pool) -> Pool:
    cap = network.pool_cap if network.address_mode == "pool" else None
    return replace(pool, cap=cap)


async def _hot_balances(networks: Networks) -> dict[str, list[HotBalance]]:
    low = {(network.key, asset.symbol): asset.hot_low_raw for network in networks for asset in network.assets}
    found: defaultdict[str, list[HotBalance]] = defaultdict(list)
    for snapshot in sorted(await _SNAPSHOTS.all(), key=lambda one: networks.place_of(one.network, one.asset)):
        if (snapshot.network, snapshot.asset) in low:
            found[snapshot.network].append(
                HotBalance(
                    asset=snapshot.asset,
                    held_raw=snapshot.held_raw,
                    free_raw=snapshot.free_raw,
                    gas_left_raw=snapshot.gas_left_raw,
                    looked_at=snapshot.looked_at,
                    is_low=snapshot.held_raw < low[snapshot.network, snapshot.asset],
                )
            )
    return dict(found)


class Snapshot(msgspec.Struct, frozen=True):
    """What the hot wallet held of an asset when the signer looked last, in minor units. `gas_left_raw` is what the
    treasury may spend on fees, of the native coin alone."""

    network: str
    asset: str
    held_raw: int
    free_raw: int
    gas_left_raw: int | None
    looked_at: datetime


async def hot_wallet_amounts(network: str) -> dict[str, Snapshot]:
    """What the hot wallet of one network held when the signer looked last, by asset; empty before its first look."""
    return {one.asset: one for one in await _SNAPSHOTS_OF.all(network=network)}


_SNAPSHOTS = Statement(
    select(HotWalletLook, Snapshot),
    Snapshot,
)

_SNAPSHOTS_OF = Statement(
    select(HotWalletLook, Snapshot).where(HotWalletLook.network == Param("network")),
    Snapshot,
)
