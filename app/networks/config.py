"""The configured networks: one TOML file, read once at the start, and refused if anything in it is wrong.

    [[networks]]
    chain = "ethereum"
    mode = "test"
    kind = "evm"
    display_name = "Ethereum"
    chain_id = 31337
    rpc_urls = ["https://eth.example/v2/${ETH_NODE_KEY}"]
    confirmations = 12
    xpub = "${ETH_XPUB}"

    [[networks.assets]]
    symbol = "USDT"
    kind = "erc20"
    contract = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
    decimals = 6
    name = "Tether USD"

Messages name the network and the field and never repeat a value: node URLs and keys are in here.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from app.networks.derivation import ReceivingAddresses
from app.networks.evm.address import normalise_address

MAX_RAW = 10**78 - 1  # what numeric(78,0) holds (contract, section 1)
MAX_DECIMALS = 36

SMALL_TOKEN_DECIMALS = 6
SMALL_TOKEN_DUST_PLACES = 2
DUST_PLACES = 5
"""Decimal places of the default of `dust_raw`, for tokens of up to 6 decimals and for all other assets."""

Mode = Literal["live", "test"]


class ConfigError(ValueError):
    """The file can't be used; the message says which network, which field and why."""


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


class Asset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One asset on one network. `min_raw` and `max_raw` bound an invoice's amount, in minor units.

    A payout costs `payout_fee_flat_raw` and `payout_fee_bps` of its amount, and is at least `payout_min_raw`.
    Payouts and refunds of more than `approval_threshold_raw` need two operators; where left out, one always does.
    The signer enforces two limits, whatever the database says: `transaction_ceiling_raw` bounds one withdrawal,
    `day_ceiling_raw` those of any 24 hours together. Deposit addresses that hold `sweep_min_raw` or more are
    swept to the hot wallet; operators get an alert when that holds less than `hot_low_raw`. A deposit below `dust_raw`
    is dust (contract, section 3); left out, it is `dust_limit_raw`'s default, and 0 turns it off.
    """

    symbol: Annotated[str, Meta(pattern=r"\A[A-Z][A-Z0-9]{0,15}\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    kind: Literal["native", "erc20"]
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

    @property
    def dust_limit_raw(self) -> int:
        """A deposit of less than this is dust, whatever it was sent for.

        The default is 0.01 of a token with up to 6 decimals, nearly all of which are dollars or euros, and 0.00001
        of everything else: a coin, or a token that may be worth as much as one.
        """
        if self.dust_raw is not None:
            return self.dust_raw
        is_small_token = self.kind != "native" and self.decimals <= SMALL_TOKEN_DECIMALS
        places = SMALL_TOKEN_DUST_PLACES if is_small_token else DUST_PLACES
        return int(10 ** max(0, self.decimals - places))

    def approvals_required(self, amount_raw: int) -> int:
        """How many different operators must approve that this much is sent."""
        return 2 if self.approval_threshold_raw is not None and amount_raw > self.approval_threshold_raw else 1


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One network: a chain in one mode."""

    chain: Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,40}\Z")]
    mode: Mode
    kind: Literal["evm"]
    display_name: Annotated[str, Meta(min_length=1, max_length=60)]
    chain_id: Annotated[int, Meta(ge=1, le=2**63 - 37)]  # EIP-2294
    rpc_urls: Annotated[tuple[NodeUrl, ...], Meta(min_length=1)]
    confirmations: Annotated[int, Meta(ge=1, le=10_000)]
    # The account's extended public key, m/44'/60'/0' (BIP-44); address i is /0/i below it.
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
    # Native coins that a contract passes on leave no log; only a node with tracing reports them. `auto` finds
    # out how this one does (`trace_block` or debug_traceBlockByHash); `off` leaves it to the balance check.
    native_traces: Literal["auto", "trace_block", "debug", "off"] = "auto"
    # Withdrawals are paid from it, and deposits are swept to it. The signer holds its key, and checks that it does.
    hot_wallet_address: str | None = None
    # The most that our transactions pay per unit of gas; sending waits while the chain's price is higher.
    max_fee_per_gas_wei: Annotated[int, Meta(ge=1, le=2**63 - 1)] = 300 * 10**9
    # A transaction that isn't in a block after this time is signed again with the same nonce and a higher fee.
    fee_bump_after_s: Annotated[int, Meta(ge=1, le=86_400)] = 180
    # `op-stack`: the rollup's fee for data on its first layer is reserved in addition to gas (evm/rollup.py).
    rollup: Literal["op-stack"] | None = None
    sweep_interval_s: Annotated[int, Meta(ge=1, le=86_400)] = 60

    @property
    def key(self) -> str:
        """`<chain>:<mode>`, the network's name everywhere."""
        return f"{self.chain}:{self.mode}"

    def asset(self, symbol: str) -> Asset | None:
        """The asset of that symbol, if this network has it."""
        return next((asset for asset in self.assets if asset.symbol == symbol), None)

    @property
    def native(self) -> Asset | None:
        """The network's own coin, in which gas is paid, if it is one of the assets."""
        return next((asset for asset in self.assets if asset.kind == "native"), None)


def load_networks(path: Path, environ: Mapping[str, str] | None = None) -> dict[str, NetworkConfig]:
    """Read the file at `path` into networks by key, `${NAME}` in `rpc_urls` and `xpub` taken from `environ`
    (the process's own where left out). Raises `ConfigError`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except ValueError as error:  # TOML and UTF-8 faults alike
        raise ConfigError(f"{path}: not a TOML file: {error}") from None
    tables = document.pop("networks", None)
    if document or not isinstance(tables, list):
        raise ConfigError(f"{path}: must hold [[networks]] tables and nothing else")

    networks: dict[str, NetworkConfig] = {}
    for number, table in enumerate(tables, start=1):
        network = _network(number, table, os.environ if environ is None else environ)
        if network.key in networks:
            raise ConfigError(f"network {network.key}: is there twice")
        for other in networks.values():
            # Two networks reading one chain would each credit the same deposit; a test network with the live
            # chain's id would treat real money as test money.
            if (other.kind, other.chain_id) == (network.kind, network.chain_id):
                raise ConfigError(f"network {network.key}: chain_id: is {other.key}'s")
        networks[network.key] = network
    return networks


def _network(number: int, table: object, environ: Mapping[str, str]) -> NetworkConfig:
    if not isinstance(table, dict):
        raise ConfigError(f"network {number}: must be a table")
    chain, mode = table.get("chain"), table.get("mode")
    named = isinstance(chain, str) and isinstance(mode, str)
    label = f"network {chain}:{mode}" if named else f"network {number}"
    try:
        network: NetworkConfig = msgspec.convert(_expanded(table, environ), NetworkConfig, dec_hook=_node_url)
        _check_xpub(network.xpub)
        network = msgspec.structs.replace(network, assets=_checked_assets(network.assets))
        return msgspec.structs.replace(network, hot_wallet_address=_checked_hot_wallet(network))
    except msgspec.ValidationError as error:
        raise ConfigError(f"{label}: {_field_first(str(error))}") from None
    except _FieldError as error:
        raise ConfigError(f"{label}: {error}") from None


class _FieldError(ValueError):
    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")


def _expanded(table: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The table with variables filled in, and quoted digits (amounts beyond TOML's 64 bits) as integers."""

    def fill(field: str, text: object) -> object:
        if not isinstance(text, str):
            return text
        for name in _VARIABLE.findall(text):
            if not environ.get(name):
                raise _FieldError(field, f"the environment variable {name} is not set")
        return _VARIABLE.sub(lambda found: environ[found[1]], text)

    def digits(value: object) -> object:
        return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value

    filled = dict(table)
    if "xpub" in filled:
        filled["xpub"] = fill("xpub", filled["xpub"])
    if isinstance(urls := filled.get("rpc_urls"), list):
        filled["rpc_urls"] = [fill(f"rpc_urls[{number}]", url) for number, url in enumerate(urls)]
    if isinstance(assets := filled.get("assets"), list):
        filled["assets"] = [
            {name: digits(value) if name.endswith("_raw") else value for name, value in asset.items()}
            if isinstance(asset, dict)
            else asset
            for asset in assets
        ]
    return filled


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DIGITS = re.compile(r"[0-9]{1,78}")
_CEILINGS = ("transaction_ceiling_raw", "day_ceiling_raw")


def _node_url(kind: type, value: object) -> NodeUrl:
    if kind is not NodeUrl or not isinstance(value, str):
        raise ValueError("must be a string")
    return NodeUrl(value)


def _check_xpub(xpub: str) -> None:
    try:
        ReceivingAddresses(xpub)
    except ValueError as error:
        raise _FieldError("xpub", str(error)) from None


def _checked_hot_wallet(network: NetworkConfig) -> str | None:
    """The hot wallet's address in canonical form. Gas is booked in the native coin, so that must be an asset."""
    if network.hot_wallet_address is None:
        return None
    if network.native is None:
        raise _FieldError("hot_wallet_address", "needs the native coin among the assets: gas is booked in it")
    try:
        return normalise_address(network.hot_wallet_address)
    except ValueError as error:
        raise _FieldError("hot_wallet_address", str(error)) from None


def _checked_assets(assets: tuple[Asset, ...]) -> tuple[Asset, ...]:
    """The assets, contracts in canonical form, no symbol and no contract twice, at most one native coin."""
    checked: list[Asset] = []
    for number, asset in enumerate(assets):
        at = f"assets[{number}]"
        if asset.kind == "native":
            if asset.contract is not None:
                raise _FieldError(f"{at}.contract", "a native coin has none")
        elif asset.contract is None:
            raise _FieldError(f"{at}.contract", "is missing")
        else:
            try:
                asset = msgspec.structs.replace(asset, contract=normalise_address(asset.contract))
            except ValueError as error:
                raise _FieldError(f"{at}.contract", str(error)) from None
        if not 1 <= asset.min_raw <= MAX_RAW:
            raise _FieldError(f"{at}.min_raw", "must be from 1 to 10^78 - 1")
        if asset.max_raw is not None and not asset.min_raw <= asset.max_raw <= MAX_RAW:
            raise _FieldError(f"{at}.max_raw", "must be from min_raw to 10^78 - 1")
        if not 1 <= asset.payout_min_raw <= MAX_RAW:
            raise _FieldError(f"{at}.payout_min_raw", "must be from 1 to 10^78 - 1")
        if not 0 <= asset.payout_fee_flat_raw <= MAX_RAW:
            raise _FieldError(f"{at}.payout_fee_flat_raw", "must be from 0 to 10^78 - 1")
        if asset.approval_threshold_raw is not None and not 0 <= asset.approval_threshold_raw <= MAX_RAW:
            raise _FieldError(f"{at}.approval_threshold_raw", "must be from 0 to 10^78 - 1")
        for name in _CEILINGS:
            if (ceiling := getattr(asset, name)) is not None and not 1 <= ceiling <= MAX_RAW:
                raise _FieldError(f"{at}.{name}", "must be from 1 to 10^78 - 1")
        if asset.sweep_min_raw < 1 or asset.hot_low_raw < 0:
            raise _FieldError(f"{at}.sweep_min_raw, hot_low_raw", "must be from 1, from 0 on")
        if asset.dust_raw is not None and not 0 <= asset.dust_raw <= MAX_RAW:
            raise _FieldError(f"{at}.dust_raw", "must be from 0 to 10^78 - 1")
        for other in checked:
            if other.symbol == asset.symbol:
                raise _FieldError(f"{at}.symbol", f"{asset.symbol} is there twice")
            if other.contract == asset.contract:  # both None: a second native coin
                raise _FieldError(f"{at}.contract", f"is {other.symbol}'s")
        checked.append(asset)
    return tuple(checked)


def _field_first(message: str) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.chain_id`" as "chain_id: Expected `int`, got `str`"."""
    problem, _, path = message.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    return f"{field}: {problem}" if field else problem
