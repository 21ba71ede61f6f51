"""The kinds of chain: what each needs in the networks file, and its adapters.

An adapter is imported when a network of its kind is first asked something: most web processes ask none.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import msgspec

from app.networks.bitcoin.config import BitcoinConfig
from app.networks.config import NetworkConfig
from app.networks.evm.config import EvmConfig
from app.networks.feeds import PriceFeeds
from app.networks.inspection import Inspect
from app.networks.port import Chain, MinedIn
from app.networks.sending import Sender, SigningWallets
from app.networks.throttle import Throttle
from app.networks.tron.config import TronConfig


class Kind(msgspec.Struct, frozen=True):
    """One kind of chain. `chain` and `sender` are given a configuration of the class `config`, what says in which
    blocks our transactions are, and what counts requests; `sender` is None where nothing can be sent on the kind yet.

    `inspect` looks at each node for the doctor; None where there is nothing to say about one beyond what `chain` says.
    `fee_rate` reads from signed bytes, and their fee in minor units of the native coin, what they pay for 1,000 units
    of their size; None where fees don't depend on the size. `feeds` makes what reads the price feeds of a
    configuration; None where the kind of chain has none. `signing_wallets` is None where wallets in browsers send by
    themselves, or there are none.
    """

    config: type[NetworkConfig]
    chain: Callable[[Any, MinedIn, Throttle], Chain]
    sender: Callable[[Any, MinedIn, Throttle], Sender] | None
    inspect: Inspect | None = None
    fee_rate: Callable[[bytes, int], int] | None = None
    feeds: Callable[[Any], PriceFeeds | None] | None = None
    signing_wallets: Callable[[Any], SigningWallets] | None = None


def _called(module: str, name: str, *given: Any) -> Any:
    """What a class or function of an adapter makes of these."""
    return getattr(import_module(f"app.networks.{module}"), name)(*given)


KINDS: dict[str, Kind] = {
    "evm": Kind(
        EvmConfig,
        lambda config, _, __: _called("evm.chain", "EvmChain", config),
        lambda config, _, __: _called("evm.sending", "EvmSender", config),
        feeds=lambda config: _called("evm.feeds", "EvmFeeds", config) if config.price_feeds else None,
    ),
    "bitcoin": Kind(
        BitcoinConfig,
        lambda config, mined_in, _: _called("bitcoin.chain", "BitcoinChain", config, mined_in),
        lambda config, mined_in, _: _called("bitcoin.sending", "BitcoinSender", config, mined_in),
        lambda config, next_height: _called("bitcoin.inspection", "inspect", config, next_height),
        lambda signed_bytes, fee_raw: _called("bitcoin.signing", "fee_rate", signed_bytes, fee_raw),
    ),
    "tron": Kind(
        TronConfig,
        lambda config, _, throttle: _called("tron.chain", "TronChain", config, throttle),
        lambda config, mined_in, throttle: _called("tron.sending", "TronSender", config, mined_in, throttle),
        lambda config, next_height: _called("tron.inspection", "inspect", config, next_height),
        signing_wallets=lambda config: _called("tron.wallets", "TronWallets", config),
    ),
}
"""Every kind, by the `kind` of its networks."""

PAYMENT_URI_SCHEMES = frozenset(kind.config.payment_uri_scheme for kind in KINDS.values())
"""The schemes of payment URIs: EIP-681, BIP-21 and the `tron:` of wallets (contract, section 3)."""
