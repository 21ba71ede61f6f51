"""What is configured of an EVM network alone."""

import re
from functools import lru_cache
from typing import Annotated, ClassVar, Literal, Self

import msgspec
from msgspec import Meta

from app.core.money import format_amount
from app.networks.config import FieldError, NetworkConfig
from app.networks.derivation import ReceivingAddresses
from app.networks.evm.address import is_address, normalise_address, of_public_key

ACCOUNT_PATH = "m/44'/60'/0'"

GWEI_DECIMALS = 9

GAS_PER_RATE = 1_000
"""A fee rate is for so much gas."""

_TXID = re.compile(r"0x[0-9a-f]{64}")

ZERO_ADDRESS = "0x" + 40 * "0"
"""Nobody has its key. Some wallets give it by mistake where there is no address."""


class PriceFeed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A feed of Chainlink: how much of `quote` (ISO 4217) one whole `base` (an asset's symbol) is worth.

    `heartbeat_s` is the feed's own, as its publisher documents it: a price that is older is not used.
    """

    base: Annotated[str, Meta(pattern=r"\A[A-Z][A-Z0-9]{0,15}\Z")]
    quote: Annotated[str, Meta(pattern=r"\A[A-Z]{3}\Z")]
    contract: str
    heartbeat_s: Annotated[int, Meta(ge=1, le=2_592_000)] = 3_600


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
    # What assets are worth, as contracts on this chain say (evm/feeds.py).
    price_feeds: tuple[PriceFeed, ...] = ()
    # On a rollup: the contract that says whether the sequencer is up. Without it `price_feeds` are believed always.
    sequencer_feed: str | None = None
    # A node that anybody may use. Customers' wallets are told of it where they don't know the network yet.
    public_rpc_url: Annotated[str, Meta(pattern=r"\Ahttps?://[^\s@]+\Z")] | None = None

    payment_uri_scheme: ClassVar[str] = "ethereum"

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

    def normalise_txid(self, text: str) -> str:
        txid = text.lower()
        if not _TXID.fullmatch(txid):
            raise ValueError("not the id of a transaction: 0x and 64 hexadecimal digits")
        return txid

    def fee_rate_in_words(self, rate_raw: int) -> str:
        return f"{format_amount(rate_raw // GAS_PER_RATE, GWEI_DECIMALS)} gwei"

    @classmethod
    def recognise(cls, text: str) -> str | None:
        return "an Ethereum address" if is_address(text) else None

    def check_xpub(self) -> None:
        receiving_addresses(self.xpub)

    def receiving_address(self, index: int) -> str:
        return receiving_addresses(self.xpub).at(index)

    def checked(self) -> Self:
        network = super().checked()
        pairs = [(feed.base, feed.quote) for feed in self.price_feeds]
        if len(set(pairs)) < len(pairs):
            raise FieldError("price_feeds", "a pair is there twice")
        self._check_public_node()
        sequencer = self.sequencer_feed
        return msgspec.structs.replace(
            network,
            price_feeds=tuple(
                msgspec.structs.replace(feed, contract=_contract(f"price_feeds[{number}].contract", feed.contract))
                for number, feed in enumerate(self.price_feeds)
            ),
            sequencer_feed=None if sequencer is None else _contract("sequencer_feed", sequencer),
        )

    def is_void(self, address: str) -> bool:
        return address == ZERO_ADDRESS

    def _check_public_node(self) -> None:
        """In live mode it must be another URL than our nodes', which may hold a key, and encrypted."""
        if self.mode != "live" or self.public_rpc_url is None:
            return
        if not self.public_rpc_url.startswith("https://"):
            raise FieldError("public_rpc_url", "must be https:// in live mode")
        if any(url.reveal().rstrip("/") == self.public_rpc_url.rstrip("/") for url in self.rpc_urls):
            raise FieldError("public_rpc_url", "is one of rpc_urls: every customer would read it")


@lru_cache(maxsize=64)
def receiving_addresses(xpub: str) -> ReceivingAddresses:
    """The addresses m/44'/60'/0'/0/i of an account, with their EIP-55 checksums. Raises ValueError."""
    return ReceivingAddresses(xpub, ACCOUNT_PATH, of_public_key)


def _contract(field: str, text: str) -> str:
    try:
        return normalise_address(text)
    except ValueError as error:
        raise FieldError(field, str(error)) from None
