"""The coins of a network, as operators read them: only chains of coins have any."""

from datetime import datetime
from typing import Literal

import msgspec

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of

State = Literal["spendable", "waiting", "immature", "promised"]

IS_OURS = """
    (c.height IS NOT NULL OR NOT c.is_change OR EXISTS (SELECT FROM outgoing_transactions t
        WHERE t.network = c.network AND t.txid = c.txid AND t.status IN ('signed', 'submitted') AND NOT EXISTS (
            SELECT FROM outgoing_transactions later WHERE later.lineage = t.lineage AND later.id > t.id)))
    """
"""SQL: whether the coin `c` counts. The change of a transaction that another attempt replaces will hardly be."""

CLAIMED = """
    EXISTS (SELECT FROM outgoing_claims o JOIN outgoing_transactions t ON t.id = o.transaction
        WHERE o.network = c.network AND o.claim = 'coin:' || c.txid || ':' || c.vout AND t.status <> 'replaced')
    """
"""SQL: whether a transaction of ours that may be mined spends the coin `c`."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and amounts, in minor units, of a network's unspent coins.

    `mined`: in a block. Of these, `immature`: a reward that can't be spent yet; `promised`: spent by a transaction of
    ours that is under way; `uneconomic`: worth no more than it costs to spend them. `waiting`: in no block yet.
    """

    mined_count: int
    mined_raw: int
    waiting_count: int
    waiting_raw: int
    immature_count: int
    immature_raw: int
    promised_count: int
    promised_raw: int
    uneconomic_count: int
    uneconomic_raw: int


class ListedCoin(msgspec.Struct, frozen=True, kw_only=True):
    """An unspent coin: output `vout` of a transaction. `is_change`: a transaction of ours has made it."""

    id: int
    txid: str
    vout: int
    amount_raw: int
    address: str
    is_change: bool
    height: int | None
    matures_at: int | None
    state: State
    seen_at: datetime


async def sums(network: str, height: int, cost_raw: int | None) -> Sums | None:
    """The sums at `height`, the newest scanned block; None where the network has never had a coin.

    `cost_raw` is what it costs to spend one now, None where that isn't known.
    """
    # SQL: sums with FILTER.
    row = await database.fetch_one(
        f"""
        SELECT count(height) AS mined_count, coalesce(sum(amount_raw) FILTER (WHERE height >= 0), 0) AS mined_raw,
            count(*) FILTER (WHERE height IS NULL) AS waiting_count,
            coalesce(sum(amount_raw) FILTER (WHERE height IS NULL), 0) AS waiting_raw,
            count(*) FILTER (WHERE matures_at > $2) AS immature_count,
            coalesce(sum(amount_raw) FILTER (WHERE matures_at > $2), 0) AS immature_raw,
            count(*) FILTER (WHERE is_promised AND height >= 0) AS promised_count,
            coalesce(sum(amount_raw) FILTER (WHERE is_promised AND height >= 0), 0) AS promised_raw,
            count(*) FILTER (WHERE amount_raw <= $3 AND height >= 0) AS uneconomic_count,
            coalesce(sum(amount_raw) FILTER (WHERE amount_raw <= $3 AND height >= 0), 0) AS uneconomic_raw,
            EXISTS (SELECT FROM coins WHERE network = $1) AS has_any
        FROM (SELECT c.amount_raw, c.height, c.matures_at, {CLAIMED} AS is_promised FROM coins c
            WHERE c.network = $1 AND c.spent_by IS NULL AND {IS_OURS}) AS unspent
        """,
        network,
        height,
        cost_raw,
    )
    assert row is not None
    return msgspec.convert({name: int(value) for name, value in row.items()}, Sums) if row["has_any"] else None


async def page(network: str, height: int, place: Place | None, limit: int) -> Page[ListedCoin]:
    """A page of the unspent coins by id, newest first; their states are those at `height`."""
    comparison, order = direction(place)
    # SQL, since no foreign key leads from a coin to the claims on it.
    rows = await database.fetch_all(
        f"""
        SELECT c.id, c.txid, c.vout, c.amount_raw, c.address, c.is_change, c.height, c.matures_at, c.seen_at,
            CASE WHEN {CLAIMED} THEN 'promised' WHEN c.height IS NULL THEN 'waiting'
                WHEN c.matures_at > $2 THEN 'immature' ELSE 'spendable' END AS state
        FROM coins c
        WHERE c.network = $1 AND c.spent_by IS NULL AND {IS_OURS} AND ($3::bigint IS NULL OR c.id {comparison} $3)
        ORDER BY c.id {order} LIMIT $4
        """,
        network,
        height,
        None if place is None else place.key[0],
        limit + 1,
    )
    return page_of(rows, limit, place, key=("id",), made=_coin)


def _coin(row: Row) -> ListedCoin:
    return msgspec.convert(dict(row), ListedCoin)
