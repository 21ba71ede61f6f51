"""A merchant's balance of each asset."""

from collections.abc import Iterable

import msgspec

from app.invoices import repository as invoices
from app.ledger import repository as ledger
from app.merchants.repository import enabled_assets
from app.networks.config import Asset, NetworkConfig
from app.networks.registry import Networks


class AssetBalance(msgspec.Struct, frozen=True, kw_only=True):
    """A balance. Amounts are in minor units. `pending_raw` was seen on chain and is not in the ledger yet.

    `seq` is the number of the ledger's last entry, 0 where nothing was ever booked.
    """

    network: NetworkConfig
    asset: Asset
    available_raw: int
    locked_raw: int
    pending_raw: int
    seq: int


async def balances(networks: Networks, merchant_id: str, mode: str) -> list[AssetBalance]:
    """The balance of each asset that the merchant accepts or has, in the order of every list."""
    heads = {(head.chain.network, head.chain.asset): head.state for head in await ledger.heads(merchant_id)}
    pending = await invoices.pending_raw(merchant_id, mode)
    enabled = await enabled_assets(merchant_id, mode)
    held = {key for key in heads if key[0].endswith(f":{mode}")}
    found = []
    every = held | {(asset.network, asset.asset) for asset in enabled} | set(pending)
    for key in sorted(every, key=lambda key: (networks.place_of(*key), key)):
        network, asset = configured(networks, *key)
        if network is None or asset is None:
            continue
        state = heads.get(key)
        found.append(
            AssetBalance(
                network=network,
                asset=asset,
                available_raw=state.available_raw if state else 0,
                locked_raw=state.locked_raw if state else 0,
                pending_raw=pending.get(key, 0),
                seq=state.seq if state else 0,
            )
        )
    return found


def configured(
    networks: Iterable[NetworkConfig], network_key: str, symbol: str
) -> tuple[NetworkConfig | None, Asset | None]:
    """A network and its asset in the networks file; None for those that the file no longer has."""
    for network in networks:
        if network.key == network_key:
            return network, network.asset(symbol)
    return None, None
