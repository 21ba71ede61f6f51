"""The signer's keys of bitcoin networks, held against the published vectors and a real node."""

import pickle
from pathlib import Path

import msgspec
import pytest
from embit.descriptor.checksum import add_checksum

from app.networks.bitcoin.account import Account
from app.networks.bitcoin.coins import EXTERNAL_BRANCH, INTERNAL_BRANCH
from app.networks.bitcoin.parameters import AddressType, BitcoinNetwork
from app.sandbox.anvil import DEVELOPMENT_MNEMONIC
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.signer.keystore import SpendingKeys, new_mnemonic
from tests.factories.bitcoin import TAPROOT_TPUB, TAPROOT_XPUB, TPUB, VPUB, XPUB, ZPUB, bitcoin_network
from tests.factories.bitcoin import bitcoin_networks_toml as networks_toml
from tests.signer.processes import swap_pay

PUBLISHED = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
"""The phrase of the test vectors of BIP-84 and BIP-86."""


@pytest.mark.parametrize(
    ("path", "xpub", "address_type", "receiving", "change"),
    [
        (
            "m/84'/0'/0'",
            ZPUB,
            "p2wpkh",
            ["bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu", "bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g"],
            "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el",
        ),
        (
            "m/86'/0'/0'",
            TAPROOT_XPUB,
            "p2tr",
            [
                "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
                "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh",
            ],
            "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7",
        ),
    ],
)
def test_accounts_are_those_of_the_published_vectors(
    path: str, xpub: str, address_type: AddressType, receiving: list[str], change: str
) -> None:
    key = SpendingKeys(PUBLISHED).account(path)
    published = Account(xpub, "main", address_type)
    ours = Account(key.xpub, "main", address_type)
    assert ours.key == published.key
    for account in (ours, published):
        assert [account.address(EXTERNAL_BRANCH, index) for index in (0, 1)] == receiving
        assert account.address(INTERNAL_BRANCH, 0) == change
    assert (key.path, key.origin) == (path, f"[73c5da0a/{path[2:].replace(chr(39), 'h')}]")


@pytest.mark.parametrize(("purpose", "address_type", "function"), [("84", "p2wpkh", "wpkh"), ("86", "p2tr", "tr")])
async def test_the_node_derives_the_same_addresses_on_both_branches(
    bitcoin: BitcoinDriver, purpose: str, address_type: AddressType, function: str
) -> None:
    key = SpendingKeys(new_mnemonic()).account(f"m/{purpose}'/1'/3'")
    account = Account(key.xpub, "regtest", address_type)
    for branch in (EXTERNAL_BRANCH, INTERNAL_BRANCH):
        descriptor = add_checksum(f"{function}({key.origin}{key.xpub}/{branch}/*)")
        derived = await bitcoin.call("deriveaddresses", descriptor, [0, 50])
        assert derived == [account.address(branch, index) for index in range(51)]
    # The private key is that of the same account, also for the node.
    private = account_text(key.private_key())
    assert private.startswith("tprv")
    described = await bitcoin.call("getdescriptorinfo", f"{function}({private}/0/*)")
    assert (described["hasprivatekeys"], f"({key.xpub}/0/*)" in described["descriptor"]) == (True, True)


def account_text(serialised: bytes) -> str:
    from embit import base58

    return str(base58.encode_check(serialised))


def test_an_account_key_shows_nothing_of_itself() -> None:
    key = SpendingKeys(new_mnemonic()).account("m/84'/0'/0'")
    private = key.private_key()
    for shown in (repr(key), str(key), f"{key}", repr([key]), key.xpub, key.origin):
        assert "prv" not in shown
        assert private[46:].hex() not in shown
    assert repr(key) == "AccountKey(m/84'/0'/0', …)"
    with pytest.raises(TypeError, match="not to be pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize("path", ["", "m", "m/84'", "m/84'/0'/0", "m/84'/0'/0'/0", "84'/0'/0'", "m/84h/0h/0h"])
def test_only_an_account_has_a_key(path: str) -> None:
    with pytest.raises(ValueError, match="account's path"):
        SpendingKeys(PUBLISHED).account(path)


@pytest.mark.parametrize(
    ("network", "address_type", "number", "path"),
    [
        ("main", "p2wpkh", 0, "m/84'/0'/0'"),
        ("main", "p2tr", 7, "m/86'/0'/7'"),
        ("signet", "p2wpkh", 2, "m/84'/1'/2'"),
        ("regtest", "p2tr", 0, "m/86'/1'/0'"),
    ],
)
def test_a_network_says_which_account_its_xpub_is(
    network: BitcoinNetwork, address_type: AddressType, number: int, path: str
) -> None:
    keys, config = SpendingKeys(new_mnemonic()), bitcoin_network(["http://127.0.0.1:1"], address_type=address_type)
    config = msgspec.structs.replace(config, bitcoin_network=network, xpub=keys.account(path).xpub)
    assert config.account_path == path
    assert config.is_account(keys.account(path).xpub)
    assert not config.is_account(SpendingKeys(new_mnemonic()).account(path).xpub)
    assert not config.is_account("nonsense")


@pytest.mark.parametrize("xpub", [TPUB, VPUB, f"wpkh({TPUB}/0/*)"])
def test_any_form_of_the_account_s_key_is_known(xpub: str) -> None:
    config = msgspec.structs.replace(bitcoin_network(["http://127.0.0.1:1"]), xpub=xpub)
    assert config.account_path == "m/84'/1'/0'"
    assert config.is_account(SpendingKeys(PUBLISHED).account(config.account_path).xpub)


def test_the_command_shows_each_kind_s_keys_and_checks_a_networks_file(tmp_path: Path) -> None:
    env = {"SWAP_PAY_ENV": "test", "SIGNER_MNEMONIC": PUBLISHED}
    done = swap_pay(env, "signer", "show")
    assert done.returncode == 0
    for public in (SpendingKeys(PUBLISHED).xpub, XPUB, TAPROOT_XPUB, TPUB, TAPROOT_TPUB):
        assert f'xpub = "{public}"' in done.stdout
    assert add_checksum(f"wpkh([73c5da0a/84h/0h/0h]{XPUB}/<0;1>/*)") in done.stdout
    assert "prv" not in done.stdout
    assert "m/84'/0'/5'" in swap_pay(env, "signer", "show", "--account", "5").stdout

    file = tmp_path / "networks.toml"
    file.write_text(networks_toml("http://127.0.0.1:1"))
    ours = swap_pay(env, "signer", "show", "--networks-file", str(file))
    assert (ours.returncode, "bitcoin:test: xpub is that of these keys" in ours.stdout) == (0, True)
    other = swap_pay(env | {"SIGNER_MNEMONIC": DEVELOPMENT_MNEMONIC}, "signer", "show", "--networks-file", str(file))
    assert (other.returncode, "bitcoin:test: xpub is NOT that" in other.stdout) == (1, True)
    assert "not of these keys: bitcoin:test" in other.stderr
