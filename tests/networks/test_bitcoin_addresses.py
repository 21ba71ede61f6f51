"""Bitcoin addresses: parsed as Bitcoin Core does, and derived as BIP-84 and BIP-86 say."""

import pytest

from app.networks.bitcoin import addresses, with_embit
from app.networks.bitcoin.addresses import ReceivingAddresses, normalise_address
from app.networks.bitcoin.parameters import PARAMETERS, AddressType, BitcoinNetwork
from app.sandbox.bitcoin_driver import BitcoinDriver
from tests.factories.bitcoin import TAPROOT_XPUB, TPUB, XPUB, ZPUB
from tests.services import import_or_skip

NETWORKS: list[BitcoinNetwork] = list(PARAMETERS)

P2WPKH = "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
P2TR = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"
P2WSH = "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"
P2PKH = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
P2SH = "3P14159f73E4gFr7JterCCQh9QjiTjiZrG"
WITNESS_2 = "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs"
"""The first two are of BIP-84 and BIP-86, the last of BIP-350."""


@pytest.fixture(autouse=True, params=["with_bdk", "with_embit"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test runs with both libraries; with the second one alone where the first has no wheel."""
    if request.param == "with_bdk":
        import_or_skip("bdkpython")
        assert addresses.library().__name__.endswith("with_bdk")
    else:
        monkeypatch.setattr(addresses, "library", lambda: with_embit)


@pytest.mark.parametrize("address", [P2WPKH, P2TR, P2WSH, P2PKH, P2SH])
def test_an_address_is_its_own_canonical_form(address: str) -> None:
    assert normalise_address(address, "main") == address


@pytest.mark.parametrize("address", [P2WPKH, P2TR, P2WSH])
def test_bech32_in_upper_case_becomes_lower_case(address: str) -> None:
    assert normalise_address(address.upper(), "main") == address


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not a bitcoin address"),
        (" " + P2WPKH, "is not a bitcoin address"),
        (f"bitcoin:{P2WPKH}", "is not a bitcoin address"),
        (P2WPKH[:-1] + "t", "a character is mistyped"),
        (P2WPKH[:-1], "is not a bitcoin address"),
        (P2WPKH[:20] + P2WPKH[20:].upper(), "mixes capital and small letters"),
        (P2PKH.lower(), "is not a bitcoin address"),
        (P2PKH[:-1] + "b", "is not a bitcoin address"),
        ("bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7k7grplx", "is not a bitcoin address"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "is not a bitcoin address"),
        ("bc1q", "is not a bitcoin address"),
        (WITNESS_2, "of a kind that isn't in use yet"),
        ("bcrt1qcr8te4kr609gcawutmrza0j4xv80jy8zeqchgx", "of another network than main"),
        ("tb1qcr8te4kr609gcawutmrza0j4xv80jy8zmfp6l0", "of another network than main"),
        ("mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "of another network than main"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        normalise_address(text, "main")
    assert len(text) < 10 or text not in str(refused.value)


def test_a_live_address_is_refused_on_every_test_network() -> None:
    for address in (P2WPKH, P2TR, P2PKH, P2SH):
        for network in NETWORKS[1:]:
            with pytest.raises(ValueError, match="another network"):
                normalise_address(address, network)


@pytest.mark.parametrize(
    ("key", "kind", "first"),
    [
        (XPUB, "p2wpkh", P2WPKH),
        (ZPUB, "p2wpkh", P2WPKH),
        (f" {XPUB}\n", "p2wpkh", P2WPKH),
        (f"wpkh({XPUB}/0/*)", "p2wpkh", P2WPKH),
        (f"wpkh([73c5da0a/84'/0'/0']{XPUB}/0/*)", "p2wpkh", P2WPKH),
        (f"wpkh([73c5da0a/84h/0h/0h]{XPUB}/<0;1>/*)", "p2wpkh", P2WPKH),
        (TAPROOT_XPUB, "p2tr", P2TR),
        (f"tr([73c5da0a/86h/0h/0h]{TAPROOT_XPUB}/0/*)", "p2tr", P2TR),
    ],
)
def test_the_first_address_is_the_one_that_bip_84_and_86_publish(key: str, kind: AddressType, first: str) -> None:
    assert ReceivingAddresses(key, "main", kind).at(0) == first


XPRV = "xprv9xpXFhFpqdQK3TmytPBqXtGSwS3DLjojFhTGht8gwAAii8py5X6pxeBnQ6ehJiyJ6nDjWGJfZ95WxByFXVkDxHXrqu53WCRGypk2ttuqncb"


@pytest.mark.parametrize(
    ("key", "kind", "problem"),
    [
        (XPRV, "p2wpkh", "is an extended PRIVATE key"),
        (f"wpkh({XPRV}/0/*)", "p2wpkh", "is an extended PRIVATE key"),
        (f"z{XPRV[1:]}", "p2wpkh", "is an extended PRIVATE key"),
        (TPUB, "p2wpkh", "begins with tpub; the main network with p2wpkh needs xpub"),
        (ZPUB, "p2tr", "begins with zpub; the main network with p2tr needs xpub"),
        (XPUB[:-1] + "W", "p2wpkh", "is not an extended public key"),
        ("hello", "p2wpkh", "is not an extended public key"),
        ("", "p2wpkh", "is not an extended public key"),
        (P2WPKH, "p2wpkh", "is not an extended public key"),
        (
            "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8",
            "p2wpkh",
            "is of depth 0; an account's key, m/84'/0'/k', has depth 3",
        ),
        (f"tr({XPUB}/0/*)", "p2wpkh", r"is a descriptor of tr\(…\); p2wpkh needs wpkh"),
        (f"sh(wpkh({XPUB}/0/*))", "p2wpkh", "is a descriptor that can't be used"),
        (f"wpkh({XPUB}/1/*)", "p2wpkh", "is a descriptor that can't be used"),
        (f"wpkh({XPUB}/0/*)#aaaaaaaa", "p2wpkh", "whose checksum is wrong"),
    ],
)
def test_another_key_is_refused_without_showing_it(key: str, kind: AddressType, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        ReceivingAddresses(key, "main", kind)
    assert len(key) < 20 or key[5:25] not in str(refused.value)


async def test_the_checksum_of_a_descriptor_is_the_nodes(bitcoin: BitcoinDriver) -> None:
    descriptor = (await bitcoin.call("getdescriptorinfo", f"wpkh([73c5da0a/84h/1h/0h]{TPUB}/0/*)"))["descriptor"]
    assert "#" in descriptor
    assert ReceivingAddresses(descriptor, "regtest", "p2wpkh").at(0) == ReceivingAddresses(
        TPUB, "regtest", "p2wpkh"
    ).at(0)
