"""Deposit addresses whose tokens their issuer has stopped, as operators read them."""

from datetime import datetime

import msgspec

from app.core.keyset import Page, Place
from app.core.statement import Listing, Param, Statement, select
from app.withdrawals.tables import FrozenAddress


class ListedFrozenAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A case: what the address held when the signer looked last; `ended_at` is None while it is open."""

    id: int
    asset: str
    address: str
    amount_raw: int
    found_at: datetime
    checked_at: datetime
    ended_at: datetime | None


async def open_ones(network: str, limit: int) -> list[ListedFrozenAddress]:
    """The open cases of a network, the newest first."""
    return await _OPEN.all(network=network, limit=limit)


_OPEN = Statement(
    select(FrozenAddress, ListedFrozenAddress)
    .where(FrozenAddress.network == Param("network"), FrozenAddress.ended_at.is_null())
    .order_by(FrozenAddress.id, ascending=False),
    ListedFrozenAddress,
    limited=True,
)


async def page(network: str, place: Place | None, limit: int) -> Page[ListedFrozenAddress]:
    """A page of all cases of a network by id, the newest first; ended ones too."""
    return await _PAGE.page(place, limit, network=network)


_PAGE = Listing(
    lambda: select(FrozenAddress, ListedFrozenAddress).where(FrozenAddress.network == Param("network")),
    ListedFrozenAddress,
    key=(FrozenAddress.id,),
)
