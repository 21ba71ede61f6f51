"""Statements on `sweep_candidates` where transactions take energy: what is due, and what the signer found."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database


class DueCandidate(msgspec.Struct, frozen=True):
    """A deposit address that may hold enough of an asset to be swept, with none of its transactions under way.

    `settled_at` is when its newest deposit of the asset was settled, None where no row tells. `approved_raw` is what
    an operator has approved that its sweep costs. Since its last sweep that did not fail: `failures` and the last one's
    time, `failed_at`; and `spent_raw`, what was spent in vain or to prepare a sweep, in the native coin. `loans` are
    the loans of energy that it has now.
    """

    id: int
    asset: str
    address: str
    settled_at: datetime | None
    approved_raw: int | None
    failures: int
    failed_at: datetime | None
    spent_raw: int
    loans: int


async def due(network: str, now: datetime, limit: int) -> list[DueCandidate]:
    """The candidates that are due: those that were never looked at, then those that hold most. What is frozen is no
    candidate."""
    # SQL, since the builder knows no LATERAL, and each NOT EXISTS compares the joined address.
    rows = await database.fetch_all(
        """
        SELECT c.id, c.asset, a.address, d.settled_at, p.up_to_raw, f.failures, f.failed_at,
            f.spent_raw + g.spent_raw + l.spent_raw, l.loans
        FROM sweep_candidates c JOIN deposit_addresses a ON a.id = c.deposit_address
        LEFT JOIN dear_sweep_approvals p ON p.network = c.network AND p.asset = c.asset AND p.address = a.address
            AND p.used_by IS NULL AND p.revoked_at IS NULL
        CROSS JOIN LATERAL (SELECT max(settled_at) AS settled_at FROM deposits
            WHERE deposit_address = c.deposit_address AND asset = c.asset) d
        CROSS JOIN LATERAL (SELECT coalesce(max(id), 0) AS id FROM outgoing_transactions
            WHERE network = c.network AND from_address = a.address AND status = 'confirmed') last
        CROSS JOIN LATERAL (SELECT count(*) AS failures, max(settled_at) AS failed_at,
                coalesce(sum(fee_raw), 0) AS spent_raw FROM outgoing_transactions
            WHERE network = c.network AND from_address = a.address AND status = 'reverted' AND id > last.id) f
        CROSS JOIN LATERAL (SELECT coalesce(sum(t.fee_raw), 0) AS spent_raw FROM outgoing_payments p
            JOIN outgoing_transactions t ON t.id = p.transaction
            WHERE p.to_address = a.address AND p.withdrawal IS NULL AND t.network = c.network AND t.id > last.id) g
        CROSS JOIN LATERAL (SELECT coalesce(sum(coalesce(t.fee_raw, 0) + coalesce(b.fee_raw, 0))
                    FILTER (WHERE e.lent_by > last.id), 0) AS spent_raw,
                count(*) FILTER (WHERE t.status = 'confirmed' AND b.status IS DISTINCT FROM 'confirmed') AS loans
            FROM energy_loans e JOIN outgoing_transactions t ON t.id = e.lent_by
            LEFT JOIN outgoing_transactions b ON b.id = e.reclaimed_by
            WHERE e.network = c.network AND e.to_address = a.address) l
        WHERE c.network = $1 AND c.noticed_at <= $2
            AND NOT EXISTS (SELECT 1 FROM outgoing_transactions t WHERE t.network = c.network
                AND t.status IN ('signed', 'submitted')
                AND (t.from_address = a.address
                    OR (t.purpose = 'gas' AND EXISTS (SELECT 1 FROM outgoing_payments p
                        WHERE p.transaction = t.id AND p.to_address = a.address))
                    OR (t.purpose = 'stake' AND EXISTS (SELECT 1 FROM energy_loans e
                        WHERE e.to_address = a.address AND t.id IN (e.lent_by, e.reclaimed_by)))))
            AND NOT EXISTS (SELECT 1 FROM frozen_addresses z WHERE z.network = c.network AND z.address = a.address
                AND z.asset = c.asset AND z.ended_at IS NULL)
        ORDER BY c.amount_raw DESC NULLS FIRST, c.id LIMIT $3
        """,
        network,
        now,
        limit,
    )
    return [DueCandidate(*row) for row in rows]


class Found(msgspec.Struct, frozen=True):
    """What the signer found at a candidate's look, and decided."""

    id: int
    amount_raw: int
    way: str
    cost_raw: int | None
    is_dear: bool
    looked_at: datetime


async def record(found: Sequence[Found]) -> None:
    """Store what was found, where it differs from what is stored."""
    # SQL, since the builder knows no UPDATE … FROM.
    await database.execute(
        """
        UPDATE sweep_candidates c SET amount_raw = f.amount_raw, way = f.way, cost_raw = f.cost_raw,
            is_dear = f.is_dear, looked_at = f.looked_at
        FROM unnest($1::bigint[], $2::numeric[], $3::text[], $4::numeric[], $5::boolean[], $6::timestamptz[])
            AS f (id, amount_raw, way, cost_raw, is_dear, looked_at)
        WHERE c.id = f.id AND (c.amount_raw, c.way, c.cost_raw, c.is_dear, c.looked_at)
            IS DISTINCT FROM (f.amount_raw, f.way, f.cost_raw, f.is_dear, f.looked_at)
        """,
        [one.id for one in found],
        [one.amount_raw for one in found],
        [one.way for one in found],
        [one.cost_raw for one in found],
        [one.is_dear for one in found],
        [one.looked_at for one in found],
    )


class DearSweep(msgspec.Struct, frozen=True):
    """A candidate whose sweep is dear: what it would move, and what that would cost in the native coin."""

    network: str
    asset: str
    address: str
    amount_raw: int
    cost_raw: int


async def lock_dear(candidate_id: int) -> DearSweep | None:
    """Lock a candidate whose sweep is dear, in the caller's transaction; None where it is not, or is gone."""
    database.in_transaction()
    # SQL, since the builder locks all tables of a join, and an address's row has nothing to do with it.
    row = await database.fetch_one(
        """
        SELECT c.network, c.asset, a.address, c.amount_raw, c.cost_raw
        FROM sweep_candidates c JOIN deposit_addresses a ON a.id = c.deposit_address
        WHERE c.id = $1 AND c.is_dear AND c.cost_raw IS NOT NULL
        FOR UPDATE OF c
        """,
        candidate_id,
    )
    return None if row is None else DearSweep(*row)
