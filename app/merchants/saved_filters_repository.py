"""Every statement on `saved_filters`."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core.statement import Command, Param, Statement, insert, select
from app.merchants.tables import SavedFilter


class Saved(msgspec.Struct, frozen=True):
    """The filters of a list under a name. `query` is the query of the list's address."""

    id: int
    name: str
    query: str


_OF_LIST = (
    (SavedFilter.account == Param("account"))
    & (SavedFilter.merchant == Param("merchant"))
    & (SavedFilter.list == Param("list"))
)


async def of_list(account_id: str, merchant_id: str, which: str) -> Sequence[Saved]:
    """What a person keeps for a list, by name."""
    return await _LISTED.all(account=account_id, merchant=merchant_id, list=which)


_LISTED = Statement(select(SavedFilter, Saved).where(_OF_LIST).order_by(SavedFilter.name), Saved)


async def put(account_id: str, merchant_id: str, which: str, name: str, query: str, now: datetime) -> None:
    """Keep a query under a name; what had the name before is replaced."""
    await _PUT.run(account=account_id, merchant=merchant_id, list=which, name=name, query=query, created_at=now)


_NAME = (SavedFilter.account, SavedFilter.merchant, SavedFilter.list, SavedFilter.name)
_PUT = Command(
    insert(SavedFilter, *_NAME, SavedFilter.query, SavedFilter.created_at).on_conflict(
        target=_NAME, action="DO UPDATE", values=[SavedFilter.query]
    )
)


async def remove(account_id: str, merchant_id: str, filter_id: int) -> bool:
    """Remove what a person keeps. False where there is none, or it is somebody else's."""
    return bool(await _REMOVE.run(account=account_id, merchant=merchant_id, id=filter_id))


_REMOVE = Command(
    SavedFilter.delete().where(
        SavedFilter.id == Param("id"),
        SavedFilter.account == Param("account"),
        SavedFilter.merchant == Param("merchant"),
    )
)
