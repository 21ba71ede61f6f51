"""The networks file: read as written, or refused with the network and field that are wrong."""

from pathlib import Path

import pytest

from app.networks.config import Asset, NetworkConfig
from app.networks.networks_file import ConfigError, load_networks
from app.networks.registry import Networks, UnknownAsset, UnknownNetwork
from app.sandbox import contracts
from tests.factories.networks import XPUB

USDT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
NETWORK = f"""
[[networks]]
chain = "ethereum"
mode = "live"
kind = "evm"
display_name = "Ethereum"
chain_id = 1
rpc_urls = ["https://eth.example/v2/${{NODE_KEY}}", "http://10.0.0.7:8545"]
confirmations = 12
xpub = "{XPUB}"

[[networks.assets]]
symbol = "USDT"
name = "Tether USD"
kind = "erc20"
contract = "{USDT.lower()}"
decimals = 6
max_raw = 5000000000

[[networks.assets]]
symbol = "ETH"
name = "Ether"
kind = "native"
decimals = 18
min_raw = "100000000000000"
max_raw = "500000000000000000000"
"""
TWIN = NETWORK.replace('"live"', '"test"').replace("chain_id = 1\n", "chain_id = 11155111\n")
ENVIRON = {"NODE_KEY": "CANARY"}


def load(tmp_path: Path, text: str, environ: dict[str, str] = ENVIRON) -> dict[str, NetworkConfig]:
    path = tmp_path / "networks.toml"
    path.write_text(text)
    return load_networks(path, environ)


def test_networks_of_both_modes_are_read_with_their_defaults(tmp_path: Path) -> None:
    networks = load(tmp_path, NETWORK + TWIN)

    assert list(networks) == ["ethereum:live", "ethereum:test"]
    live = networks["ethereum:live"]
    assert [url.reveal() for url in live.rpc_urls] == [
        "https://eth.example/v2/CANARY",
        "http://10.0.0.7:8545",
    ]
    assert (live.address_mode, live.pool_cap, live.cool_down_minutes) == ("pool", 10_000, 60)
    assert (live.start_height, live.poll_interval_ms, live.batch_blocks) == (None, 1000, 100)
    assert live.expiry_grace_s == 15
    usdt, eth = live.assets
    assert (usdt.contract, usdt.min_raw, usdt.max_raw) == (USDT, 1, 5_000_000_000)
    assert (eth.contract, eth.min_raw, eth.max_raw) == (None, 10**14, 500 * 10**18)
    assert "CANARY" not in repr(networks)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("chain_id = 1\n", "", "network ethereum:live: .*`chain_id`"),
        ("chain_id = 1\n", 'chain_id = "1"\n', "network ethereum:live: chain_id: "),
        ("chain_id = 1\n", "chain_id = 0\n", "network ethereum:live: chain_id: "),
        ("confirmations = 12", "confirmation = 12", "network ethereum:live: "),
        ("confirmations = 12", "confirmations = 0", "network ethereum:live: confirmations: "),
        ("confirmations = 12", "confirmations = 1.5", "network ethereum:live: confirmations: "),
        ('chain = "ethereum"', 'chain = "Ether:eum"', "chain: "),
        ('chain = "ethereum"\n', "", "network 1: .*`chain`"),
        ('mode = "live"', 'mode = "prod"', "network ethereum:prod: mode: "),
        ('kind = "evm"', 'kind = "solana"', "network ethereum:live: kind: "),
        ("${NODE_KEY}", "${OTHER_KEY}", r"ethereum:live: rpc_urls\[0\]: .*OTHER_KEY is not set"),
        ("http://10", "ftp://10", r"ethereum:live: rpc_urls\[.*\]: must be an http:// or https:// URL"),
        ("http://10.0.0.7:8545", "http://10.0.0.7:99999", r"ethereum:live: rpc_urls\[.*\]: not a URL"),
        (f'"{XPUB}"', '"${XPUB}"', "ethereum:live: xpub: .*XPUB is not set"),
        (XPUB, XPUB[:-1], "ethereum:live: xpub: is not an extended public key"),
        (XPUB, "xprv9yen", "ethereum:live: xpub: is an extended PRIVATE key"),
        ("decimals = 6", "decimals = 37", r"ethereum:live: assets\[.*\].decimals: "),
        (USDT.lower(), USDT[:-1] + "8", r"ethereum:live: assets\[0\].contract: .*checksum"),
        (USDT.lower(), "USDT", r"ethereum:live: assets\[0\].contract: not an address"),
        (f'contract = "{USDT.lower()}"\n', "", r"ethereum:live: assets\[0\].contract: is missing"),
        (
            'kind = "native"',
            f'kind = "native"\ncontract = "{USDT}"',
            r"assets\[1\].contract: a native coin has",
        ),
        ('kind = "native"', f'kind = "erc20"\ncontract = "{USDT}"', r"assets\[1\].contract: is USDT's"),
        ('symbol = "ETH"', 'symbol = "USDT"', r"assets\[1\].symbol: USDT is there twice"),
        ('"100000000000000"', '"0"', r"assets\[1\].min_raw: "),
        ('"100000000000000"', '"1e14"', r"assets\[.*\].min_raw: "),
        ('"500000000000000000000"', '"5"', r"assets\[1\].max_raw: "),
        ("5000000000\n", "5.0\n", r"assets\[.*\].max_raw: "),
        ("[[networks]]", "[[nets]]", "must hold"),
        ("[[networks]]", "[[networks]", "not a TOML file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in NETWORK
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path, NETWORK.replace(old, new))
    assert "CANARY" not in str(caught.value)
    assert XPUB[4:40] not in str(caught.value)


def test_a_network_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ethereum:live: is there twice"):
        load(tmp_path, NETWORK + NETWORK)


def test_a_test_network_on_the_live_chain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ethereum:test: is on the same chain as ethereum:live"):
        load(tmp_path, NETWORK + NETWORK.replace('"live"', '"test"'))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: can't be read"):
        load_networks(tmp_path / "none.toml", {})


async def test_the_registry_finds_networks_assets_and_adapters(tmp_path: Path) -> None:
    networks = Networks(load(tmp_path, NETWORK + TWIN))

    assert [network.key for network in networks] == ["ethereum:live", "ethereum:test"]
    assert networks.by("ethereum", "test").public_chain_id == 11155111
    assert networks.asset("ethereum", "live", "USDT").decimals == 6
    assert networks.chain("ethereum:live") is networks.chain("ethereum:live")
    assert networks.chain("ethereum:live") is not networks.chain("ethereum:test")
    for unknown in (lambda: networks.by("ethereum", "prod"), lambda: networks.chain("tron:live")):
        with pytest.raises(UnknownNetwork):
            unknown()
    with pytest.raises(UnknownAsset, match="USDC on ethereum:live"):
        networks.asset("ethereum", "live", "USDC")
    await networks.aclose()


async def test_wallets_are_asked_for_the_exact_amount_and_told_of_a_public_node_alone(tmp_path: Path) -> None:
    public = NETWORK.replace("[[networks.assets]]", 'public_rpc_url = "https://rpc.example"\n[[networks.assets]]', 1)
    networks = Networks(load(tmp_path, public + TWIN))
    live, test = networks.chain("ethereum:live"), networks.chain("ethereum:test")
    to = live.derive_address(0)

    token = live.wallet_payment(to, "USDT", 5_000_073)
    assert token is not None
    # transfer(address,uint256), two words; balanceOf(address) without its account
    data = f"0xa9059cbb{to[2:].lower():0>64}{5_000_073:064x}"
    assert token.request["transaction"] == {"to": USDT, "value": "0x0", "data": data}
    assert contracts.call_data("transfer(address,uint256)", to, 5_000_073).hex() == data[2:]
    assert token.request["holdings"] == {"to": USDT, "data": "0x70a08231" + 24 * "0"}
    assert token.request["chain"]["rpcUrls"] == ["https://rpc.example"]
    coin = test.wallet_payment(to, "ETH", 10**18)
    assert coin is not None
    assert (coin.protocol, coin.request["chainId"]) == ("evm", "0xaa36a7")
    assert coin.request["transaction"] == {"to": to, "value": hex(10**18)}
    assert (coin.request["holdings"], coin.request["chain"]) == (None, None), "no public node, so nothing of ours"
    assert live.qr_text(to, "USDT", 5_000_073) == to
    with pytest.raises(LookupError):
        live.wallet_payment(to, "USDC", 1)
    await networks.aclose()


@pytest.mark.parametrize(
    ("url", "problem"),
    [("http://rpc.example", "must be https"), ("https://user@rpc.example", "public_rpc_url"), ("ws://x", "public_rpc")],
)
def test_a_public_node_in_live_mode_is_public(tmp_path: Path, url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(tmp_path, NETWORK.replace("[[networks.assets]]", f'public_rpc_url = "{url}"\n[[networks.assets]]', 1))


def test_our_own_node_is_not_given_to_customers(tmp_path: Path) -> None:
    text = NETWORK.replace("[[networks.assets]]", 'public_rpc_url = "OURS"\n[[networks.assets]]', 1)
    ours = load(tmp_path, NETWORK)["ethereum:live"].rpc_urls[0].reveal()
    with pytest.raises(ConfigError, match="is one of rpc_urls") as caught:
        load(tmp_path, text.replace("OURS", ours.removesuffix("/") + "/"))
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    ("network", "text", "canonical"),
    [
        ("ethereum:live", "0x" + "AB" * 32, "0x" + "ab" * 32),
        ("ethereum:live", "ab" * 32, None),
        ("ethereum:live", "0x" + "ab" * 31, None),
        ("ethereum:live", "0x0x" + "ab" * 32, None),
        ("ethereum:live", "ab" * 32 + "\n", None),
    ],
)
def test_a_transaction_s_id_has_one_form(tmp_path: Path, network: str, text: str, canonical: str | None) -> None:
    config = load(tmp_path, NETWORK)[network]
    if canonical is None:
        with pytest.raises(ValueError, match="not the id of a transaction"):
            config.normalise_txid(text)
    else:
        assert config.normalise_txid(text) == canonical


async def test_payment_uris_follow_eip_681(tmp_path: Path) -> None:
    networks = Networks(load(tmp_path, NETWORK + TWIN))
    live, test = networks.chain("ethereum:live"), networks.chain("ethereum:test")
    address = live.derive_address(0)

    assert live.payment_uri(address, "USDT", 5_000_073) == (
        f"ethereum:{USDT}@1/transfer?address={address}&uint256=5000073"
    )
    assert test.payment_uri(address, "ETH", 10**18) == (f"ethereum:{address}@11155111?value=1000000000000000000")
    with pytest.raises(LookupError):
        live.payment_uri(address, "USDC", 1)
    await networks.aclose()


@pytest.mark.parametrize(
    ("kind", "decimals", "limit_raw"),
    [
        ("native", 18, 10**13),
        ("native", 8, 1_000),
        ("erc20", 6, 10_000),
        ("erc20", 2, 1),
        ("erc20", 0, 1),
        ("erc20", 8, 1_000),
        ("erc20", 18, 10**13),
    ],
)
def test_the_dust_limit_of_an_asset_depends_on_its_kind_and_decimals(kind: str, decimals: int, limit_raw: int) -> None:
    asset = Asset(symbol="A", name="A", kind=kind, decimals=decimals)
    assert asset.dust_limit_raw == limit_raw


def test_the_file_sets_the_dust_limit(tmp_path: Path) -> None:
    for written, limit_raw in (("0", 0), ("25000", 25_000), ('"30000000000000000000"', 3 * 10**19)):
        text = NETWORK.replace("max_raw = 5000000000\n", f"max_raw = 5000000000\ndust_raw = {written}\n")
        usdt = load(tmp_path, text)["ethereum:live"].asset("USDT")
        assert usdt is not None
        assert usdt.dust_limit_raw == limit_raw
    with pytest.raises(ConfigError, match=r"ethereum:live: assets\[0\].dust_raw: must be from 0"):
        load(tmp_path, NETWORK.replace("max_raw = 5000000000\n", "dust_raw = -1\n"))
