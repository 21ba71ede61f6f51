"""What is configured of a Tron network alone."""

from typing import Annotated, ClassVar, Self

from msgspec import Meta

from app.core.money import format_amount
from app.networks.config import FieldError, NetworkConfig, NodeUrl, Secret, plain_txid
from app.networks.tron.addresses import ACCOUNT_PATH, VOID, is_address, normalise_address, receiving_addresses

MAINNET_GENESIS = "00000000000000001ebf88508a03865c71d452e25f4d51194196a1d22b6653dc"
"""The id of the main network's block 0."""

COIN_DECIMALS = 6
"""One TRX is 1,000,000 sun."""

CHAIN_FEE_LIMIT_SUN = 15_000_000_000
"""Nodes take no higher fee limit (the chain's parameter getMaxFeeLimit)."""


UNSTAKING_DAYS = 14
"""The chain's parameter getUnfreezeDelayDays."""


class TronConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="tron"):
    """A Tron network. The account of `xpub` is m/44'/195'/0'. `rpc_urls` are full nodes, with the paths /wallet/…
    below them."""

    token_kinds: ClassVar[frozenset[str]] = frozenset({"trc20"})

    # USDT returns false when it succeeds, may hand its calls on to another contract, and nodes prove no events.
    silence_is_failure: ClassVar[bool] = False
    payment_uri_scheme: ClassVar[str] = "tron"

    # Nodes with the paths /walletsolidity/…, which know only final blocks; left out, they are at the same addresses.
    solidity_urls: tuple[NodeUrl, ...] = ()
    # A provider's key, sent as the header TRON-PRO-API-KEY.
    api_key: Secret | None = None
    # The id of the chain's block 0.
    genesis_hash: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")] = MAINNET_GENESIS
    # The most requests a second of all processes together, as providers allow them; left out, there is no limit.
    requests_per_second: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    # A node whose newest block is older is behind, and is not used.
    max_head_age_s: Annotated[int, Meta(ge=10, le=10**9)] = 30
    # The most that a transaction of ours may cost in all: energy, bytes, and making an account exist.
    max_fee_limit_sun: Annotated[int, Meta(ge=1, le=CHAIN_FEE_LIMIT_SUN)] = 50_000_000
    # A transaction of ours can be in no block later than this after it was signed.
    expires_after_s: Annotated[int, Meta(ge=60, le=3_600)] = 180
    # Whether the nodes keep internal transactions (vm.saveInternalTx): TRX that contracts pay is then read from blocks.
    internal_transactions: bool = False
    # A sweep that costs a larger part of what it moves waits until an operator approves it; 100 is 1 %.
    sweep_max_cost_bps: Annotated[int, Meta(ge=0, le=10_000)] = 100
    # Operators get an alert when the hot wallet has less energy than this.
    energy_low: Annotated[int, Meta(ge=0)] = 0
    # Energy of the hot wallet that sweeps leave for payouts.
    energy_reserve: Annotated[int, Meta(ge=0)] = 0
    require_finality: bool = True
    # Each address is a request of its own, and providers count them.
    balance_check_s: Annotated[int, Meta(ge=1, le=86_400)] = 900
    poll_interval_ms: Annotated[int, Meta(ge=10, le=600_000)] = 3_000
    # Each round of sweeps takes ten requests or more, and providers count them.
    sweep_interval_s: Annotated[int, Meta(ge=1, le=86_400)] = 180
    # A block has some hundred addresses, which are looked up together.
    batch_blocks: Annotated[int, Meta(ge=1, le=5_000)] = 30
    block_time_ms: Annotated[int, Meta(ge=1, le=3_600_000)] = 3_000

    @property
    def identity(self) -> str:
        """The id of block 0."""
        return self.genesis_hash

    @property
    def node_urls(self) -> tuple[NodeUrl, ...]:
        return (*self.rpc_urls, *self.solidity_urls)

    @property
    def final_urls(self) -> tuple[NodeUrl, ...]:
        """The nodes with the paths /walletsolidity/…."""
        return self.solidity_urls or self.rpc_urls

    @property
    def fee_ceiling(self) -> str:
        return f"{format_amount(self.max_fee_limit_sun, COIN_DECIMALS)} TRX for a transaction"

    @property
    def least_energy(self) -> int:
        return self.energy_low

    @property
    def has_stake(self) -> bool:
        return True

    @property
    def unstaking_days(self) -> int:
        return UNSTAKING_DAYS

    @property
    def sweep_cost_limit_bps(self) -> int | None:
        return self.sweep_max_cost_bps

    @property
    def signer_interval_s(self) -> float:
        """Providers count requests, and nothing is new before the next block."""
        return self.poll_interval_ms / 1000

    @property
    def account_path(self) -> str:
        return ACCOUNT_PATH

    def normalise_address(self, text: str) -> str:
        return normalise_address(text)

    def normalise_txid(self, text: str) -> str:
        return plain_txid(text)

    @classmethod
    def recognise(cls, text: str) -> str | None:
        return "a Tron address" if is_address(text) else None

    def check_xpub(self) -> None:
        receiving_addresses(self.xpub)

    def receiving_address(self, index: int) -> str:
        return receiving_addresses(self.xpub).at(index)

    def is_void(self, address: str) -> bool:
        return address == VOID

    def checked(self) -> Self:
        if (self.mode == "live") != (self.genesis_hash == MAINNET_GENESIS):
            raise FieldError(
                "genesis_hash", "must be the main network's in live mode, and that of a test network in test mode"
            )
        network = super().checked()
        if network.native is not None and network.native.decimals != COIN_DECIMALS:
            raise FieldError("assets", f"the coin has {COIN_DECIMALS} decimals")
        return network
