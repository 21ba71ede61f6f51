"""Assets in forms and filters: one field for an asset and its chain, `USDT@ethereum`."""

import msgspec

from app.cabinet.context import MemberContext
from app.identity.forms import Form
from app.merchants.repository import enabled_assets
from app.networks.config import Asset, NetworkConfig
from app.wiring import Services


class Choice(msgspec.Struct, frozen=True):
    """An asset on a chain."""

    network: NetworkConfig
    asset: Asset

    @property
    def value(self) -> str:
        """The value of a form field or filter."""
        return f"{self.asset.symbol}@{self.network.chain}"

    @property
    def label(self) -> str:
        """The text that people read."""
        return f"{self.asset.symbol} on {self.network.display_name}"


def every(services: Services, ctx: MemberContext) -> list[Choice]:
    """Every asset of the mode, also those that the merchant does not accept now: earlier invoices may have them."""
    networks = [network for network in services.networks if network.mode == ctx.mode]
    return [Choice(network, asset) for network in networks for asset in network.assets]


async def enabled(services: Services, ctx: MemberContext) -> list[Choice]:
    """The assets that the merchant accepts."""
    keys = {(one.network, one.asset) for one in await enabled_assets(ctx.merchant_id, ctx.mode)}
    return [choice for choice in every(services, ctx) if (choice.network.key, choice.asset.symbol) in keys]


def find(choices: list[Choice], value: str | None) -> Choice | None:
    """The choice that a field names; None where there is no such choice."""
    return next((choice for choice in choices if choice.value == value), None)


def chosen(form: Form, choices: list[Choice], value: str, field: str) -> Choice | None:
    """The choice that a field of a form names. Records an error where there is no such choice."""
    found = find(choices, value)
    if found is None:
        form.record(field, "Choose an asset.")
    return found


def options(choices: list[Choice]) -> list[tuple[str, str]]:
    """Value and label of each choice, for a select."""
    return [(choice.value, choice.label) for choice in choices]
