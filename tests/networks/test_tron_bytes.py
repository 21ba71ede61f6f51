"""Tron's transactions as bytes: the same that tronweb makes, and read strictly.

tronweb (npm) is a client of other people: it builds each transaction anew, and reads ours.
"""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from app.networks.port import NotATransfer
from app.networks.sending import StakeMove
from app.networks.tron.addresses import to_hex
from app.networks.tron.messages import CLASSES
from app.networks.tron.transactions import Body, CoinTransfer, TokenTransfer, block_reference, decode, sign, size
from tests.factories.tron import USDT
from tests.factories.tron_accounts import KEY, OTHER, OWNER, RECIPIENT

BLOCK = "0000000003fe266bf6b6d392f654dc2e5011601546ed04623d9fcc4e9d439a25"
SIGNATURE_BYTES = 65

# A transaction of the Nile test network in java-tron's documentation.
NILE_RAW = bytes.fromhex(
    "0a0228c022089eabbe133123b34c40d0d6f0c0dd335a8e01081f1289010a31747970652e676f6f676c65617069732e636f6d2f70726f746f"
    "636f6c2e54726967676572536d617274436f6e747261637412540a1541dd791d6b49e190062d650e6a23c575510d35f2f9121541eca9bc82"
    "8a3005b9a3b909f2cc5c2a54794de05f222470a08231000000000000000000000000dd791d6b49e190062d650e6a23c575510d35f2f970cb"
    "97edc0dd33"
)
NILE_TXID = "cff6488e738ce77f7325572fe0aa2470f87dbf1c95eeeb2c25feec59d5afa35c"


def body(action: CoinTransfer | TokenTransfer | StakeMove, **changes: Any) -> Body:
    """A transaction of OWNER, on a real block."""
    bytes_of_height, of_hash = block_reference(BLOCK)
    usual = Body(
        owner=OWNER,
        action=action,
        ref_block_bytes=bytes_of_height,
        ref_block_hash=of_hash,
        expiration_ms=1_777_445_487_000,
        timestamp_ms=1_777_445_307_123,
        fee_limit_raw=15_634_200 if isinstance(action, TokenTransfer) else 0,
    )
    return msgspec.structs.replace(usual, **changes)


TOKENS = body(TokenTransfer(USDT, RECIPIENT, 12_345_678))
COINS = body(CoinTransfer(RECIPIENT, 2_500_000))

BODIES = {
    "TransferContract": COINS,
    "TriggerSmartContract": TOKENS,
    "FreezeBalanceV2Contract": body(StakeMove("stake", 7_000_000)),
    "UnfreezeBalanceV2Contract": body(StakeMove("unstake", 3_000_000)),
    "WithdrawExpireUnfreezeContract": body(StakeMove("withdraw", 0)),
    "DelegateResourceContract": body(StakeMove("lend", 5_000_000, RECIPIENT)),
    "UnDelegateResourceContract": body(StakeMove("reclaim", 5_000_000, RECIPIENT)),
}


@pytest.fixture(scope="module")
def judgements() -> dict[str, Any]:
    """What tronweb says of each of our transactions, by the name of its message."""
    changed = _question("TriggerSmartContract", TOKENS)
    changed["rawDataHex"] = changed["rawDataHex"].replace(f"{12_345_678:064x}", f"{12_345_679:064x}")
    names, asked = [*BODIES, "changed"], [*(_question(name, each) for name, each in BODIES.items()), changed]
    done = subprocess.run(
        ["node", Path(__file__).with_name("tronweb.mjs")],
        input=json.dumps(asked).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return dict(zip(names, json.loads(done.stdout), strict=True))


def test_a_real_transaction_is_the_same_after_reading_it() -> None:
    raw_data = CLASSES["Raw"].FromString(NILE_RAW)
    (contract,) = raw_data.contract
    message = CLASSES["TriggerSmartContract"].FromString(contract.parameter.value)
    contract.parameter.value = message.SerializeToString()

    assert message.owner_address.hex() == "41dd791d6b49e190062d650e6a23c575510d35f2f9"
    assert raw_data.SerializeToString() == NILE_RAW
    assert hashlib.sha256(raw_data.SerializeToString()).hexdigest() == NILE_TXID


@pytest.mark.parametrize("name", BODIES)
def test_tronweb_makes_the_same_bytes(judgements: dict[str, Any], name: str) -> None:
    signed = sign(BODIES[name], KEY)
    assert judgements[name]["built"] == {"rawDataHex": _unsigned(signed.raw).hex(), "txid": signed.txid}


@pytest.mark.parametrize("name", BODIES)
def test_tronweb_reads_our_bytes(judgements: dict[str, Any], name: str) -> None:
    judged, ours, signed = judgements[name], BODIES[name], sign(BODIES[name], KEY)
    value = judged["read"]["contract"][0]["parameter"]["value"]

    assert judged["again"] == {"rawDataHex": _unsigned(signed.raw).hex(), "txid": signed.txid}
    assert judged["isWhole"] is True
    assert judged["signer"] == OWNER
    assert value["owner_address"].lower() == to_hex(OWNER)
    assert (judged["read"]["expiration"], judged["read"]["timestamp"]) == (ours.expiration_ms, ours.timestamp_ms)
    assert judged["read"].get("fee_limit", 0) == ours.fee_limit_raw
    if isinstance(ours.action, CoinTransfer):
        assert (value["to_address"].lower(), value["amount"]) == (to_hex(RECIPIENT), 2_500_000)
    elif isinstance(ours.action, TokenTransfer):
        words = to_hex(RECIPIENT)[2:].rjust(64, "0") + f"{12_345_678:064x}"
        assert (value["contract_address"].lower(), value["data"].lower()) == (to_hex(USDT), "a9059cbb" + words)
    elif ours.action.action in ("lend", "reclaim"):
        assert (value["receiver_address"].lower(), value["balance"]) == (to_hex(RECIPIENT), 5_000_000)
        assert value["resource"] == "ENERGY"
        assert not value.get("lock")


def test_tronweb_notices_a_changed_amount(judgements: dict[str, Any]) -> None:
    assert judgements["changed"]["isWhole"] is False
    assert judgements["changed"]["again"]["txid"] != sign(TOKENS, KEY).txid


@pytest.mark.parametrize("name", BODIES)
def test_what_was_signed_is_read_back(name: str) -> None:
    signed = sign(BODIES[name], KEY)
    assert decode(signed.raw) == BODIES[name]
    assert sign(BODIES[name], KEY) == signed  # the same bytes each time


# The documentation's example of a transfer of TRX pays 267,000 sun: 267 bytes at 1,000.
@pytest.mark.parametrize(
    ("name", "expected"),
    [("TransferContract", 267), ("TriggerSmartContract", 345), ("DelegateResourceContract", 278)],
)
def test_the_size_that_bandwidth_is_paid_for(name: str, expected: int) -> None:
    ours = body(CoinTransfer(RECIPIENT, 1_000_000)) if name == "TransferContract" else BODIES[name]
    assert size(ours) == expected


def test_two_equal_payments_are_one_transaction_unless_their_salt_differs() -> None:
    assert sign(TOKENS, KEY).txid == sign(body(TOKENS.action), KEY).txid
    assert sign(TOKENS, KEY).txid != sign(body(TOKENS.action, timestamp_ms=TOKENS.timestamp_ms + 1), KEY).txid


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from(sorted(BODIES)), place=st.integers(0, 2**16), flipped=st.integers(1, 255))
def test_any_changed_byte_is_refused(name: str, place: int, flipped: int) -> None:
    raw = bytearray(sign(BODIES[name], KEY).raw)
    raw[place % len(raw)] ^= flipped
    with pytest.raises(NotATransfer):
        decode(bytes(raw))


@settings(deadline=None, max_examples=200)
@given(raw=st.binary(max_size=400))
def test_any_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(NotATransfer):
        decode(raw)


def _unknown(field: int) -> bytes:
    """A field of protobuf, with the number 1 in it."""
    return bytes([(field << 3) & 0x7F | 0x80, field >> 4, 1])


def _with(change: "Change", of: Body) -> bytes:
    """The signed bytes of a transaction that was changed before its owner signed it: `change` is given its raw data,
    its contract, and the message of that."""
    name = next(name for name, each in BODIES.items() if type(each.action) is type(of.action))
    raw_data = CLASSES["Raw"].FromString(_unsigned(sign(of, KEY).raw))
    (contract,) = raw_data.contract
    message = CLASSES[name].FromString(contract.parameter.value)
    change(raw_data, contract, message)
    contract.parameter.value = message.SerializeToString()
    return _signed(raw_data.SerializeToString())


def _extended(message: Any, extra: bytes) -> None:
    message.MergeFromString(extra)


def _set_data(message: Any, data: bytes) -> None:
    message.data = data


def _set(message: Any, name: str, value: Any) -> None:
    setattr(message, name, value)


ARGUMENTS = bytes.fromhex(to_hex(RECIPIENT)[2:]).rjust(32, b"\0") + (12_345_678).to_bytes(32)
SELECTOR = bytes.fromhex("a9059cbb")

Change = Callable[[Any, Any, Any], None]

SMUGGLED: dict[str, tuple[Change, Body]] = {
    "a field of raw data that nobody knows": (lambda raw, _, __: _extended(raw, _unknown(99)), TOKENS),
    "a field of the contract that nobody knows": (lambda _, contract, __: _extended(contract, _unknown(99)), TOKENS),
    "a field of the parameter that nobody knows": (lambda _, c, __: _extended(c.parameter, _unknown(99)), TOKENS),
    "a field of the call that nobody knows": (lambda _, __, call: _extended(call, _unknown(99)), TOKENS),
    "a memo": (lambda raw, _, __: _extended(raw, b"\x52\x02hi"), TOKENS),  # field 10
    "a permission": (lambda _, contract, __: _extended(contract, b"\x28\x02"), TOKENS),  # field 5
    "a call value": (lambda _, __, call: _extended(call, b"\x18\x01"), TOKENS),  # field 3
    "a TRC-10 token's value": (lambda _, __, call: _extended(call, b"\x28\x01\x30\xc0\x84\x3d"), TOKENS),  # fields 5, 6
    "two contracts": (lambda raw, contract, _: raw.contract.add().CopyFrom(contract), TOKENS),
    "no contract": (lambda raw, _, __: raw.ClearField("contract"), TOKENS),
    "another contract type": (lambda _, contract, __: _set(contract, "type", 1), TOKENS),
    "another message": (lambda _, c, __: _set(c.parameter, "type_url", "type.googleapis.com/protocol.Other"), TOKENS),
    "approve": (lambda _, __, call: _set_data(call, bytes.fromhex("095ea7b3") + ARGUMENTS), TOKENS),
    "transferFrom": (lambda _, __, call: _set_data(call, bytes.fromhex("23b872dd") + ARGUMENTS), TOKENS),
    "wrong padding": (lambda _, __, call: _set_data(call, SELECTOR + b"\0" * 11 + b"\x41" + ARGUMENTS[12:]), TOKENS),
    "a byte more": (lambda _, __, call: _set_data(call, SELECTOR + ARGUMENTS + b"\0"), TOKENS),
    "a byte less": (lambda _, __, call: _set_data(call, SELECTOR + ARGUMENTS[:-1]), TOKENS),
    "an amount of nothing": (lambda _, __, call: _set_data(call, SELECTOR + ARGUMENTS[:32] + bytes(32)), TOKENS),
    "no fee limit": (lambda raw, _, __: _set(raw, "fee_limit", 0), TOKENS),
    "a fee limit below nothing": (lambda raw, _, __: _set(raw, "fee_limit", -1), TOKENS),
    "coins with a fee limit": (lambda raw, _, __: _set(raw, "fee_limit", 1), COINS),
    "coins of nothing": (lambda _, __, transfer: _set(transfer, "amount", 0), COINS),
    "coins below nothing": (lambda _, __, transfer: _set(transfer, "amount", -5), COINS),
    "coins of another account": (
        lambda _, __, transfer: _set(transfer, "owner_address", bytes.fromhex(to_hex(OTHER))),
        COINS,
    ),
    "a recipient of another chain": (lambda _, __, transfer: _set(transfer, "to_address", bytes(21)), COINS),
}


def test_the_changes_below_are_changes_of_bytes_that_are_read() -> None:
    assert decode(_with(lambda _, __, ___: None, TOKENS)) == TOKENS


@pytest.mark.parametrize("what", SMUGGLED)
def test_bytes_with_anything_else_in_them_are_refused(what: str) -> None:
    with pytest.raises(NotATransfer):
        decode(_with(*SMUGGLED[what]))


def test_bytes_around_a_signature_are_refused() -> None:
    raw = sign(TOKENS, KEY).raw
    signature = raw[-SIGNATURE_BYTES:]
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    mirrored = signature[:32] + (order - int.from_bytes(signature[32:64])).to_bytes(32) + bytes([55 - signature[64]])
    for other in (
        raw + b"\x00",
        raw[:-1],
        raw + _unknown(99),
        raw + b"\x12\x41" + signature,  # signed twice
        _unsigned(raw),
        raw[: -SIGNATURE_BYTES - 2],  # not signed
        raw[:-1] + bytes([raw[-1] - 27]),  # a recovery number of 0 or 1, which nodes accept
        raw[:-SIGNATURE_BYTES] + mirrored,  # the other signature of the same key, which nodes accept
        raw + b"\x2a\x00",  # field 5, a result
    ):
        with pytest.raises(NotATransfer):
            decode(other)


@pytest.mark.parametrize(
    "wrong",
    [
        body(TOKENS.action, fee_limit_raw=0),
        body(COINS.action, fee_limit_raw=1),
        body(CoinTransfer(RECIPIENT, 0)),
        body(CoinTransfer(RECIPIENT, 2**63)),
        body(TokenTransfer(USDT, RECIPIENT, 2**256)),
        body(StakeMove("lend", 1_000_000)),
        body(StakeMove("withdraw", 1)),
        body(CoinTransfer("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", 1)),  # Bitcoin's, with a correct checksum
        body(COINS.action, timestamp_ms=0),
        body(COINS.action, ref_block_hash=b""),
    ],
)
def test_what_no_transaction_of_ours_says_is_not_signed(wrong: Body) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        sign(wrong, KEY)


def _unsigned(raw: bytes) -> bytes:
    """The bytes of a signed transaction that its id is the hash of."""
    return bytes(CLASSES["Transaction"].FromString(raw).raw_data.SerializeToString())


def _signed(raw_data: bytes) -> bytes:
    """Any bytes, signed by OWNER."""
    signature = bytes(Account.unsafe_sign_hash(hashlib.sha256(raw_data).digest(), KEY).signature)
    return bytes([0x0A]) + _varint(len(raw_data)) + raw_data + b"\x12\x41" + signature


def _varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80, number >> 7]) if number > 0x7F else bytes([number])


def _question(name: str, ours: Body) -> dict[str, Any]:
    """What `tronweb.mjs` is asked about a transaction."""
    signed, action = sign(ours, KEY), ours.action
    return {
        "type": name,
        "owner": ours.owner,
        "to": getattr(action, "to_address", None),
        "amount": action.amount_raw,
        "contract": getattr(action, "contract", None),
        "feeLimit": ours.fee_limit_raw,
        "header": {
            "ref_block_bytes": ours.ref_block_bytes.hex(),
            "ref_block_hash": ours.ref_block_hash.hex(),
            "expiration": ours.expiration_ms,
            "timestamp": ours.timestamp_ms,
        },
        "txid": signed.txid,
        "rawDataHex": _unsigned(signed.raw).hex(),
        "signature": signed.raw[-SIGNATURE_BYTES:].hex(),
    }
