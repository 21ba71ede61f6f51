"""The protobuf messages of Tron's transactions that we make, with java-tron's names and field numbers.

The classes are made when this module is imported, so no compiler is needed and nothing is generated. That import takes
a tenth of a second, and only a signer needs it: import this module where a transaction is made or read.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
    "int64": _Field.TYPE_INT64,
    # java-tron has enumerations here, which are written as the same bytes.
    "int32": _Field.TYPE_INT32,
}

# java-tron's protocol/src/main/protos/core: Tron.proto and contract/*.proto. Fields that we never set are left out:
# bytes that have them are not ours. `Raw` and `Contract` are messages within Transaction there.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Transaction": {"raw_data": (1, "Raw"), "signature": (2, "repeated bytes")},
    "Raw": {
        "ref_block_bytes": (1, "bytes"),
        "ref_block_hash": (4, "bytes"),
        "expiration": (8, "int64"),
        "contract": (11, "repeated Contract"),
        "timestamp": (14, "int64"),
        "fee_limit": (18, "int64"),
    },
    "Contract": {"type": (1, "int32"), "parameter": (2, "Parameter")},
    "Parameter": {"type_url": (1, "string"), "value": (2, "bytes")},  # google.protobuf.Any
    "TransferContract": {"owner_address": (1, "bytes"), "to_address": (2, "bytes"), "amount": (3, "int64")},
    "TriggerSmartContract": {"owner_address": (1, "bytes"), "contract_address": (2, "bytes"), "data": (4, "bytes")},
    "FreezeBalanceV2Contract": {
        "owner_address": (1, "bytes"),
        "frozen_balance": (2, "int64"),
        "resource": (3, "int32"),
    },
    "UnfreezeBalanceV2Contract": {
        "owner_address": (1, "bytes"),
        "unfreeze_balance": (2, "int64"),
        "resource": (3, "int32"),
    },
    "WithdrawExpireUnfreezeContract": {"owner_address": (1, "bytes")},
    "DelegateResourceContract": {
        "owner_address": (1, "bytes"),
        "resource": (2, "int32"),
        "balance": (3, "int64"),
        "receiver_address": (4, "bytes"),
    },
    "UnDelegateResourceContract": {
        "owner_address": (1, "bytes"),
        "resource": (2, "int32"),
        "balance": (3, "int64"),
        "receiver_address": (4, "bytes"),
    },
}


def _classes() -> dict[str, Any]:
    """The class of each message. The pool is our own: another library may have messages of the same names."""
    file = descriptor_pb2.FileDescriptorProto(name="tron.proto", package="protocol", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            kind = kind.removeprefix("repeated ")
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_OPTIONAL if fields[field_name][1] == kind else _Field.LABEL_REPEATED
            if kind in _TYPES:
                field.type = _TYPES[kind]
            else:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".protocol.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"protocol.{name}")) for name in _MESSAGES}


CLASSES: dict[str, Any] = _classes()
"""The class of each message, by its name."""
