"""Assets in forms and filters: one field for an asset and its chain, `USDT@ethereum`."""

from dataclasses import dataclass

from app.cabinet.seat import Seat
from app.core.errors import invalid
from app.gateway import Gateway
from app.merchants.queries import enabled_assets
from app.networks.config import Asset, NetworkConfig


@dataclass(frozen=True, slots=True)
class Choice:
    """An asset on a chain."""

    network: NetworkConfig
    asset: Asset

    @property
    def value(self) -> str:
        """Names it in a field."""
        return f"{self.asset.symbol}@{self.network.chain}"

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.asset.symbol} on {self.network.display_name}"


def every(gateway: Gateway, seat: Seat) -> list[Choice]:
    """Every asset of the mode, whether or not the merchant takes it now: it may have been taken before."""
    networks = [network for network in gateway.networks if network.mode == seat.mode]
    return [Choice(network, asset) for network in networks for asset in network.assets]


async def taken(gateway: Gateway, seat: Seat) -> list[Choice]:
    """The assets that the merchant takes."""
    enabled = {(one.network, one.asset) for one in await enabled_assets(seat.merchant_id, seat.mode)}
    return [choice for choice in every(gateway, seat) if (choice.network.key, choice.asset.symbol) in enabled]


def find(choices: list[Choice], value: str | None) -> Choice | None:
    """The choice that a field names; None for one that there is not."""
    return next((choice for choice in choices if choice.value == value), None)


def chosen(choices: list[Choice], value: str, field: str) -> Choice:
    """The choice that a field names. Raises INVALID_INPUT."""
    found = find(choices, value)
    if found is None:
        raise invalid(field, "choose an asset")
    return found


def options(choices: list[Choice]) -> list[tuple[str, str]]:
    """For a select."""
    return [(choice.value, choice.label) for choice in choices]
