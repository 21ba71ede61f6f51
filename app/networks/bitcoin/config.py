"""What is configured of a Bitcoin network alone."""

from functools import lru_cache
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

import msgspec
from embit.bip32 import HARDENED_INDEX, HDKey
from msgspec import Meta

from app.networks.bitcoin.account import Account
from app.networks.bitcoin.account_key import ACCOUNT_PATHS, account_key
from app.networks.bitcoin.addresses import ReceivingAddresses, network_of, normalise_address, parse
from app.networks.bitcoin.coins import INTERNAL_BRANCH
from app.networks.bitcoin.fees import dust_limit_raw, fee_raw, input_fee_raw, vsize_vb
from app.networks.bitcoin.parameters import COIN_DECIMALS, NETWORK_NAMES, PARAMETERS, AddressType, BitcoinNetwork
from app.networks.config import MAX_RAW, Asset, FieldError, NetworkConfig, plain_txid

HOT_WALLET_INDEX = 0
"""Of the change branch: the address for top-ups. Change itself begins at 1."""


@lru_cache(maxsize=16)
def _addresses(xpub: str, network: BitcoinNetwork, address_type: AddressType) -> Account:
    """An account, made once: the fields are compared, not the account."""
    return Account(xpub, network, address_type)


@lru_cache(maxsize=64)
def _receiving(xpub: str, network: BitcoinNetwork, address_type: AddressType) -> ReceivingAddresses:
    return ReceivingAddresses(xpub, network, address_type)


class AmountStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A payment of up to `up_to_raw` satoshi needs this many confirmations."""

    up_to_raw: Annotated[int, Meta(ge=1, le=21 * 10**14)]  # all bitcoins that there will be
    confirmations: Annotated[int, Meta(ge=1, le=10_000)]


class BitcoinConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="bitcoin"):
    """A Bitcoin network. The account of `xpub` is m/84'/0'/k' for P2WPKH addresses, m/86'/0'/k' for P2TR ones; on test
    networks the second part is 1'."""

    has_coins: ClassVar[bool] = True
    payment_uri_scheme: ClassVar[str] = "bitcoin"

    bitcoin_network: BitcoinNetwork
    address_type: AddressType = "p2wpkh"
    # Where Bitcoin Core keeps its changing password (`.cookie`), for URLs without user info.
    cookie_file: Annotated[str, Meta(min_length=1)] | None = None
    # Fewer confirmations for smaller amounts, the smallest first; what is above the last needs `confirmations`.
    confirmations_by_amount: tuple[AmountStep, ...] = ()
    # The most that our transactions pay per vB; sending waits while the chain's price is higher.
    max_fee_rate_sat_vb: Annotated[int, Meta(ge=1, le=10_000)] = 300
    # Fees are offered with which a transaction should be mined within so many blocks, of what nodes can estimate.
    fee_target_blocks: Annotated[int, Meta(ge=1, le=1_008)] = 3
    # The fee while the node has no estimate, as in the hours after its first start; left out, sending waits for one.
    fallback_fee_rate_sat_vb: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    # Approved withdrawals wait so long for others, to be paid by one transaction.
    batch_window_s: Annotated[int, Meta(ge=0, le=3_600)] = 30
    # More coins than these are merged while the price is no higher than that, once an operator has approved it.
    consolidate_above_coins: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    consolidate_max_fee_rate_sat_vb: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    # Three blocks of ten minutes.
    fee_bump_after_s: Annotated[int, Meta(ge=1, le=86_400)] = 1_800
    # An invoice's address is its own: a payment is found by it alone, and no tail is needed.
    address_mode: Literal["pool", "fresh"] = "fresh"
    poll_interval_ms: Annotated[int, Meta(ge=10, le=600_000)] = 2_000
    batch_blocks: Annotated[int, Meta(ge=1, le=5_000)] = 10
    block_time_ms: Annotated[int, Meta(ge=1, le=3_600_000)] = 600_000

    @property
    def identity(self) -> str:
        """The hash of the chain's first block."""
        return PARAMETERS[self.bitcoin_network].genesis_hash

    @property
    def coin(self) -> Asset:
        """The one asset."""
        return self.assets[0]

    @property
    def sends(self) -> bool:
        return self.hot_wallet_address is not None

    @property
    def fee_ceiling(self) -> str:
        return f"{self.max_fee_rate_sat_vb} sat/vB"

    def fee_rate_in_words(self, rate_raw: int) -> str:
        whole, rest = divmod(rate_raw, 1_000)
        return f"{whole}.{rest:03}".rstrip("0").rstrip(".") + " sat/vB"

    def coin_cost_raw(self, rate_raw: int) -> int:
        return input_fee_raw(self.address_type, rate_raw)

    def confirmations_for(self, asset_symbol: str, amount_raw: int) -> int:
        for step in self.confirmations_by_amount:
            if amount_raw <= step.up_to_raw:
                return step.confirmations
        return self.confirmations

    def normalise_address(self, text: str) -> str:
        return normalise_address(text, self.bitcoin_network)

    def normalise_txid(self, text: str) -> str:
        return plain_txid(text)

    @classmethod
    def recognise(cls, text: str) -> str | None:
        network = network_of(text)
        return None if network is None else f"a Bitcoin {NETWORK_NAMES[network]} address"

    def check_xpub(self) -> None:
        ReceivingAddresses(self.xpub, self.bitcoin_network, self.address_type)

    def receiving_address(self, index: int) -> str:
        return _receiving(self.xpub, self.bitcoin_network, self.address_type).at(index)

    @property
    def account_path(self) -> str:
        path = ACCOUNT_PATHS[self.address_type].format(coin=0 if self.bitcoin_network == "main" else 1)
        return path.replace("k", str(self._account.child_number - HARDENED_INDEX))

    def is_account(self, xpub: str) -> bool:
        try:
            return bool(account_key(xpub, self.bitcoin_network, self.address_type) == self._account)
        except ValueError:
            return False

    @property
    def _account(self) -> HDKey:
        return account_key(self.xpub, self.bitcoin_network, self.address_type)

    def change_address(self, index: int) -> str | None:
        return _addresses(self.xpub, self.bitcoin_network, self.address_type).address(INTERNAL_BRANCH, index)

    def checked(self) -> Self:
        if self.address_mode != "fresh":
            raise FieldError("address_mode", "must be fresh: each bitcoin invoice has an address of its own")
        if (self.mode == "live") != (self.bitcoin_network == "main"):
            raise FieldError("bitcoin_network", "must be main in live mode, and a test network in test mode")
        network = super().checked()
        if len(network.assets) != 1 or network.coin.decimals != COIN_DECIMALS:
            raise FieldError("assets", f"must be the coin alone, with {COIN_DECIMALS} decimals")
        network._check_steps()
        if (self.consolidate_above_coins is None) != (self.consolidate_max_fee_rate_sat_vb is None):
            raise FieldError(
                "consolidate_above_coins", "needs consolidate_max_fee_rate_sat_vb, and the other way round"
            )
        return network

    @property
    def consolidation_limit(self) -> int | None:
        return self.consolidate_max_fee_rate_sat_vb

    def least_payment_raw(self, address: str) -> int:
        return dust_limit_raw(parse(address, self.bitcoin_network)[1])

    def payment_fees_raw(self, address: str, rate: int) -> tuple[int, int]:
        """What a payment costs at a rate, in satoshi: alone, with one coin and its change, and as one of many, where it
        adds an output. The address is given in canonical form."""
        script = parse(address, self.bitcoin_network)[1]
        change = parse(self.receiving_address(0), self.bitcoin_network)[1]
        alone_vb = vsize_vb(self.address_type, 1, [script, change])
        return fee_raw(rate, alone_vb), fee_raw(rate, alone_vb - vsize_vb(self.address_type, 1, [change]))

    def _checked_hot_wallet(self) -> str | None:
        """The first address of the change branch, /1/0: coins that are sent there are the signer's to spend."""
        address = super()._checked_hot_wallet()
        if address is not None and address != self.change_address(HOT_WALLET_INDEX):
            raise FieldError("hot_wallet_address", "is not /1/0 below xpub, the first address of its change branch")
        return address

    def _check_steps(self) -> None:
        field = "confirmations_by_amount"
        last = AmountStep(up_to_raw=MAX_RAW, confirmations=self.confirmations)
        for lower, upper in pairwise((*self.confirmations_by_amount, last)):
            if lower.up_to_raw >= upper.up_to_raw:
                raise FieldError(field, "must begin with the smallest amount")
            if lower.confirmations > upper.confirmations:
                raise FieldError(field, "a smaller amount needs more confirmations than a larger one")
