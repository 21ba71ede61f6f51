"""Statements of the signer where transactions are limited in time: what the scan has, and what the desk is shown."""

from datetime import datetime
from typing import Literal

from piccolo.query.functions.aggregate import Min

from app.core import database
from app.core.statement import Command, Param, Statement, insert
from app.deposits.tables import ScannedBlock
from app.networks.sending import Cost, Prices, Resources
from app.withdrawals.tables import ResourceLook, TransferLook


async def hash_at(network: str, height: int) -> str | None:
    """The hash of a scanned block, None where no such block is kept."""
    return await _HASH_AT.first(network=network, height=height)


_HASH_AT = Statement(
    ScannedBlock.select(ScannedBlock.hash).where(
        ScannedBlock.network == Param("network"), ScannedBlock.height == Param("height")
    ),
    str,
)


async def first_height_from(network: str, moment: datetime) -> int | None:
    """The height of the first scanned block that is kept and whose time is at or past a moment; None where there is
    none. Older ones are forgotten, and then it is a later one than the first: the scan has all blocks up to it too."""
    return await _FIRST_FROM.first(network=network, moment=moment)


_FIRST_FROM = Statement(
    ScannedBlock.select(Min(ScannedBlock.height, alias="height")).where(
        ScannedBlock.network == Param("network"), ScannedBlock.block_time >= Param("moment")
    ),
    int,
)


async def record_resources(network: str, resources: Resources, prices: Prices, now: datetime) -> None:
    """Store what the hot wallet has to pay fees with, and what resources cost, for the operators' pages."""
    await _RECORD.run(
        network=network,
        energy=resources.energy,
        energy_limit=resources.energy_limit,
        bytes_staked=resources.bytes_staked,
        bytes_free=resources.bytes_free,
        spendable_raw=resources.spendable_raw,
        staked_raw=resources.staked_raw,
        lendable_raw=resources.lendable_raw,
        lent_raw=resources.lent_raw,
        energy_price_raw=prices.energy_raw,
        byte_price_raw=prices.byte_raw,
        activation_raw=prices.activation_raw,
        energy_per_stake=prices.energy_per_stake,
        stake_for_energy=prices.stake_for_energy,
        looked_at=now,
    )


_LOOKED_AT = [column for column in ResourceLook._meta.columns if column._meta.name not in ("id", "network")]
_RECORD = Command(insert(ResourceLook).on_conflict(target=ResourceLook.network, action="DO UPDATE", values=_LOOKED_AT))


async def write_presence(network: str, now: datetime) -> datetime | None:
    """Write that a network's signer is there now; return when it was there before by the books, None where it never
    was."""
    # SQL, since the builder can't return what a row held before.
    before: datetime | None = await database.fetch_value(
        """
        WITH before AS (SELECT present_at FROM signer_presence WHERE network = $1), written AS (
            INSERT INTO signer_presence (network, present_at) VALUES ($1, $2)
            ON CONFLICT (network) DO UPDATE SET present_at = excluded.present_at)
        SELECT present_at FROM before
        """,
        network,
        now,
    )
    return before


async def record_transfer(
    network: str, asset: str, purpose: Literal["payout", "sweep"], cost: Cost, now: datetime
) -> None:
    """Store what a transfer of an asset takes, for the operators' pages."""
    await _RECORD_TRANSFER.run(
        network=network,
        asset=asset,
        purpose=purpose,
        energy=cost.energy,
        size=cost.size,
        fee_limit_raw=cost.fee_limit_raw,
        looked_at=now,
    )


_RECORD_TRANSFER = Command(
    insert(TransferLook).on_conflict(
        target=(TransferLook.network, TransferLook.asset, TransferLook.purpose),
        action="DO UPDATE",
        values=[TransferLook.energy, TransferLook.size, TransferLook.fee_limit_raw, TransferLook.looked_at],
    )
)
