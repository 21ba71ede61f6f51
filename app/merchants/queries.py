"""Reading what merchants may do."""

from dataclasses import dataclass

from app.core import database


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
