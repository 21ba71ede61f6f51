"""Tron's addresses, and which of them are ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.networks.tron.addresses import VOID, from_hex, from_log, normalise_address, receiving_addresses, to_hex, to_log
from tests.factories.tron import TRON_XPUB, USDT, tron_network

USDT_DIGITS = "a614f803b6fd780986a42c78ec9c7f77e6ded13c"

# Held to bip-utils and to tronweb's fromMnemonic.
OURS = {
    0: ("TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH", "41c8599111f29c1e1e061265b4af93ea1f274ad78a"),
    1: ("TSeJkUh4Qv67VNFwY8LaAxERygNdy6NQZK", "41b6e708a39781c96bd399c7657780ff9fe9f052a8"),
    2: ("TYJPRrdB5APNeRs4R7fYZSwW3TcrTKw2gx", "41f4f35fff5ca9ee43aca2c57ded9d9ec66ac42dd0"),
}


def test_both_written_forms_become_the_one_with_the_checksum() -> None:
    assert normalise_address(USDT) == USDT
    assert normalise_address("41" + USDT_DIGITS) == USDT
    assert normalise_address("41" + USDT_DIGITS.upper()) == USDT
    assert from_log(USDT_DIGITS) == USDT
    assert to_log(USDT) == USDT_DIGITS
    assert to_hex(USDT) == "41" + USDT_DIGITS


@given(st.binary(min_size=20, max_size=20))
def test_every_address_survives_the_way_there_and_back(raw: bytes) -> None:
    text = from_log(raw.hex())
    assert normalise_address(text) == text
    assert to_log(text) == raw.hex()


@pytest.mark.parametrize(
    "text",
    [
        USDT[:-1] + "u",
        USDT.replace("N", "M", 1),
        USDT.lower(),
        USDT.upper(),
        "t" + USDT[1:],
        USDT + " ",
        " " + USDT,
        USDT + "\n",
        USDT[:-1],
        "",
        "T" * 34,
        "0x" + USDT_DIGITS,
        "42" + USDT_DIGITS,
        USDT_DIGITS,
        "41" + USDT_DIGITS + "\n",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "0xdAC17F958D2ee523a2206206994597C13D831ec7",
        "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu",
        "T" * 100_000,
        "é" * 34,
    ],
)
def test_what_is_almost_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="Tron address") as caught:
        normalise_address(text)
    assert not text.strip() or text not in str(caught.value)


def test_our_addresses_are_those_of_the_wallet() -> None:
    network = tron_network(["http://127.0.0.1:1"])
    for index, (text, digits) in OURS.items():
        assert network.receiving_address(index) == text
        assert to_hex(text) == digits
    assert receiving_addresses(TRON_XPUB).at(2**31 - 1).startswith("T")
    with pytest.raises(ValueError, match="index"):
        network.receiving_address(2**31)
    assert network.account_path == "m/44'/195'/0'"


def test_the_address_of_zeros_is_void() -> None:
    network = tron_network(["http://127.0.0.1:1"])
    assert from_hex("41" + "0" * 40) == VOID
    assert network.is_void(VOID)
    assert not network.is_void(USDT)
