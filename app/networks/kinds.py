"""The kinds of chain: what each needs in the networks file, and its adapters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.networks.config import NetworkConfig
from app.networks.evm.chain import EvmChain
from app.networks.evm.config import EvmConfig
from app.networks.evm.sending import EvmSender
from app.networks.port import Chain, Sender


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of chain. `chain` and `sender` are given a configuration of the class `config`."""

    config: type[NetworkConfig]
    chain: Callable[[Any], Chain]
    sender: Callable[[Any], Sender]


KINDS: dict[str, Kind] = {
    "evm": Kind(EvmConfig, EvmChain, EvmSender),
}
"""Every kind, by the `kind` of its networks."""
