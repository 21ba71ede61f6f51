"""Every statement on `worths`."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, insert
from app.worth.tables import Worth


class Reporting(msgspec.Struct, frozen=True):
    """In which currency a merchant reports, and the places of an asset that is to be valued in it."""

    currency: str
    decimals: int


class NewWorth(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `worths` to be written."""

    merchant: str
    kind: str
    reference_type: str
    reference_id: str
    currency: str
    worth_raw: int
    rate: int
    booked_at: datetime


async def reporting(merchant_id: str, network: str, asset: str) -> Reporting | None:
    """How an asset of a merchant is to be valued; None where the merchant reports in no currency."""
    # SQL: no foreign key leads from merchants to assets.
    row = await database.fetch_one(
        """
        SELECT m.reporting_currency, a.decimals FROM merchants m, assets a
        WHERE m.id = $1 AND m.reporting_currency IS NOT NULL AND a.network = $2 AND a.symbol = $3
        """,
        merchant_id,
        network,
        asset,
    )
    return None if row is None else Reporting(*row)


async def add(worths: Sequence[NewWorth]) -> None:
    """Write worths, in the transaction that has written their entries."""
    await _ADD.run_each([msgspec.structs.asdict(each) for each in worths])


_ADD = Command(
    insert(
        Worth,
        Worth.merchant,
        Worth.kind,
        Worth.reference_type,
        Worth.reference_id,
        Worth.currency,
        Worth.worth_raw,
        Worth.rate,
        Worth.booked_at,
    )
)
