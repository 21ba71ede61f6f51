"""Addresses as text, and where our own come from."""

import time

import pytest
from bip_utils.addr.eth_addr import EthAddrEncoder
from bip_utils.addr.trx_addr import TrxAddrEncoder
from bip_utils.bip.bip32.slip10.bip32_slip10_secp256k1 import Bip32Slip10Secp256k1
from bip_utils.bip.bip39.bip39_seed_generator import Bip39SeedGenerator
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from app.networks.evm.address import normalise_address
from app.networks.evm.config import receiving_addresses
from app.networks.tron import addresses as tron_addresses
from tests.factories.networks import MNEMONIC, XPUB

# EIP-55's own examples.
EIP_55 = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())


@pytest.mark.parametrize("address", EIP_55)
def test_the_standards_examples_are_their_own_canonical_form(address: str) -> None:
    assert normalise_address(address) == address


@given(addresses)
def test_case_without_a_checksum_is_accepted_and_given_one(address: str) -> None:
    canonical = normalise_address(address)

    assert canonical.lower() == address
    assert normalise_address("0x" + address[2:].upper()) == canonical
    assert normalise_address(canonical) == canonical


@given(addresses, st.data())
def test_mixed_case_must_be_the_checksum(address: str, data: st.DataObject) -> None:
    canonical = normalise_address(address)
    letters = [place for place, digit in enumerate(canonical) if place > 1 and digit.isalpha()]
    if not letters:
        return
    place = data.draw(st.sampled_from(letters))
    mistyped = canonical[:place] + canonical[place].swapcase() + canonical[place + 1 :]
    if mistyped[2:] in (mistyped[2:].lower(), mistyped[2:].upper()):
        return

    with pytest.raises(ValueError, match="checksum"):
        normalise_address(mistyped)


@given(st.text(max_size=60))
def test_anything_else_is_not_an_address(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        normalise_address(text)


@pytest.mark.parametrize(
    "text",
    [
        EIP_55[0][2:],
        EIP_55[0] + "\n",
        " " + EIP_55[0],
        EIP_55[0][:-1],
        EIP_55[0] + "0",
        "0X" + EIP_55[0][2:],
        EIP_55[0][:-1] + "٧",
        EIP_55[0][:-1] + "\0",
        "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8",
    ],
)
def test_almost_an_address_is_not_one(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        normalise_address(text)


def test_derived_addresses_are_those_of_the_wallet() -> None:
    Account.enable_unaudited_hdwallet_features()
    receiving = receiving_addresses(XPUB)

    assert receiving.at(0) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert receiving.at(1) == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    for index in (2, 9, 1000, 2**31 - 1):
        path = f"m/44'/60'/0'/0/{index}"
        assert receiving.at(index) == Account.from_mnemonic(MNEMONIC, account_path=path).address


@given(st.binary(min_size=16, max_size=64), st.integers(0, 2**31 - 1))
def test_derived_addresses_are_those_of_the_signers_keys(seed: bytes, index: int) -> None:
    """The signer derives its keys by another library: money at an address that it can't derive would be lost."""
    for account_path, addresses, encoder in (
        ("m/44'/60'/0'", receiving_addresses, EthAddrEncoder),
        ("m/44'/195'/0'", tron_addresses.receiving_addresses, TrxAddrEncoder),
    ):
        account = Bip32Slip10Secp256k1.FromSeedAndPath(seed, account_path)
        spendable = account.DerivePath(f"0/{index}").PublicKey().KeyObject()
        assert addresses(account.PublicKey().ToExtended()).at(index) == encoder.EncodeKey(spendable)


def test_hundreds_of_addresses_are_derived_quickly() -> None:
    receiving = receiving_addresses(XPUB)
    started_s = time.process_time()  # what others do on this machine does not count
    assert len({receiving.at(index) for index in range(500)}) == 500
    assert time.process_time() - started_s < 1.0  # 0.15 ms each


@pytest.mark.parametrize("index", [-1, 2**31])
def test_a_hardened_or_negative_index_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="index"):
        receiving_addresses(XPUB).at(index)


def test_a_private_key_is_refused_and_not_repeated() -> None:
    seed = Bip39SeedGenerator(MNEMONIC).Generate()
    account = Bip32Slip10Secp256k1.FromSeedAndPath(seed, "m/44'/60'/0'")
    for key in (account.PrivateKey().ToExtended(), account.PrivateKey().ToExtended()[:-1] + "x"):
        with pytest.raises(ValueError, match="PRIVATE") as caught:
            receiving_addresses(key)
        assert key[8:] not in str(caught.value)


@pytest.mark.parametrize("path", ["m", "m/44'/60'", "m/44'/60'/0'/0"])
def test_a_key_of_another_depth_is_refused(path: str) -> None:
    seed = Bip39SeedGenerator(MNEMONIC).Generate()
    key = Bip32Slip10Secp256k1.FromSeedAndPath(seed, path).PublicKey().ToExtended()
    with pytest.raises(ValueError, match="depth"):
        receiving_addresses(key)


@pytest.mark.parametrize("text", ["", "xpub", XPUB[:-1] + "Q", XPUB + "1", XPUB[:50] + "0" + XPUB[51:], "é" * 111])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an extended public key"):
        receiving_addresses(text)
