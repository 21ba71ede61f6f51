"""Statements on `coins` and `change_addresses` for the signer: locks, how much there is, numbers of addresses."""

from collections.abc import Collection

from app.core import database
from app.core.statement import Param, Statement
from app.withdrawals.tables import ChangeAddress


async def lock_unspent(network: str, claims: Collection[str]) -> int:
    """Lock our coins with these claims, in the caller's transaction, and return how many of them no block spends."""
    database.in_transaction()
    # SQL, since the builder knows no unnest.
    rows = await database.fetch_all(
        """
        SELECT c.spent_by FROM unnest($2::text[]) AS wanted (claim) JOIN coins c ON c.network = $1
            AND c.txid = split_part(wanted.claim, ':', 2) AND c.vout = split_part(wanted.claim, ':', 3)::integer
        ORDER BY c.id FOR UPDATE OF c
        """,
        network,
        list(claims),
    )
    return sum(row["spent_by"] is None for row in rows)


async def held_raw(network: str) -> int:
    """What our unspent coins in blocks are worth together, in minor units."""
    # SQL: the builder's sum has no default in place of NULL that is numeric.
    held: int = await database.fetch_value(
        """
        SELECT coalesce(sum(amount_raw), 0) FROM coins
        WHERE network = $1 AND spent_by IS NULL AND height IS NOT NULL
        """,
        network,
    )
    return held


async def change_index(network: str, address: str) -> int | None:
    """The number of one of our change addresses by the database; None where it is none of ours."""
    return await _CHANGE_INDEX.first(network=network, address=address)


_CHANGE_INDEX = Statement(
    ChangeAddress.select(ChangeAddress.index).where(
        ChangeAddress.network == Param("network"), ChangeAddress.address == Param("address")
    ),
    int,
)
