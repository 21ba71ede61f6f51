"""Sweeps that wait, as operators read them: what each moves, which way it goes, and what it costs."""

from datetime import datetime
from typing import Literal

import msgspec

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of
from app.core.statement import Param, Statement, select
from app.networks.config import NetworkConfig
from app.signer.sweep_choice import share_bps
from app.withdrawals.tables import DearSweepApproval

Which = Literal["all", "dear"]


class Counts(msgspec.Struct, frozen=True):
    """How many deposit addresses wait to be swept; of these, how many are dear, and how many of the dear ones are
    approved."""

    waiting: int
    dear: int
    approved: int


class ListedSweep(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit address that may be swept. What it holds (`amount_raw`), its way and its cost are those of the signer's
    last look, at `looked_at`; None before. The cost is in minor units of the native coin.

    `approval` is the approval as dear that holds, up to `approved_raw`; it may be too low by now (`is_dear`).
    """

    id: int
    asset: str
    address: str
    amount_raw: int | None
    way: str | None
    cost_raw: int | None
    is_dear: bool
    noticed_at: datetime
    looked_at: datetime | None
    approval: int | None
    approved_raw: int | None

    @property
    def can_be_approved(self) -> bool:
        """Whether an operator may approve it as dear now."""
        return self.is_dear and self.cost_raw is not None and self.approval is None


class DearApproval(msgspec.Struct, frozen=True, kw_only=True):
    """An approval of a dear sweep that holds."""

    id: int
    asset: str
    address: str
    up_to_raw: int
    approved_by: str
    approved_at: datetime


async def counts(network: str) -> Counts:
    """The counts of a network."""
    return (await every_counts(network)).get(network, Counts(0, 0, 0))


async def every_counts(network: str | None = None) -> dict[str, Counts]:
    """The counts by network, of one or of all that have any."""
    # SQL: count() with FILTER, and no foreign key leads from a candidate to its approval.
    rows = await database.fetch_all(
        """
        SELECT c.network, count(*) AS waiting, count(*) FILTER (WHERE c.is_dear) AS dear,
            count(p.id) FILTER (WHERE c.is_dear) AS approved
        FROM sweep_candidates c JOIN deposit_addresses a ON a.id = c.deposit_address
        LEFT JOIN dear_sweep_approvals p ON p.network = c.network AND p.asset = c.asset AND p.address = a.address
            AND p.used_by IS NULL AND p.revoked_at IS NULL
        WHERE $1::text IS NULL OR c.network = $1
        GROUP BY c.network
        """,
        network,
    )
    return {row["network"]: Counts(row["waiting"], row["dear"], row["approved"]) for row in rows}


_SELECT = """
    SELECT c.id, c.asset, a.address, c.amount_raw, c.way, c.cost_raw, c.is_dear, c.noticed_at, c.looked_at,
        p.id AS approval, p.up_to_raw AS approved_raw
    FROM sweep_candidates c JOIN deposit_addresses a ON a.id = c.deposit_address
    LEFT JOIN dear_sweep_approvals p ON p.network = c.network AND p.asset = c.asset AND p.address = a.address
        AND p.used_by IS NULL AND p.revoked_at IS NULL
    """


async def page(network: str, which: Which, place: Place | None, limit: int) -> Page[ListedSweep]:
    """A page of the sweeps that wait by id, the newest first."""
    comparison, order = direction(place)
    # SQL, since no foreign key leads from a candidate to its approval.
    rows = await database.fetch_all(
        f"""
        {_SELECT} WHERE c.network = $1 AND (c.is_dear OR NOT $2) AND ($3::bigint IS NULL OR c.id {comparison} $3)
        ORDER BY c.id {order} LIMIT $4
        """,
        network,
        which == "dear",
        None if place is None else place.key[0],
        limit + 1,
    )
    return page_of(rows, limit, place, key=("id",), made=_sweep)


async def one(network: str, candidate_id: int) -> ListedSweep | None:
    """One sweep that waits; None where the network has none of this number, or it is swept."""
    row = await database.fetch_one(f"{_SELECT} WHERE c.network = $1 AND c.id = $2", network, candidate_id)
    return None if row is None else _sweep(row)


def _sweep(row: Row) -> ListedSweep:
    raw = {name: None if row[name] is None else int(row[name]) for name in ("amount_raw", "cost_raw", "approved_raw")}
    return ListedSweep(**{**row, **raw})


async def approvals(network: str, limit: int) -> list[DearApproval]:
    """The approvals of dear sweeps that hold, the newest first. One may be left of a sweep that is not needed now."""
    return await _APPROVALS.all(network=network, limit=limit)


async def approval(network: str, approval_id: int) -> DearApproval | None:
    """One approval that holds."""
    return await _APPROVAL.first(network=network, id=approval_id)


_HOLD = (
    (DearSweepApproval.network == Param("network"))
    & DearSweepApproval.used_by.is_null()
    & DearSweepApproval.revoked_at.is_null()
)
_APPROVALS = Statement(
    select(DearSweepApproval, DearApproval).where(_HOLD).order_by(DearSweepApproval.id, ascending=False),
    DearApproval,
    limited=True,
)
_APPROVAL = Statement(
    select(DearSweepApproval, DearApproval).where(_HOLD, DearSweepApproval.id == Param("id")), DearApproval
)


def cost_share_bps(network: NetworkConfig, sweep: ListedSweep) -> int | None:
    """The part of what a sweep moves that it costs, rounded up, 100 being 1 %; None where that isn't known."""
    asset, native = network.asset(sweep.asset), network.native
    if asset is None or native is None or sweep.cost_raw is None or not sweep.amount_raw:
        return None
    coin_raw = 10**native.decimals
    worth_raw = coin_raw if asset.symbol == native.symbol else asset.coin_worth_raw
    return None if worth_raw is None else share_bps(sweep.cost_raw, worth_raw, sweep.amount_raw, coin_raw)
