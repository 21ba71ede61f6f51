"""The networks file of a Tron network: what is refused, and what stays secret."""

import re
from pathlib import Path

import pytest

from app.networks.networks_file import ConfigError, load_networks
from app.networks.tron.config import MAINNET_GENESIS, TronConfig
from tests.factories.tron import TEST_GENESIS, TRON_XPUB, USDT, tron_networks_toml

DOCS = Path(__file__).parents[2] / "docs"
HOT = "TYJPRrdB5APNeRs4R7fYZSwW3TcrTKw2gx"
KEY = "canary-0123456789-of-a-provider"


def load(tmp_path: Path, text: str, **environ: str) -> TronConfig:
    path = tmp_path / "networks.toml"
    path.write_text(text)
    (network,) = load_networks(path, environ).values()
    assert isinstance(network, TronConfig)
    return network


def problem(tmp_path: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, **environ)
    return str(caught.value)


def toml(**options: object) -> str:
    return tron_networks_toml("http://127.0.0.1:1", USDT, TEST_GENESIS, **options)  # type: ignore[arg-type]


def test_the_networks_file_of_the_guide_is_one(tmp_path: Path) -> None:
    section = (DOCS / "configuration.md").read_text().split("\n### Tron\n")[1]
    (text,) = re.findall(r"^```toml\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    network = load(tmp_path, text.replace('"T…"', f'"{HOT}"'), TRON_API_KEY=KEY, TRON_XPUB=TRON_XPUB)
    assert (network.key, network.identity, network.requests_per_second) == ("tron:live", MAINNET_GENESIS, 15)
    assert network.api_key is not None
    assert network.api_key.reveal() == KEY
    assert KEY not in repr(network)
    token = network.asset("USDT")
    assert token is not None
    assert (token.contract, token.standard, token.coin_worth_raw) == (USDT, "TRC-20", 300_000)
    assert network.final_urls == network.rpc_urls
    assert network.require_finality
    assert network.fee_ceiling == "50.00 TRX for a transaction"


def test_addresses_are_kept_in_the_form_that_people_read(tmp_path: Path) -> None:
    digits = "41a614f803b6fd780986a42c78ec9c7f77e6ded13c"
    network = load(tmp_path, tron_networks_toml("http://127.0.0.1:1", digits, TEST_GENESIS))
    assert [asset.contract for asset in network.assets] == [USDT, None]


def test_nodes_of_final_blocks_and_the_key_come_from_the_environment_too(tmp_path: Path) -> None:
    text = toml(solidity_urls=["https://${HOST}:8091"], api_key="${KEY}", max_fee_limit_sun="90000000")
    network = load(tmp_path, text, HOST="final.example", KEY=KEY)
    assert [url.label for url in network.node_urls] == ["http://127.0.0.1:1", "https://final.example:8091"]
    assert network.max_fee_limit_sun == 90_000_000
    assert "solidity_urls[0]: the environment variable HOST is not set" in problem(tmp_path, text, KEY=KEY)
    assert "api_key: the environment variable KEY is not set" in problem(tmp_path, text, HOST="h")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mode": '"live"'}, "genesis_hash: must be the main network's in live mode"),
        ({"genesis_hash": f'"{MAINNET_GENESIS}"'}, "that of a test network in test mode"),
        ({"genesis_hash": '"0x12"'}, "genesis_hash:"),
        ({"decimals = 6\n        ": "decimals = 18\n        "}, "assets: the coin has 6 decimals"),
        ({'"trc20"': '"erc20"'}, "assets[0].kind: is none of this kind of chain: native, trc20"),
        ({USDT: USDT.lower()}, "assets[0].contract: not a Tron address"),
        ({TRON_XPUB: TRON_XPUB[:-1] + "x"}, "xpub: is not an extended public key"),
    ],
)
def test_what_can_not_be_used_is_refused_by_field(tmp_path: Path, change: dict[str, str], words: str) -> None:
    text = toml()
    for name, value in change.items():
        if name in ("mode", "genesis_hash"):
            text = re.sub(rf"{name} = .*", f"{name} = {value}", text)
        else:
            text = text.replace(name, value)
    assert words in problem(tmp_path, text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expires_after_s": 59}, "expires_after_s:"),
        ({"max_fee_limit_sun": 15_000_000_001}, "max_fee_limit_sun:"),
        ({"requests_per_second": 0}, "requests_per_second:"),
        ({"api_key": "a key with spaces"}, "api_key: must be printable characters"),
        ({"api_key": ""}, "api_key:"),
        ({"chain_id": 1}, "chain_id"),
        ({"solidity_urls": ["ftp://x"]}, "solidity_urls[0]:"),
        ({"hot_wallet_address": "0xdAC17F958D2ee523a2206206994597C13D831ec7"}, "hot_wallet_address:"),
    ],
)
def test_a_field_out_of_bounds_is_named_without_its_value(
    tmp_path: Path, options: dict[str, object], words: str
) -> None:
    found = problem(tmp_path, toml(**options))
    assert words in found
    assert "a key with spaces" not in found


def test_what_a_coin_is_worth_belongs_to_a_token(tmp_path: Path) -> None:
    text = toml().replace('kind = "native"', 'kind = "native"\n        coin_worth_raw = 5')
    assert "assets[1].coin_worth_raw: is of a token" in problem(tmp_path, text)
