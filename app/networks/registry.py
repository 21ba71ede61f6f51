"""All configured networks, and one adapter for each, created at first use."""

from collections.abc import Iterator, Mapping

from app.networks.config import Asset, NetworkConfig
from app.networks.evm.chain import EvmChain
from app.networks.evm.sending import EvmSender
from app.networks.port import AccountSender, Chain, Sender


class UnknownNetwork(LookupError):
    """No such network is configured."""


class UnknownAsset(LookupError):
    """The network is configured, but has no such asset."""


class Networks:
    """The networks of one process. Create it within the event loop that uses it, close it at the end."""

    def __init__(self, configs: Mapping[str, NetworkConfig]) -> None:
        self._configs = dict(configs)
        self._chains: dict[str, Chain] = {}
        self._senders: dict[str, AccountSender] = {}

    def __iter__(self) -> Iterator[NetworkConfig]:
        return iter(self._configs.values())

    def get(self, key: str) -> NetworkConfig:
        """The network called `<chain>:<mode>`. Raises `UnknownNetwork`."""
        try:
            return self._configs[key]
        except KeyError:
            raise UnknownNetwork(key) from None

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
            self._chains[key] = EvmChain(self.get(key))
        return self._chains[key]

    def sender(self, key: str) -> Sender:
        """The sending side of the network `key`; the same one each time. Raises `UnknownNetwork`."""
        return self.account_sender(key)

    def account_sender(self, key: str) -> AccountSender:
        """The same of a network with accounts, with what only those have. Raises `UnknownNetwork`."""
        if key not in self._senders:
            self._senders[key] = EvmSender(self.get(key))
        return self._senders[key]

    async def aclose(self) -> None:
        """Close every adapter's connections."""
        while self._senders:
            _, sender = self._senders.popitem()
            await sender.aclose()
        while self._chains:
            _, chain = self._chains.popitem()
            await chain.aclose()
