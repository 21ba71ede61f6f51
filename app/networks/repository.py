"""Every statement on `assets`."""

import msgspec

from app.core.statement import Command, Param, Statement, insert, select
from app.networks.tables import Asset


class KnownAsset(msgspec.Struct, frozen=True):
    """What is stored of an asset. `contract` is None for the native coin."""

    contract: str | None
    decimals: int


async def add(network: str, symbol: str, contract: str | None, decimals: int) -> None:
    """Add an asset; one that is there stays as it is."""
    await _ADD.run(network=network, symbol=symbol, contract=contract, decimals=decimals)


_ADD = Command(insert(Asset).on_conflict(target=(Asset.network, Asset.symbol), action="DO NOTHING"))


async def find(network: str, symbol: str) -> KnownAsset | None:
    """An asset of a network, if it is known."""
    return await _FIND.first(network=network, symbol=symbol)


_FIND = Statement(
    select(Asset, KnownAsset).where(Asset.network == Param("network"), Asset.symbol == Param("symbol")), KnownAsset
)
