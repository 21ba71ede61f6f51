"""The kinds of chain: what each needs in the networks file, and its adapters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.networks.bitcoin.chain import BitcoinChain
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.inspection import inspect
from app.networks.bitcoin.sending import BitcoinSender
from app.networks.bitcoin.signing import fee_rate
from app.networks.config import NetworkConfig
from app.networks.evm.chain import EvmChain
from app.networks.evm.config import EvmConfig
from app.networks.evm.feeds import EvmFeeds
from app.networks.evm.sending import EvmSender
from app.networks.feeds import PriceFeeds
from app.networks.inspection import Inspect
from app.networks.port import Chain, MinedIn, Sender


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of chain. `chain` and `sender` are given a configuration of the class `config`, and what says in which
    blocks our transactions are; `sender` is None where nothing can be sent on the kind yet.

    `inspect` looks at each node for the doctor; None where there is nothing to say about one beyond what `chain` says.
    `fee_rate` reads from signed bytes, and their fee in minor units of the native coin, what they pay for 1,000 units
    of their size; None where fees don't depend on the size. `feeds` makes what reads the price feeds of a
    configuration; None where the kind of chain has none.
    """

    config: type[NetworkConfig]
    chain: Callable[[Any, MinedIn], Chain]
    sender: Callable[[Any, MinedIn], Sender] | None
    inspect: Inspect | None = None
    fee_rate: Callable[[bytes, int], int] | None = None
    feeds: Callable[[Any], PriceFeeds | None] | None = None


KINDS: dict[str, Kind] = {
    "evm": Kind(
        EvmConfig,
        lambda config, _: EvmChain(config),
        lambda config, _: EvmSender(config),
        feeds=lambda config: EvmFeeds(config) if config.price_feeds else None,
    ),
    "bitcoin": Kind(BitcoinConfig, BitcoinChain, BitcoinSender, inspect, fee_rate),
}
"""Every kind, by the `kind` of its networks."""
