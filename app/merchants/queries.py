"""Reading what merchants may do."""

from dataclasses import dataclass

from app.core import database
from app.merchants.terms import Mode, Terms


@dataclass(frozen=True, slots=True)
class EnabledAsset:
    """An asset that a merchant takes, with the merchant's own bounds for one invoice, if any."""

    network: str
    asset: str
    min_raw: int | None
    max_raw: int | None


async def enabled_assets(merchant_id: str, mode: str) -> list[EnabledAsset]:
    """The assets that a merchant takes in a mode, by network and symbol."""
    rows = await database.fetch_all(
        """
        SELECT network, asset, min_raw, max_raw FROM merchant_assets
        WHERE merchant = $1 AND enabled AND split_part(network, ':', 2) = $2 ORDER BY network, asset
        """,
        merchant_id,
        mode,
    )
    return [EnabledAsset(*row) for row in rows]


async def terms_of(merchant_id: str, mode: Mode) -> Terms:
    """What a merchant that is there has agreed to."""
    row = await database.fetch_one(
        "SELECT service_fee_bps, fee_payer, accept_parts FROM merchants WHERE id = $1", merchant_id
    )
    assert row is not None, merchant_id
    return Terms(merchant_id, mode, row["service_fee_bps"], row["fee_payer"], row["accept_parts"])
