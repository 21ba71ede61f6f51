"""Statements on `sweep_candidates` and `sweep_marks`, and what the signer reads about our own addresses."""

from datetime import UTC, datetime, timedelta

import msgspec

from app.addresses.tables import DepositAddress
from app.core import database
from app.core.statement import Command, Param, Statement, insert
from app.withdrawals.tables import SweepCandidate, SweepMark


class Candidate(msgspec.Struct, frozen=True):
    """A deposit address that may hold enough of an asset to be swept."""

    id: int
    asset: str
    address: str


async def notice_settled(network: str, overlap: timedelta, now: datetime) -> None:
    """Make candidates of the addresses whose deposits were settled since the mark, less `overlap`, and set the mark
    to `now`. Needs the caller's transaction."""
    database.in_transaction()
    await _ADD_MARK.run(network=network, settled_through=_EPOCH)
    mark = await _LOCK_MARK.one(network=network)
    # SQL, since the builder knows no INSERT … SELECT.
    await database.execute(
        """
        INSERT INTO sweep_candidates (network, asset, deposit_address, noticed_at)
        SELECT DISTINCT d.network, d.asset, d.deposit_address, $3::timestamptz FROM deposits d
        WHERE d.network = $1 AND d.settled_at > $2 AND d.status IN ('credited', 'suspended')
        ON CONFLICT DO NOTHING
        """,
        network,
        mark - overlap,
        now,
    )
    await _SET_MARK.run(network=network, now=now)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ADD_MARK = Command(insert(SweepMark).on_conflict(action="DO NOTHING"))
_LOCK_MARK = Statement(
    SweepMark.select(SweepMark.settled_through).where(SweepMark.network == Param("network")).lock_rows("UPDATE"),
    datetime,
)
_SET_MARK = Command(
    SweepMark.update({SweepMark.settled_through: Param("now")}).where(
        SweepMark.network == Param("network"), SweepMark.settled_through < Param("now")
    )
)


async def candidates(network: str, native_symbol: str, now: datetime, limit: int) -> list[Candidate]:
    """The oldest candidates that are due and whose address has no transaction under way. An address's tokens come
    before the native coin, which is their gas. What is frozen is no candidate."""
    # SQL, since each NOT EXISTS compares the joined address, or another row of the same table.
    rows = await database.fetch_all(
        """
        SELECT c.id, c.asset, a.address FROM sweep_candidates c JOIN deposit_addresses a ON a.id = c.deposit_address
        WHERE c.network = $1 AND c.noticed_at <= $4
            AND NOT EXISTS (SELECT 1 FROM outgoing_transactions t WHERE t.network = c.network
                AND t.status IN ('signed', 'submitted')
                AND (t.from_address = a.address OR (t.purpose = 'gas' AND EXISTS (SELECT 1 FROM outgoing_payments p
                    WHERE p.transaction = t.id AND p.to_address = a.address))))
            AND NOT EXISTS (SELECT 1 FROM frozen_addresses f WHERE f.network = c.network AND f.address = a.address
                AND f.asset = c.asset AND f.ended_at IS NULL)
            AND NOT (c.asset = $2 AND EXISTS (
                SELECT 1 FROM sweep_candidates o WHERE o.deposit_address = c.deposit_address AND o.asset <> $2
                    AND o.noticed_at <= $4 AND NOT EXISTS (SELECT 1 FROM frozen_addresses f
                        WHERE f.network = o.network AND f.address = a.address AND f.asset = o.asset
                            AND f.ended_at IS NULL)))
        ORDER BY c.noticed_at, c.id LIMIT $3
        """,
        network,
        native_symbol,
        limit,
        now,
    )
    return [Candidate(*row) for row in rows]


async def remove(candidate_id: int) -> None:
    """Remove a candidate, until another deposit is settled at its address."""
    await _REMOVE.run(id=candidate_id)


_REMOVE = Command(SweepCandidate.delete().where(SweepCandidate.id == Param("id")))


async def postpone(candidate_id: int, until: datetime) -> None:
    """Leave a candidate alone until then."""
    await _POSTPONE.run(id=candidate_id, until=until)


_POSTPONE = Command(
    SweepCandidate.update({SweepCandidate.noticed_at: Param("until")}).where(SweepCandidate.id == Param("id"))
)


async def derivation_index(network: str, address: str) -> int | None:
    """The number of a deposit address by the database; None where it is not one of ours."""
    return await _DERIVATION_INDEX.first(network=network, address=address)


_DERIVATION_INDEX = Statement(
    DepositAddress.select(DepositAddress.derivation_index).where(
        DepositAddress.network == Param("network"), DepositAddress.address == Param("address")
    ),
    int,
)
