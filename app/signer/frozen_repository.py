"""Statements on `frozen_addresses`: what addresses of ours hold of tokens that their issuer has stopped there."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, any_of, select
from app.withdrawals.tables import FrozenAddress


class FrozenCase(msgspec.Struct, frozen=True):
    """An open case: what an address held of an asset when it was looked at last, in minor units."""

    id: int
    asset: str
    address: str
    amount_raw: int


async def open_case(network: str, asset: str, address: str, amount_raw: int, now: datetime) -> bool:
    """Open a case, or write what is held now into the open one. True where it is new."""
    # SQL, since the builder knows no ON CONFLICT of a partial index.
    return bool(
        await database.fetch_value(
            """
            INSERT INTO frozen_addresses (network, asset, address, amount_raw, found_at, checked_at)
            VALUES ($1, $2, $3, $4, $5, $5)
            ON CONFLICT (network, address, asset) WHERE ended_at IS NULL
            DO UPDATE SET amount_raw = excluded.amount_raw, checked_at = excluded.checked_at
            RETURNING xmax = 0
            """,
            network,
            asset,
            address,
            amount_raw,
            now,
        )
    )


async def due(network: str, checked_before: datetime, limit: int) -> list[FrozenCase]:
    """The open cases of a network that were looked at before that moment, the oldest look first."""
    return await _DUE.all(network=network, before=checked_before, limit=limit)


_IS_OPEN = FrozenAddress.ended_at.is_null()
_DUE = Statement(
    select(FrozenAddress, FrozenCase)
    .where(FrozenAddress.network == Param("network"), _IS_OPEN, FrozenAddress.checked_at <= Param("before"))
    .order_by(FrozenAddress.checked_at, FrozenAddress.id),
    FrozenCase,
    limited=True,
)


async def checked(case_id: int, amount_raw: int, now: datetime) -> None:
    """Store that an address is still frozen, and what it holds now."""
    await _CHECKED.run(id=case_id, amount_raw=amount_raw, now=now)


_CHECKED = Command(
    FrozenAddress.update({FrozenAddress.amount_raw: Param("amount_raw"), FrozenAddress.checked_at: Param("now")}).where(
        FrozenAddress.id == Param("id"), _IS_OPEN
    )
)


async def end(case_ids: Sequence[int], now: datetime) -> None:
    """End cases: the issuer has let the addresses go. Those that are deposit addresses are candidates for a sweep
    again. Needs the caller's transaction."""
    database.in_transaction()
    await _END.run(ids=list(case_ids), now=now)
    # SQL, since the builder knows no INSERT … SELECT.
    await database.execute(
        """
        INSERT INTO sweep_candidates (network, asset, deposit_address, noticed_at)
        SELECT f.network, f.asset, a.id, $2::timestamptz FROM frozen_addresses f
        JOIN deposit_addresses a ON a.network = f.network AND a.address = f.address
        WHERE f.id = ANY($1)
        ON CONFLICT (deposit_address, asset) DO UPDATE SET noticed_at = excluded.noticed_at
        """,
        list(case_ids),
        now,
    )


_END = Command(
    FrozenAddress.update({FrozenAddress.ended_at: Param("now"), FrozenAddress.checked_at: Param("now")}).where(
        any_of(FrozenAddress.id, Param("ids")), _IS_OPEN
    )
)
