"""What is configured of an EVM network alone."""

from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from bip_utils.addr.eth_addr import EthAddrEncoder
from msgspec import Meta

from app.core.money import format_amount
from app.networks.config import NetworkConfig
from app.networks.derivation import ReceivingAddresses
from app.networks.evm.address import is_address, normalise_address

ACCOUNT_PATH = "m/44'/60'/0'"

GWEI_DECIMALS = 9

ZERO_ADDRESS = "0x" + 40 * "0"
"""Nobody has its key. Some wallets give it by mistake where there is no address."""


class EvmConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="evm"):
    """An EVM network. The account of `xpub` is m/44'/60'/0'."""

    token_kinds: ClassVar[frozenset[str]] = frozenset({"erc20"})

    chain_id: Annotated[int, Meta(ge=1, le=2**63 - 37)]  # EIP-2294
    # Native coins that a contract passes on leave no log; only a node with tracing reports them. `auto` finds
    # out how this one does (`trace_block` or debug_traceBlockByHash); `off` leaves it to the balance check.
    native_traces: Literal["auto", "trace_block", "debug", "off"] = "auto"
    # The most that our transactions pay per unit of gas; sending waits while the chain's price is higher.
    max_fee_per_gas_wei: Annotated[int, Meta(ge=1, le=2**63 - 1)] = 300 * 10**9
    # `op-stack`: the rollup's fee for data on its first layer is reserved in addition to gas (evm/rollup.py).
    rollup: Literal["op-stack"] | None = None

    @property
    def identity(self) -> str:
        """The chain id, as digits (EIP-155)."""
        return str(self.chain_id)

    @property
    def public_chain_id(self) -> int:
        return self.chain_id

    @property
    def fee_ceiling(self) -> str:
        return f"{format_amount(self.max_fee_per_gas_wei, GWEI_DECIMALS)} gwei for a unit of gas"

    @property
    def account_path(self) -> str:
        return ACCOUNT_PATH

    def normalise_address(self, text: str) -> str:
        return normalise_address(text)

    @classmethod
    def recognise(cls, text: str) -> str | None:
        return "an Ethereum address" if is_address(text) else None

    def check_xpub(self) -> None:
        receiving_addresses(self.xpub)

    def receiving_address(self, index: int) -> str:
        return receiving_addresses(self.xpub).at(index)

    def is_void(self, address: str) -> bool:
        return address == ZERO_ADDRESS


@lru_cache(maxsize=64)
def receiving_addresses(xpub: str) -> ReceivingAddresses:
    """The addresses m/44'/60'/0'/0/i of an account, with their EIP-55 checksums. Raises ValueError."""
    return ReceivingAddresses(xpub, ACCOUNT_PATH, EthAddrEncoder.EncodeKey)
