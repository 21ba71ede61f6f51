"""The kinds of chain: what each needs in the networks file, and its adapters."""

from collections.abc import Callable
from typing import Any

import msgspec

from app.networks.bitcoin import inspection as bitcoin_inspection
from app.networks.bitcoin.chain import BitcoinChain
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.sending import BitcoinSender
from app.networks.bitcoin.signing import fee_rate
from app.networks.config import NetworkConfig
from app.networks.evm.chain import EvmChain
from app.networks.evm.config import EvmConfig
from app.networks.evm.feeds import EvmFeeds
from app.networks.evm.sending import EvmSender
from app.networks.feeds import PriceFeeds
from app.networks.inspection import Inspect
from app.networks.port import Chain, MinedIn
from app.networks.sending import Sender, SigningWallets
from app.networks.throttle import Throttle
from app.networks.tron import inspection as tron_inspection
from app.networks.tron.chain import TronChain
from app.networks.tron.config import TronConfig
from app.networks.tron.sending import TronSender
from app.networks.tron.wallets import TronWallets


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


KINDS: dict[str, Kind] = {
    "evm": Kind(
        EvmConfig,
        lambda config, _, __: EvmChain(config),
        lambda config, _, __: EvmSender(config),
        feeds=lambda config: EvmFeeds(config) if config.price_feeds else None,
    ),
    "bitcoin": Kind(
        BitcoinConfig,
        lambda config, mined_in, _: BitcoinChain(config, mined_in),
        lambda config, mined_in, _: BitcoinSender(config, mined_in),
        bitcoin_inspection.inspect,
        fee_rate,
    ),
    "tron": Kind(
        TronConfig,
        lambda config, _, throttle: TronChain(config, throttle),
        TronSender,
        tron_inspection.inspect,
        signing_wallets=TronWallets,
    ),
}
"""Every kind, by the `kind` of its networks."""

PAYMENT_URI_SCHEMES = frozenset(kind.config.payment_uri_scheme for kind in KINDS.values())
"""The schemes of payment URIs: EIP-681, BIP-21 and the `tron:` of wallets (contract, section 3)."""
