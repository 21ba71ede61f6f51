"""Tron's protobuf messages, to JSON in the form of java-tron's HTTP API and back, from a table of their fields.

Written apart from the gateway's own encoding, so that neither can hide a mistake of the other. Fields that are not in
the table are ignored, as java-tron's JSON ignores them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from eth_utils.crypto import keccak

Json = dict[str, Any]


class Field(NamedTuple):
    """A field: its name in JSON, what it holds (`int`, `bool`, `bytes`, `text`, or the name of an enum or message)."""

    name: str
    holds: str
    repeated: bool = False


ENUMS: dict[str, dict[int, str]] = {
    "ContractType": {
        0: "AccountCreateContract",
        1: "TransferContract",
        2: "TransferAssetContract",
        13: "WithdrawBalanceContract",
        31: "TriggerSmartContract",
        46: "AccountPermissionUpdateContract",
        54: "FreezeBalanceV2Contract",
        55: "UnfreezeBalanceV2Contract",
        56: "WithdrawExpireUnfreezeContract",
        57: "DelegateResourceContract",
        58: "UnDelegateResourceContract",
    },
    "Resource": {0: "BANDWIDTH", 1: "ENERGY", 2: "TRON_POWER"},
    "PermissionType": {0: "Owner", 1: "Witness", 2: "Active"},
}
MESSAGES: dict[str, dict[int, Field]] = {
    "Transaction": {1: Field("raw_data", "bytes"), 2: Field("signature", "bytes", repeated=True)},
    "Raw": {
        1: Field("ref_block_bytes", "bytes"),
        4: Field("ref_block_hash", "bytes"),
        8: Field("expiration", "int"),
        10: Field("data", "bytes"),
        11: Field("contract", "Contract", repeated=True),
        14: Field("timestamp", "int"),
        18: Field("fee_limit", "int"),
    },
    "Contract": {1: Field("type", "ContractType"), 2: Field("parameter", "Any"), 5: Field("Permission_id", "int")},
    "Any": {1: Field("type_url", "text"), 2: Field("value", "bytes")},
    "AccountCreateContract": {1: Field("owner_address", "bytes"), 2: Field("account_address", "bytes")},
    "TransferContract": {
        1: Field("owner_address", "bytes"),
        2: Field("to_address", "bytes"),
        3: Field("amount", "int"),
    },
    "TransferAssetContract": {
        1: Field("asset_name", "bytes"),
        2: Field("owner_address", "bytes"),
        3: Field("to_address", "bytes"),
        4: Field("amount", "int"),
    },
    "WithdrawBalanceContract": {1: Field("owner_address", "bytes")},
    "TriggerSmartContract": {
        1: Field("owner_address", "bytes"),
        2: Field("contract_address", "bytes"),
        3: Field("call_value", "int"),
        4: Field("data", "bytes"),
        5: Field("call_token_value", "int"),
        6: Field("token_id", "int"),
    },
    "AccountPermissionUpdateContract": {
        1: Field("owner_address", "bytes"),
        2: Field("owner", "Permission"),
        3: Field("witness", "Permission"),
        4: Field("actives", "Permission", repeated=True),
    },
    "Permission": {
        1: Field("type", "PermissionType"),
        2: Field("id", "int"),
        3: Field("permission_name", "text"),
        4: Field("threshold", "int"),
        5: Field("parent_id", "int"),
        6: Field("operations", "bytes"),
        7: Field("keys", "Key", repeated=True),
    },
    "Key": {1: Field("address", "bytes"), 2: Field("weight", "int")},
    "FreezeBalanceV2Contract": {
        1: Field("owner_address", "bytes"),
        2: Field("frozen_balance", "int"),
        3: Field("resource", "Resource"),
    },
    "UnfreezeBalanceV2Contract": {
        1: Field("owner_address", "bytes"),
        2: Field("unfreeze_balance", "int"),
        3: Field("resource", "Resource"),
    },
    "WithdrawExpireUnfreezeContract": {1: Field("owner_address", "bytes")},
    "DelegateResourceContract": {
        1: Field("owner_address", "bytes"),
        2: Field("resource", "Resource"),
        3: Field("balance", "int"),
        4: Field("receiver_address", "bytes"),
        5: Field("lock", "bool"),
        6: Field("lock_period", "int"),
    },
    "UnDelegateResourceContract": {
        1: Field("owner_address", "bytes"),
        2: Field("resource", "Resource"),
        3: Field("balance", "int"),
        4: Field("receiver_address", "bytes"),
    },
}
TYPE_URL = "type.googleapis.com/protocol."
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types of protobuf's encoding


def decode(message: str, encoded: bytes) -> Json:
    """The JSON of a message: bytes in hex; what is zero, false or empty is left out. Raises ValueError."""
    fields, found = MESSAGES[message], Json()
    for number, raw in _entries(encoded):
        if (field := fields.get(number)) is None:
            continue
        value = _decoded(field.holds, raw)
        if field.repeated:
            found.setdefault(field.name, []).append(value)
        elif value not in (0, "", False) and value != ENUMS.get(field.holds, {}).get(0):
            found[field.name] = value
    return _unpacked(found) if message == "Any" else found


def encode(message: str, content: Json) -> bytes:
    """The bytes of a message from its JSON, fields in the order of their numbers. Raises ValueError, TypeError and
    KeyError where it is none."""
    if message == "Any":
        name = str(content["type_url"]).removeprefix(TYPE_URL)
        content = {**content, "value": encode(name, content["value"]).hex()}
    encoded = b""
    for number, field in sorted(MESSAGES[message].items()):
        given = content.get(field.name)
        for value in (given or []) if field.repeated else [given]:
            if value is not None:
                encoded += _entry(number, field.holds, value, keep_zero=field.repeated)
    return encoded


def _unpacked(found: Json) -> Json:
    name = str(found.get("type_url", "")).removeprefix(TYPE_URL)
    if name not in MESSAGES:
        raise ValueError(f"{name} is not modelled")
    return {"value": decode(name, bytes.fromhex(found.get("value", ""))), "type_url": found["type_url"]}


def _decoded(holds: str, raw: int | bytes) -> Any:
    if isinstance(raw, int):
        if holds == "int":
            return raw - (1 << 64) if raw >> 63 else raw
        if holds == "bool":
            return bool(raw)
        if holds in ENUMS:
            return ENUMS[holds].get(raw, raw)
    elif holds == "bytes":
        return raw.hex()
    elif holds == "text":
        return raw.decode()
    elif holds in MESSAGES:
        return decode(holds, raw)
    raise ValueError(f"a field of type {holds} has another type")


def _entry(number: int, holds: str, value: Any, *, keep_zero: bool) -> bytes:
    if holds in ("int", "bool") or holds in ENUMS:
        numbers = {name: key for key, name in ENUMS.get(holds, {}).items()}
        integer = int(numbers[value] if isinstance(value, str) else value)
        return _varint(number << 3 | _VARINT) + _varint(integer % (1 << 64)) if integer or keep_zero else b""
    raw = _raw(holds, value)
    if not raw and not keep_zero and holds not in MESSAGES:
        return b""
    return _varint(number << 3 | _BYTES) + _varint(len(raw)) + raw


def _raw(holds: str, value: Any) -> bytes:
    if holds == "bytes":
        return bytes.fromhex(value)
    return str(value).encode() if holds == "text" else encode(holds, value)


def _entries(encoded: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message, each with its number. Raises ValueError where the bytes are cut off."""
    at = 0
    while at < len(encoded):
        key, at = _read_varint(encoded, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, at = _read_varint(encoded, at)
            yield number, value
            continue
        if wire_type == _BYTES:
            length, at = _read_varint(encoded, at)
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise ValueError("an unknown wire type")
        if at + length > len(encoded):
            raise ValueError("the message is cut off")
        yield number, encoded[at : at + length]
        at += length


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _read_varint(encoded: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(encoded):
            raise ValueError("the message is cut off")
        value |= (encoded[at] & 0x7F) << shift
        at += 1
        if encoded[at - 1] < 0x80:
            return value, at
    raise ValueError("a number is too long")


def selector(signature: str) -> str:
    """The first four bytes of a call's data, in hex, for a function such as `transfer(address,uint256)`."""
    return bytes(keccak(text=signature)[:4]).hex()
