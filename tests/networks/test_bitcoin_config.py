"""A Bitcoin network in the networks file: read as written, or refused with the field that is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.networks.bitcoin.account import Account
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.networks_file import ConfigError, load_networks
from app.networks.registry import Networks
from tests.factories.bitcoin import TAPROOT_TPUB, TPUB, XPUB, bitcoin_network, bitcoin_networks_toml, hot_wallet

URL = "http://gateway:CANARY@127.0.0.1:18443"
FILE = bitcoin_networks_toml(URL, confirmations=6)


def load(tmp_path: Path, text: str) -> BitcoinConfig:
    path = tmp_path / "networks.toml"
    path.write_text(text)
    (network,) = load_networks(path, {}).values()
    assert isinstance(network, BitcoinConfig)
    return network


def test_a_network_has_the_defaults_of_bitcoin(tmp_path: Path) -> None:
    network = load(tmp_path, FILE)
    assert (network.key, network.kind, network.address_mode) == ("bitcoin:test", "bitcoin", "fresh")
    assert (network.block_time_ms, network.poll_interval_ms, network.batch_blocks) == (600_000, 2_000 // 40, 10)
    assert network.identity == "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
    assert network.public_chain_id is None
    assert network.coin.dust_limit_raw == 1_000
    assert "CANARY" not in repr(network)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"regtest"', '"simnet"', "bitcoin:test: bitcoin_network: "),
        ('"regtest"', '"main"', "bitcoin:test: bitcoin_network: must be main in live mode"),
        ('mode = "test"', 'mode = "live"', "bitcoin:live: bitcoin_network: must be main in live mode"),
        (TPUB, XPUB, "bitcoin:test: xpub: begins with xpub; the regtest network with p2wpkh needs tpub"),
        (TPUB, TPUB[:-1], "bitcoin:test: xpub: is not an extended public key"),
        ("confirmations = 6", 'confirmations = 6\naddress_mode = "pool"', "address_mode: must be fresh"),
        ("confirmations = 6", 'confirmations = 6\naddress_type = "p2pkh"', "address_type: "),
        (
            "confirmations = 6",
            'confirmations = 6\nhot_wallet_address = "bcrt1q"',
            "hot_wallet_address: is not a",
        ),
        (
            "confirmations = 6",
            f'confirmations = 6\nhot_wallet_address = "{hot_wallet(TAPROOT_TPUB, address_type="p2tr")}"',
            "hot_wallet_address: is not /1/0 below xpub",
        ),
        ("confirmations = 6", "confirmations = 6\nchain_id = 1", "chain_id"),
        ("decimals = 8", "decimals = 6", "assets: must be the coin alone, with 8 decimals"),
        ('kind = "native"', 'kind = "erc20"', r"assets\[0\].kind: is none of this kind of chain: native"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigError, match=message) as refused:
        load(tmp_path, FILE.replace(old, new))
    assert "CANARY" not in str(refused.value)
    assert TPUB[5:30] not in str(refused.value)


@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_the_hot_wallet_is_the_first_address_of_the_change_branch(
    tmp_path: Path, spelled: Callable[[str], str]
) -> None:
    """The address that BIP-84 publishes for the mnemonic, in this network's form."""
    ours = hot_wallet(TPUB)
    assert ours == Account(TPUB, "regtest", "p2wpkh").address(1, 0)
    network = load(tmp_path, bitcoin_networks_toml(URL, hot_wallet_address=f'"{spelled(ours)}"'))
    assert network.hot_wallet_address == ours
    receiving = Account(TPUB, "regtest", "p2wpkh").address(0, 0)
    with pytest.raises(ConfigError, match="hot_wallet_address: is not /1/0"):
        load(tmp_path, bitcoin_networks_toml(URL, hot_wallet_address=f'"{receiving}"'))


def test_taproot_takes_the_key_of_its_own_account(tmp_path: Path) -> None:
    text = bitcoin_networks_toml(URL, address_type='"p2tr"').replace(TPUB, TAPROOT_TPUB)
    assert load(tmp_path, text).address_type == "p2tr"


def test_without_a_hot_wallet_nothing_is_sent(tmp_path: Path) -> None:
    assert not load(tmp_path, bitcoin_networks_toml(URL)).sends
    assert load(tmp_path, bitcoin_networks_toml(URL, hot_wallet_address=f'"{hot_wallet()}"')).sends


STEPS = "[{up_to_raw = 100000, confirmations = 1}, {up_to_raw = 10000000, confirmations = 3}]"


@pytest.mark.parametrize(
    ("amount_raw", "confirmations"), [(1, 1), (100_000, 1), (100_001, 3), (10**7, 3), (10**7 + 1, 6), (10**15, 6)]
)
def test_confirmations_depend_on_the_amount(tmp_path: Path, amount_raw: int, confirmations: int) -> None:
    network = load(tmp_path, bitcoin_networks_toml(URL, confirmations=6, confirmations_by_amount=STEPS))
    assert network.confirmations_for("BTC", amount_raw) == confirmations


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("[{up_to_raw = 5, confirmations = 1}, {up_to_raw = 5, confirmations = 2}]", "begin with the smallest amount"),
        ("[{up_to_raw = 5, confirmations = 3}, {up_to_raw = 9, confirmations = 2}]", "a smaller amount needs more"),
        ("[{up_to_raw = 5, confirmations = 7}]", "a smaller amount needs more"),
        ("[{up_to_raw = 5, confirmations = 0}]", "confirmations"),
        ("[{up_to_raw = 0, confirmations = 1}]", "up_to_raw"),
        ("[{up_to = 5, confirmations = 1}]", "up_to"),
    ],
)
def test_steps_that_contradict_each_other_are_refused(tmp_path: Path, steps: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=f"confirmations_by_amount.*{problem}|{problem}.*confirmations_by_amount"):
        load(tmp_path, bitcoin_networks_toml(URL, confirmations=6, confirmations_by_amount=steps))


async def test_payment_uris_follow_bip_21() -> None:
    networks = Networks({"bitcoin:test": bitcoin_network([URL])})
    chain = networks.chain("bitcoin:test")
    address = chain.derive_address(0)
    for amount_raw, written in ((1, "0.00000001"), (150_000, "0.00150000"), (21 * 10**14, "21000000.00000000")):
        uri = chain.payment_uri(address, "BTC", amount_raw)
        scheme, _, query = uri.partition("?amount=")
        assert scheme == f"bitcoin:{address}"
        assert float(query) == float(written)
        assert "e" not in query.lower()
    with pytest.raises(LookupError):
        chain.payment_uri(address, "USDT", 1)
    await networks.aclose()
