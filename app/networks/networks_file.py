"""Read the configured networks: one TOML file, read once at the start, and refused if anything in it is wrong.

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
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import msgspec

from app.core.deployment import DeploymentError
from app.networks.config import FieldError, NetworkConfig, NodeUrl, Secret
from app.networks.kinds import KINDS


class ConfigError(DeploymentError, ValueError):
    """The file can't be used; the message says which network, which field and why."""


def load_networks(path: Path, environ: Mapping[str, str] | None = None) -> dict[str, NetworkConfig]:
    """Read the file at `path` into networks by key, `${NAME}` in URLs of nodes, `api_key` and `xpub` taken from
    `environ` (the process's own where left out). Raises `ConfigError`."""
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
            # Two networks reading one chain would each credit the same deposit; a test network on the live chain
            # would treat real money as test money.
            if (other.kind, other.identity) == (network.kind, network.identity):
                raise ConfigError(f"network {network.key}: is on the same chain as {other.key}")
        networks[network.key] = network
    return networks


def _network(number: int, table: object, environ: Mapping[str, str]) -> NetworkConfig:
    if not isinstance(table, dict):
        raise ConfigError(f"network {number}: must be a table")
    chain, mode = table.get("chain"), table.get("mode")
    named = isinstance(chain, str) and isinstance(mode, str)
    label = f"network {chain}:{mode}" if named else f"network {number}"
    try:
        any_kind: Any = reduce(or_, (kind.config for kind in KINDS.values()))
        network: NetworkConfig = msgspec.convert(_expanded(table, environ), any_kind, dec_hook=_hidden)
        return network.checked()
    except msgspec.ValidationError as error:
        raise ConfigError(f"{label}: {_field_first(str(error))}") from None
    except FieldError as error:
        raise ConfigError(f"{label}: {error}") from None


def _expanded(table: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The table with variables filled in, and quoted digits (amounts beyond TOML's 64 bits) as integers."""

    def fill(field: str, text: object) -> object:
        if not isinstance(text, str):
            return text
        for name in _VARIABLE.findall(text):
            if not environ.get(name):
                raise FieldError(field, f"the environment variable {name} is not set")
        return _VARIABLE.sub(lambda found: environ[found[1]], text)

    def digits(value: object) -> object:
        return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value

    filled = {name: digits(value) if name.endswith(_AMOUNTS) else value for name, value in table.items()}
    for field in ("xpub", "api_key"):
        if field in filled:
            filled[field] = fill(field, filled[field])
    for field in ("rpc_urls", "solidity_urls"):
        if isinstance(urls := filled.get(field), list):
            filled[field] = [fill(f"{field}[{number}]", url) for number, url in enumerate(urls)]
    if isinstance(assets := filled.get("assets"), list):
        filled["assets"] = [
            {name: digits(value) if name.endswith(_AMOUNTS) else value for name, value in asset.items()}
            if isinstance(asset, dict)
            else asset
            for asset in assets
        ]
    return filled


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DIGITS = re.compile(r"[0-9]{1,78}")
_AMOUNTS = ("_raw", "_sun")
"""Ends of the names of fields that are amounts."""


def _hidden(kind: type, value: object) -> NodeUrl | Secret:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return NodeUrl(value) if kind is NodeUrl else Secret(value)


def _field_first(message: str) -> str:
    """msgspec's "Expected `int`, got `str` - at `$.chain_id`" as "chain_id: Expected `int`, got `str`"."""
    problem, _, path = message.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    return f"{field}: {problem}" if field else problem
