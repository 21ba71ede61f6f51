"""Bringing the `assets` table in line with the networks file, at every start."""

from app.core import database
from app.networks.registry import Networks


class AssetChanged(Exception):
    """The file gives an asset other decimals or another contract than the books were kept in."""


async def sync(networks: Networks) -> None:
    """Add what is new. Raises AssetChanged: amounts already booked would change their meaning."""
    for network in networks:
        for asset in network.assets:
            await database.execute(
                """
                INSERT INTO assets (network, symbol, contract, decimals) VALUES ($1, $2, $3, $4)
                ON CONFLICT (network, symbol) DO NOTHING
                """,
                network.key,
                asset.symbol,
                asset.contract,
                asset.decimals,
            )
            row = await database.fetch_one(
                "SELECT contract, decimals FROM assets WHERE network = $1 AND symbol = $2",
                network.key,
                asset.symbol,
            )
            if row is None or (row["contract"], row["decimals"]) != (asset.contract, asset.decimals):
                raise AssetChanged(
                    f"network {network.key}: {asset.symbol} has another contract or other decimals than the books;"
                    " give the new asset a symbol of its own"
                )
