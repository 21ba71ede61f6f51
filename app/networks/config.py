"""What is configured of a network and its assets, the same for every kind of chain.

A kind adds its own fields in a subclass (`evm/config.py`). `networks_file.py` reads the file.
"""

import re
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

MAX_RAW = 10**78 - 1  # what numeric(78,0) holds (contract, section 1)
MAX_DECIMALS = 36

SMALL_TOKEN_DECIMALS = 6
SMALL_TOKEN_DUST_PLACES = 2
DUST_PLACES = 5
"""Decimal places of the default of `dust_raw`, for tokens of up to 6 decimals and for all other assets."""

Mode = Literal["live", "test"]


NATIVE = "native"
"""`Asset.kind` of a network's own coin, in which fees are paid."""

TOKEN_STANDARDS = {"erc20": "ERC-20", "trc20": "TRC-20"}
"""What people call the kinds of tokens."""


class FieldError(ValueError):
    """A field of one network can't be used; the message says which and why, without its value."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")


class NodeUrl:
    """A node's URL. Prints as its label only: the rest may be a key, which must not reach logs or errors."""

    __slots__ = ("_url", "label")

    def __init__(self, url: str) -> None:
        """Raise ValueError, without the URL in it, where it isn't http:// or https:// with a host."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("not a URL") from None
        if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\]", url):
            raise ValueError("must be an http:// or https:// URL with a host")
        self._url = url
        self.label = f"{parts.scheme}://{host}{f':{port}' if port else ''}"

    def reveal(self) -> str:
        """The whole URL, for connecting."""
        return self._url

    def __repr__(self) -> str:
        return f"NodeUrl({self.label})"


class Secret:
    """A text that must not reach logs or errors. Prints as nothing of it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Raise ValueError, without the text in it, for one that no HTTP header can carry."""
        if not re.fullmatch(r"[!-~]+", text):
            raise ValueError("must be printable characters without spaces")
        self._text = text

    def reveal(self) -> str:
        """The text."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"


_TXID = re.compile(r"[0-9a-f]{64}")


def plain_txid(text: str) -> str:
    """A transaction's id of 64 hexadecimal digits, in lower case. Raises ValueError for anything else."""
    txid = text.lower()
    if not _TXID.fullmatch(txid):
        raise ValueError("not the id of a transaction: 64 hexadecimal digits")
    return txid


SIGNER_INTERVAL_S = 1.0
"""The longest pause between two rounds of the signer, on most kinds of chain."""


class Asset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One asset on one network. `kind` is `native` or a kind of token. `min_raw` and `max_raw` bound an invoice's
    amount, in minor units.

    A payout costs `payout_fee_flat_raw` and `payout_fee_bps` of its amount, and is at least `payout_min_raw`.
    Payouts and refunds of more than `approval_threshold_raw` need two operators; where left out, one always does.
    The signer enforces two limits, whatever the database says: `transaction_ceiling_raw` bounds one withdrawal,
    `day_ceiling_raw` those of any 24 hours together. Deposit addresses that hold `sweep_min_raw` or more are
    swept to the hot wallet; operators get an alert when that holds less than `hot_low_raw`. A deposit below `dust_raw`
    is dust (contract, section 3); left out, it is `dust_limit_raw`'s default, and 0 turns it off. `coin_worth_raw` is
    what one whole native coin is worth in this token's minor units, about: with it, a sweep's cost is compared with
    what it moves.
    """

    symbol: Annotated[str, Meta(pattern=r"\A[A-Z][A-Z0-9]{0,15}\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    kind: Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9]{1,19}\Z")]
    decimals: Annotated[int, Meta(ge=0, le=MAX_DECIMALS)]
    contract: str | None = None
    min_raw: int = 1
    max_raw: int | None = None
    payout_fee_flat_raw: int = 0
    payout_fee_bps: Annotated[int, Meta(ge=0, le=5_000)] = 0
    payout_min_raw: int = 1
    approval_threshold_raw: int | None = None
    transaction_ceiling_raw: int | None = None
    day_ceiling_raw: int | None = None
    sweep_min_raw: int = 1
    hot_low_raw: int = 0
    dust_raw: int | None = None
    coin_worth_raw: int | None = None

    @property
    def dust_limit_raw(self) -> int:
        """A deposit of less than this is dust, whatever it was sent for.

        The default is 0.01 of a token with up to 6 decimals, nearly all of which are dollars or euros, and 0.00001
        of everything else: a coin, or a token that may be worth as much as one.
        """
        if self.dust_raw is not None:
            return self.dust_raw
        is_small_token = self.kind != NATIVE and self.decimals <= SMALL_TOKEN_DECIMALS
        places = SMALL_TOKEN_DUST_PLACES if is_small_token else DUST_PLACES
        return int(10 ** max(0, self.decimals - places))

    @property
    def standard(self) -> str:
        """The name of a token's standard, as people know it; empty for a coin and for a standard without a name."""
        return TOKEN_STANDARDS.get(self.kind, "")

    def approvals_required(self, amount_raw: int) -> int:
        """How many different operators must approve that this much is sent."""
        return 2 if self.approval_threshold_raw is not None and amount_raw > self.approval_threshold_raw else 1


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """One network: a chain in one mode. A subclass for each kind of chain adds what that kind needs."""

    token_kinds: ClassVar[frozenset[str]] = frozenset()
    """The kinds of tokens that this kind of chain has."""

    silence_is_failure: ClassVar[bool] = True
    """Whether a token's transfer that succeeded and left no event has moved nothing: so where nodes prove their events
    and tokens return false. Where not, an operator must look before the money counts as ours again."""

    has_coins: ClassVar[bool] = False
    """Whether money is in coins, outputs of transactions that are spent once and whole, and not in accounts."""

    payment_uri_scheme: ClassVar[str] = ""
    """The scheme of its payment URIs: the only one that a page of an invoice on it may link to."""

    chain: Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,40}\Z")]
    mode: Mode
    display_name: Annotated[str, Meta(min_length=1, max_length=60)]
    rpc_urls: Annotated[tuple[NodeUrl, ...], Meta(min_length=1)]
    confirmations: Annotated[int, Meta(ge=1, le=10_000)]
    # Credit a deposit only when the chain's own rules no longer allow its block to be taken back (`Chain.finality`).
    require_finality: bool = False
    # The account's extended public key (BIP-44); receiving address i is /0/i below it.
    xpub: str
    assets: Annotated[tuple[Asset, ...], Meta(min_length=1)]
    # `pool`: an address serves one open invoice after another. `fresh`: each invoice has its own.
    address_mode: Literal["pool", "fresh"] = "pool"
    pool_cap: Annotated[int, Meta(ge=1, le=2**31)] = 10_000
    cool_down_minutes: Annotated[int, Meta(ge=0)] = 60
    # The first block to scan; where left out, the chain's head at the very first start.
    start_height: Annotated[int, Meta(ge=0)] | None = None
    poll_interval_ms: Annotated[int, Meta(ge=10, le=600_000)] = 1000
    batch_blocks: Annotated[int, Meta(ge=1, le=5_000)] = 100
    # The usual time between blocks, for the estimate that a customer reads.
    block_time_ms: Annotated[int, Meta(ge=1, le=3_600_000)] = 12_000
    # A transaction's page at a block explorer, `{txid}` in the place of its id; none for a local chain.
    explorer_tx_url: Annotated[str, Meta(pattern=r"\Ahttps://[^\s{}]+\{txid\}[^\s{}]*\Z")] | None = None
    # How far a block's own clock may run behind ours before a payment counts as late.
    expiry_grace_s: Annotated[int, Meta(ge=0, le=3600)] = 15
    # Withdrawals are paid from it, and deposits are swept to it. The signer holds its key, and checks that it does.
    hot_wallet_address: str | None = None
    # A transaction that isn't in a block after this time is signed again, with a higher fee.
    fee_bump_after_s: Annotated[int, Meta(ge=1, le=86_400)] = 180
    sweep_interval_s: Annotated[int, Meta(ge=1, le=86_400)] = 60
    # How often balances are compared with the transfers that were seen, on chains with accounts.
    balance_check_s: Annotated[int, Meta(ge=1, le=86_400)] = 60

    @property
    def key(self) -> str:
        """`<chain>:<mode>`, the network's name everywhere."""
        return f"{self.chain}:{self.mode}"

    @property
    def title(self) -> str:
        """The network as people read it: `Tron`, or `Tron test`."""
        return self.display_name if self.mode == "live" else f"{self.display_name} test"

    @property
    def kind(self) -> str:
        """The kind of chain."""
        return str(self.__struct_config__.tag)

    @property
    def node_urls(self) -> tuple[NodeUrl, ...]:
        """The URLs of all nodes, whatever each is asked for."""
        return self.rpc_urls

    @property
    def sends(self) -> bool:
        """Whether money can be sent on this network; where not, payouts and refunds are refused."""
        return True

    @property
    def identity(self) -> str:
        """What the chain is known by among those of its kind. A node must state the same, and so must the books."""
        raise NotImplementedError

    @property
    def public_chain_id(self) -> int | None:
        """The chain's public number (EIP-155), None on kinds of chain that have none."""
        return None

    @property
    def fee_ceiling(self) -> str:
        """The highest fee that our transactions offer, in words; empty on kinds of chain that have no such limit."""
        return ""

    @property
    def least_energy(self) -> int:
        """Operators get an alert when the hot wallet has less energy than this; 0 on kinds of chain without energy."""
        return 0

    @property
    def has_stake(self) -> bool:
        """Whether the hot wallet may stake coin for energy."""
        return False

    @property
    def unstaking_days(self) -> int:
        """How many days unstaked coin can't be used; 0 where nothing is staked."""
        return 0

    @property
    def sweep_cost_limit_bps(self) -> int | None:
        """The part of what a sweep moves that it may cost without an operator's approval; 100 is 1 %. None on kinds of
        chain without such a limit."""
        return None

    @property
    def signer_interval_s(self) -> float:
        """The pause between two rounds of the signer, in seconds."""
        return min(SIGNER_INTERVAL_S, self.poll_interval_ms / 1000)

    def fee_rate_in_words(self, rate_raw: int) -> str:
        """The fee for 1,000 units of a transaction's size, given in minor units of the native coin, as people name
        it."""
        return f"{rate_raw} minor units for 1,000"

    def coin_cost_raw(self, rate_raw: int) -> int | None:
        """What it costs to spend one coin at such a rate, in minor units; None on chains with accounts."""
        return None

    def confirmations_for(self, asset_symbol: str, amount_raw: int) -> int:
        """How many confirmations a payment of this amount needs until it is credited, at most `confirmations`."""
        return self.confirmations

    def asset(self, symbol: str) -> Asset | None:
        """The asset of that symbol, if this network has it."""
        for asset in self.assets:
            if asset.symbol == symbol:
                return asset
        return None

    @property
    def native(self) -> Asset | None:
        """The network's own coin, in which fees are paid, if it is one of the assets."""
        return next((asset for asset in self.assets if asset.kind == NATIVE), None)

    def normalise_address(self, text: str) -> str:
        """The canonical form of an address of this network. Raises ValueError, without the text in it, where it isn't
        one or its checksum is wrong."""
        raise NotImplementedError

    def explorer_url(self, txid: str) -> str | None:
        """A transaction's page at a block explorer, given its canonical id; None where none is configured."""
        return None if self.explorer_tx_url is None else self.explorer_tx_url.replace("{txid}", txid)

    def normalise_txid(self, text: str) -> str:
        """The canonical form of a transaction's id on this network, given in upper or lower case. Raises ValueError,
        without the text in it, where it has not the form of one."""
        raise NotImplementedError

    @classmethod
    def recognise(cls, text: str) -> str | None:
        """Whose address a text is, of all chains of this kind, in words such as "a Bitcoin testnet address"; None where
        it is none of them."""
        return None

    def check_xpub(self) -> None:
        """Raise ValueError, without the key in it, where `xpub` can't be used."""
        raise NotImplementedError

    def receiving_address(self, index: int) -> str:
        """Our receiving address number `index` (0 to 2^31 - 1), from `xpub`. Raises ValueError for another number."""
        raise NotImplementedError

    @property
    def account_path(self) -> str:
        """Where the account of `xpub` is below the master key (BIP-44), such as m/44'/60'/0'."""
        raise NotImplementedError

    def is_account(self, xpub: str) -> bool:
        """Whether an extended public key, in its plain form (xpub…, tpub…), is that of the account of `xpub`."""
        return self.xpub == xpub

    def change_address(self, index: int) -> str | None:
        """Our address number `index` (0 to 2^31 - 1) for change; None on a kind of chain that has no change."""
        return None

    def is_void(self, address: str) -> bool:
        """Whether what is sent to an address, given in canonical form, is lost for everybody."""
        return False

    @property
    def consolidation_limit(self) -> int | None:
        """The highest fee rate at which small coins are merged, in the chain's own unit; None where they never are."""
        return None

    def least_payment_raw(self, address: str) -> int:
        """The least amount of the coin that nodes relay to an address, given in canonical form, in minor units."""
        return 1

    def checked(self) -> Self:
        """The network with all addresses in canonical form. Raises FieldError for what can't be used."""
        try:
            self.check_xpub()
        except ValueError as error:
            raise FieldError("xpub", str(error)) from None
        network = msgspec.structs.replace(self, assets=self._checked_assets())
        return msgspec.structs.replace(network, hot_wallet_address=network._checked_hot_wallet())

    def _checked_hot_wallet(self) -> str | None:
        """The hot wallet's address. Fees are booked in the native coin, so that must be an asset."""
        if self.hot_wallet_address is None:
            return None
        if self.native is None:
            raise FieldError("hot_wallet_address", "needs the native coin among the assets: fees are booked in it")
        try:
            return self.normalise_address(self.hot_wallet_address)
        except ValueError as error:
            raise FieldError("hot_wallet_address", str(error)) from None

    def _checked_assets(self) -> tuple[Asset, ...]:
        """The assets, no symbol and no contract twice, at most one native coin."""
        checked: list[Asset] = []
        for number, asset in enumerate(self.assets):
            at = f"assets[{number}]"
            asset = self._checked_contract(asset, at)
            _check_amounts(asset, at)
            for other in checked:
                if other.symbol == asset.symbol:
                    raise FieldError(f"{at}.symbol", f"{asset.symbol} is there twice")
                if other.contract == asset.contract:  # both None: a second native coin
                    raise FieldError(f"{at}.contract", f"is {other.symbol}'s")
            checked.append(asset)
        return tuple(checked)

    def _checked_contract(self, asset: Asset, at: str) -> Asset:
        if asset.kind == NATIVE:
            if asset.contract is not None:
                raise FieldError(f"{at}.contract", "a native coin has none")
            return asset
        if asset.kind not in self.token_kinds:
            known = ", ".join([NATIVE, *sorted(self.token_kinds)])
            raise FieldError(f"{at}.kind", f"is none of this kind of chain: {known}")
        if asset.contract is None:
            raise FieldError(f"{at}.contract", "is missing")
        try:
            return msgspec.structs.replace(asset, contract=self.normalise_address(asset.contract))
        except ValueError as error:
            raise FieldError(f"{at}.contract", str(error)) from None


def _check_amounts(asset: Asset, at: str) -> None:
    if not 1 <= asset.min_raw <= MAX_RAW:
        raise FieldError(f"{at}.min_raw", "must be from 1 to 10^78 - 1")
    if asset.max_raw is not None and not asset.min_raw <= asset.max_raw <= MAX_RAW:
        raise FieldError(f"{at}.max_raw", "must be from min_raw to 10^78 - 1")
    if not 1 <= asset.payout_min_raw <= MAX_RAW:
        raise FieldError(f"{at}.payout_min_raw", "must be from 1 to 10^78 - 1")
    if not 0 <= asset.payout_fee_flat_raw <= MAX_RAW:
        raise FieldError(f"{at}.payout_fee_flat_raw", "must be from 0 to 10^78 - 1")
    if asset.approval_threshold_raw is not None and not 0 <= asset.approval_threshold_raw <= MAX_RAW:
        raise FieldError(f"{at}.approval_threshold_raw", "must be from 0 to 10^78 - 1")
    for name in _CEILINGS:
        if (ceiling := getattr(asset, name)) is not None and not 1 <= ceiling <= MAX_RAW:
            raise FieldError(f"{at}.{name}", "must be from 1 to 10^78 - 1")
    if asset.sweep_min_raw < 1 or asset.hot_low_raw < 0:
        raise FieldError(f"{at}.sweep_min_raw, hot_low_raw", "must be from 1, from 0 on")
    if asset.dust_raw is not None and not 0 <= asset.dust_raw <= MAX_RAW:
        raise FieldError(f"{at}.dust_raw", "must be from 0 to 10^78 - 1")
    if asset.coin_worth_raw is not None and (asset.kind == NATIVE or not 1 <= asset.coin_worth_raw <= MAX_RAW):
        raise FieldError(f"{at}.coin_worth_raw", "is of a token, and must be from 1 to 10^78 - 1")


_CEILINGS = ("transaction_ceiling_raw", "day_ceiling_raw")
