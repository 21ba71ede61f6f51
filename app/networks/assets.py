"""Update the `assets` table from the networks file, at every start."""

from app.core.deployment import DeploymentError
from app.networks import repository
from app.networks.registry import Networks
from app.networks.repository import KnownAsset


class AssetChanged(DeploymentError):
    """The file gives an asset other decimals or another contract than the ledgers use."""


async def sync(networks: Networks) -> None:
    """Add new assets. Raises AssetChanged for a changed one: amounts in the ledgers would change their meaning."""
    for network in networks:
        for asset in network.assets:
            await repository.add(network.key, asset.symbol, asset.contract, asset.decimals)
            known = await repository.find(network.key, asset.symbol)
            if known != KnownAsset(asset.contract, asset.decimals):
                raise AssetChanged(
                    f"network {network.key}: {asset.symbol} has another contract or other decimals than the ledgers;"
                    " give the new asset a symbol of its own"
                )
