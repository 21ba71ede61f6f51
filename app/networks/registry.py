"""All configured networks, and one adapter for each, created at first use."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import cast

from app.networks import recognition
from app.networks.config import Asset, NetworkConfig
from app.networks.feeds import PriceFeeds
from app.networks.inspection import NodeFinding
from app.networks.kinds import KINDS
from app.networks.port import Chain
from app.networks.sending import AccountSender, Sender, SigningWallets
from app.networks.throttle import LocalThrottle, Throttle


class UnknownNetwork(LookupError):
    """No such network is configured."""


class UnknownAsset(LookupError):
    """The network is configured, but has no such asset."""


class SendsNothing(LookupError):
    """The network is configured, but nothing can be sent on chains of its kind yet."""


MinedInOf = Callable[[str, Collection[str]], Awaitable[Mapping[str, str]]]
"""`app.networks.port.MinedIn` of the network that is named first."""


class Networks:
    """The networks of one process. Create it within the event loop that uses it, close it at the end."""

    def __init__(
        self,
        configs: Mapping[str, NetworkConfig],
        mined_in: MinedInOf | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        """`mined_in` reads the books; without it, no transaction of ours is known to be in a block. `throttle` counts
        requests to nodes whose provider does; without it, this process counts alone."""
        self._configs = dict(configs)
        self._places = {
            (network.key, asset.symbol): (place, among)
            for place, network in enumerate(self._configs.values())
            for among, asset in enumerate(network.assets)
        }
        self._mined_in = mined_in or _not_mined
        self._throttle = throttle or LocalThrottle()
        self._chains: dict[str, Chain] = {}
        self._senders: dict[str, Sender] = {}

    def __iter__(self) -> Iterator[NetworkConfig]:
        return iter(self._configs.values())

    def get(self, key: str) -> NetworkConfig:
        """The network called `<chain>:<mode>`. Raises `UnknownNetwork`."""
        try:
            return self._configs[key]
        except KeyError:
            raise UnknownNetwork(key) from None

    def place_of(self, key: str, symbol: str) -> tuple[int, int]:
        """The place of an asset in every list: networks, then their assets, both as configured. What is not configured
        any more comes last."""
        return self._places.get((key, symbol), (len(self._configs), 0))

    def address_forms(self, text: str) -> list[str]:
        """The canonical forms of what may be an address, on whichever of the networks it is one; the text itself too.

        People copy addresses in any case, and as hexadecimal digits (`recognition.spellings`).
        """
        forms = {text}
        for network in self:
            for spelled in recognition.spellings(text):
                with suppress(ValueError):
                    forms.add(network.normalise_address(spelled))
        return sorted(forms)

    def by(self, chain: str, mode: str) -> NetworkConfig:
        """The network of `chain` in `mode` ("live" or "test"). Raises `UnknownNetwork`."""
        return self.get(f"{chain}:{mode}")

    def asset(self, chain: str, mode: str, symbol: str) -> Asset:
        """An asset of a network. Raises `UnknownNetwork`, `UnknownAsset`."""
        asset = self.by(chain, mode).asset(symbol)
        if asset is None:
            raise UnknownAsset(f"{symbol} on {chain}:{mode}")
        return asset

    def chain(self, key: str) -> Chain:
        """The adapter of the network `key`; the same one each time. Raises `UnknownNetwork`."""
        if key not in self._chains:
            config = self.get(key)
            self._chains[key] = KINDS[config.kind].chain(config, partial(self._mined_in, key), self._throttle)
        return self._chains[key]

    def fee_rate(self, key: str, signed_bytes: bytes, fee_raw: int) -> int | None:
        """What a signed transaction pays for 1,000 units of its size, in minor units of the native coin; None where
        that means nothing. Raises `UnknownNetwork`."""
        rate = KINDS[self.get(key).kind].fee_rate
        return None if rate is None else rate(signed_bytes, fee_raw)

    async def inspect(self, key: str, next_height: int | None) -> list[NodeFinding]:
        """What the doctor says about each node of the network `key` (`inspection.Inspect`). Raises
        `UnknownNetwork`."""
        config = self.get(key)
        look = KINDS[config.kind].inspect
        return [] if look is None else await look(config, next_height)

    def price_feeds(self, key: str) -> PriceFeeds | None:
        """What reads the price feeds of the network `key`, for the caller to close; None where none are configured.
        Raises `UnknownNetwork`."""
        config = self.get(key)
        make = KINDS[config.kind].feeds
        return None if make is None else make(config)

    def signing_wallets(self, key: str) -> SigningWallets | None:
        """What makes payments for wallets in browsers that only sign, on the network `key`; None where they send by
        themselves, or there are none. Raises `UnknownNetwork`."""
        config = self.get(key)
        make = KINDS[config.kind].signing_wallets
        return None if make is None else make(config)

    def sender(self, key: str) -> Sender:
        """The sending side of the network `key`; the same one each time. Raises `UnknownNetwork`, `SendsNothing`."""
        if key not in self._senders:
            config = self.get(key)
            make = KINDS[config.kind].sender
            if make is None:
                raise SendsNothing(f"nothing can be sent on {key}")
            self._senders[key] = make(config, partial(self._mined_in, key), self._throttle)
        return self._senders[key]

    def account_sender(self, key: str) -> AccountSender:
        """The same of a network with accounts, with what only those have. Raises as `sender`."""
        return cast("AccountSender", self.sender(key))

    async def aclose(self) -> None:
        """Close every adapter's connections."""
        while self._senders:
            _, sender = self._senders.popitem()
            await sender.aclose()
        while self._chains:
            _, chain = self._chains.popitem()
            await chain.aclose()


async def _not_mined(_: str, __: Collection[str]) -> Mapping[str, str]:
    return {}
