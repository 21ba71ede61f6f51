"""embit, the Bitcoin Dev Kit and the node give the same addresses, so each can stand in for another."""

import random

import pytest
from embit.script import Script
from hypothesis import given
from hypothesis import strategies as st

from app.networks.bitcoin import with_embit
from app.networks.bitcoin.account_key import account_key
from app.networks.bitcoin.addresses import MAX_INDEX, ReceivingAddresses, address_of, parse
from app.networks.bitcoin.parameters import PARAMETERS, AddressType, BitcoinNetwork
from app.sandbox.bitcoin_driver import BitcoinDriver
from tests.factories.bitcoin import TAPROOT_TPUB, TPUB, VPUB
from tests.services import import_or_skip

bdk = import_or_skip("bdkpython")
with_bdk = import_or_skip("app.networks.bitcoin.with_bdk")

NETWORKS: list[BitcoinNetwork] = list(PARAMETERS)


def some_scripts(count: int) -> list[bytes]:
    """Scripts with an address, and with programs that no wallet can spend."""
    source = random.Random(84)
    forms = [
        (b"\x00\x14", 20, b""),
        (b"\x00\x20", 32, b""),
        (b"\x51\x20", 32, b""),
        (b"\x51\x14", 20, b""),
        (b"\x52\x20", 32, b""),
        (b"\x60\x02", 2, b""),
        (b"\x76\xa9\x14", 20, b"\x88\xac"),
        (b"\xa9\x14", 20, b"\x87"),
    ]
    return [head + source.randbytes(size) + tail for _ in range(count) for head, size, tail in forms]


TEXTS = [str(bdk.Address.from_script(bdk.Script(script), bdk.Network.BITCOIN)) for script in some_scripts(50)]
HEADS = ["bc1", "BC1", "tb1", "bcrt1", "bc1q", "bc1p", "1", "3", "m", "2", ""]


def test_both_libraries_parse_alike() -> None:
    for script in some_scripts(50):
        for network in NETWORKS:
            text = str(bdk.Address.from_script(bdk.Script(script), with_bdk.BDK_NETWORKS[network]))
            forms = [text, text.upper(), text.lower(), text[:-1], text[:-1] + "q", text.swapcase(), f" {text}"]
            for form in forms:
                for other in NETWORKS:
                    known = with_bdk.parse(form, other)
                    assert with_embit.parse(form, other) == known, (form, other)
                    assert known is None or (other == network or PARAMETERS[other].xpub == "tpub")


ALPHABET = st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7lQPZRY9X1bio023IOB")


@given(st.one_of(st.text(max_size=100), st.builds(str.__add__, st.sampled_from(HEADS), st.text(ALPHABET, max_size=80))))
def test_both_libraries_refuse_alike_whatever_people_write(text: str) -> None:
    for network in NETWORKS:
        assert with_embit.parse(text, network) == with_bdk.parse(text, network)


@given(st.integers(0, 89), ALPHABET, st.integers(0, 399))
def test_both_libraries_refuse_a_mistyped_address_alike(place: int, character: str, which: int) -> None:
    text = TEXTS[which]
    mistyped = text[:place] + character + text[place + 1 :]
    for network in NETWORKS:
        assert with_embit.parse(mistyped, network) == with_bdk.parse(mistyped, network)


def test_the_address_of_a_script_is_the_one_that_parses_to_it() -> None:
    for script in some_scripts(50):
        address = address_of(script, "bcrt")
        if Script(script).script_type() in ("p2wpkh", "p2tr"):
            assert address is not None
            assert parse(address, "regtest") == (address, script)
        else:
            assert address is None


@pytest.mark.parametrize(("key", "kind"), [(TPUB, "p2wpkh"), (VPUB, "p2wpkh"), (TAPROOT_TPUB, "p2tr")])
async def test_both_libraries_and_the_node_derive_alike(key: str, kind: AddressType, bitcoin: BitcoinDriver) -> None:
    account = account_key(key, "regtest", kind)
    one, other = (library.Receiving(account, "regtest", kind) for library in (with_bdk, with_embit))
    for index in (*range(20), 2**20, MAX_INDEX):
        assert one.at(index) == other.at(index)
    ours = ReceivingAddresses(key, "regtest", kind)
    function, plain = ("wpkh", TPUB) if kind == "p2wpkh" else ("tr", key)
    descriptor = (await bitcoin.call("getdescriptorinfo", f"{function}({plain}/0/*)"))["descriptor"]
    derived = await bitcoin.call("deriveaddresses", descriptor, [0, 19])
    assert [ours.at(index) for index in range(20)] == derived
    for index in (-1, 2**31):
        with pytest.raises(ValueError, match="an address index"):
            ours.at(index)
