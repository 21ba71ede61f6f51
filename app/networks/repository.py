"""Every statement on `assets` and `network_fees`."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core.statement import Command, Param, Statement, insert, select
from app.networks.port import CustomerFee
from app.networks.tables import Asset, NetworkFee


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


class FeeLook(msgspec.Struct, frozen=True):
    """A row of `network_fees`. `fee_raw` is in minor units of `coin`."""

    network: str
    asset: str
    fee_raw: int
    coin: str
    coin_decimals: int
    looked_at: datetime


async def record_fees(network: str, fees: Sequence[CustomerFee], now: datetime) -> None:
    """Store what payments cost customers on a network now, over what was stored before."""
    await _RECORD_FEES.run_each(
        [
            {
                "network": network,
                "asset": fee.asset_symbol,
                "fee_raw": fee.fee_raw,
                "coin": fee.coin_symbol,
                "coin_decimals": fee.coin_decimals,
                "looked_at": now,
            }
            for fee in fees
        ]
    )


_RECORD_FEES = Command(
    insert(NetworkFee).on_conflict(
        target=(NetworkFee.network, NetworkFee.asset),
        action="DO UPDATE",
        values=[NetworkFee.fee_raw, NetworkFee.coin, NetworkFee.coin_decimals, NetworkFee.looked_at],
    )
)


async def fees_since(since: datetime) -> list[FeeLook]:
    """What payments cost customers on all networks, where they were asked since then."""
    return await _FEES_SINCE.all(since=since)


_FEES_SINCE = Statement(
    select(NetworkFee, FeeLook).where(NetworkFee.looked_at >= Param("since")).order_by(NetworkFee.id), FeeLook
)
