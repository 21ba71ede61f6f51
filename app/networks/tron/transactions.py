"""The bytes of Tron's transactions: made, signed, and read strictly. Pure.

A transaction's id is the hash of its bytes without the signature. So two transactions that say the same are one: what
keeps two equal payments apart is their `timestamp_ms`, which nodes don't check.
"""

import hashlib
from typing import Any

import msgspec

from app.networks.port import NotATransfer
from app.networks.sending import Signed, StakeMove
from app.networks.tron.addresses import LENGTH, PREFIX, from_hex, normalise_address, to_hex

TRANSFER_SELECTOR = bytes.fromhex("a9059cbb")  # keccak256("transfer(address,uint256)"), its first four bytes
ENERGY = 1  # java-tron's ResourceCode
SIGNATURE_BYTES = 65
RESULT_BYTES = 64
"""What a block counts for a transaction's result, beside its bytes (java-tron, MAX_RESULT_SIZE_IN_TX)."""

MAX_INT64 = 2**63 - 1
HALF_ORDER = (
    0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # of secp256k1: a signature's s is below
)

_PREFIX = bytes.fromhex(PREFIX)

_NUMBERS = {
    "TransferContract": 1,
    "TriggerSmartContract": 31,
    "FreezeBalanceV2Contract": 54,
    "UnfreezeBalanceV2Contract": 55,
    "WithdrawExpireUnfreezeContract": 56,
    "DelegateResourceContract": 57,
    "UnDelegateResourceContract": 58,
}
"""java-tron's ContractType of each message that we make."""


class CoinTransfer(msgspec.Struct, frozen=True):
    """TRX, in sun, to an account."""

    to_address: str
    amount_raw: int


class TokenTransfer(msgspec.Struct, frozen=True):
    """A call of a token's `transfer`."""

    contract: str
    to_address: str
    amount_raw: int


Action = CoinTransfer | TokenTransfer | StakeMove
"""What a transaction does."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """All that a transaction says. Its signature follows from it and the key of `owner`.

    `ref_block_bytes` and `ref_block_hash` name a recent block: the transaction is in no chain without it. No block may
    begin to hold it at or after `expiration_ms`, in the time of the chain. `fee_limit_raw` bounds the energy of a
    contract's call, in sun; it is 0 where no contract is called.
    """

    owner: str
    action: Action
    ref_block_bytes: bytes
    ref_block_hash: bytes
    expiration_ms: int
    timestamp_ms: int
    fee_limit_raw: int = 0


def block_reference(block_hash: str) -> tuple[bytes, bytes]:
    """`ref_block_bytes` and `ref_block_hash` of a block, given its id in hex, which begins with its height."""
    raw = bytes.fromhex(block_hash)
    return raw[6:8], raw[8:16]


def encode(body: Body) -> bytes:
    """The bytes of a transaction without its signature. Raises ValueError for what no transaction of ours says."""
    _check(body)
    name, fields = contract_of(body)
    value = _classes()[name](**fields).SerializeToString()
    raw_data = _classes()["Raw"](
        ref_block_bytes=body.ref_block_bytes,
        ref_block_hash=body.ref_block_hash,
        expiration=body.expiration_ms,
        timestamp=body.timestamp_ms,
        fee_limit=body.fee_limit_raw,
    )
    raw_data.contract.add(type=_NUMBERS[name], parameter={"type_url": type_url(name), "value": value})
    return bytes(raw_data.SerializeToString())


def txid(raw_data: bytes) -> str:
    """The id of a transaction, given its bytes without the signature."""
    return hashlib.sha256(raw_data).hexdigest()


def sign(body: Body, key: bytes) -> Signed:
    """The signed transaction, the same for the same input (RFC 6979). Raises ValueError as `encode`."""
    from eth_account import Account  # noqa: PLC0415 - most of a second, and only the signer signs

    raw_data = encode(body)
    signature = bytes(Account.unsafe_sign_hash(hashlib.sha256(raw_data).digest(), key).signature)
    return Signed(txid(raw_data), joined(raw_data, signature))


def size(body: Body) -> int:
    """The bytes of bandwidth that a transaction uses, its signature included."""
    return len(joined(encode(body), bytes(SIGNATURE_BYTES))) + RESULT_BYTES


def decode(raw: bytes) -> Body:
    """What a signed transaction says, its signature checked. Raises NotATransfer where making it anew from that could
    not give these bytes: so nothing is in them that was not read."""
    try:
        body, signature = _read(raw)
        raw_data = encode(body)
        same = joined(raw_data, signature) == raw
        signer = _signer(raw_data, signature)
    except NotATransfer:
        raise
    except Exception as error:
        raise NotATransfer(f"not the bytes of a transaction of ours: {error}") from None
    if not same:
        raise NotATransfer("bytes with more in them than a transaction of ours")
    if signer != body.owner:
        raise NotATransfer("the owner has not signed it")
    return body


def joined(raw_data: bytes, signature: bytes) -> bytes:
    """A signed transaction's bytes, given those without the signature. Raises whatever the decoders raise."""
    transaction = _classes()["Transaction"](signature=[signature])
    transaction.raw_data.ParseFromString(raw_data)
    return bytes(transaction.SerializeToString())


def _check(body: Body) -> None:
    """Raise ValueError where a transaction is none that we make, whatever its bytes."""
    if (len(body.ref_block_bytes), len(body.ref_block_hash)) != (2, 8):
        raise ValueError("its reference is no block")
    if not (0 < body.expiration_ms <= MAX_INT64 and 0 < body.timestamp_ms <= MAX_INT64):
        raise ValueError("its times are not positive")
    action = body.action
    if isinstance(action, TokenTransfer):
        if not 0 < body.fee_limit_raw <= MAX_INT64:
            raise ValueError("a contract's call needs a fee limit: without one it fails for want of energy")
        if not 0 < action.amount_raw < 2**256:
            raise ValueError("it moves nothing, or more than there can be")
        return
    if body.fee_limit_raw:
        raise ValueError("it calls no contract, and has a fee limit")
    is_withdrawal = isinstance(action, StakeMove) and action.action == "withdraw"
    least_raw, most_raw = (0, 0) if is_withdrawal else (1, MAX_INT64)  # the chain knows what is free again
    if not least_raw <= action.amount_raw <= most_raw:
        raise ValueError("it moves nothing, or more than there can be")


def contract_of(body: Body) -> tuple[str, dict[str, Any]]:
    """The name and the fields of the message that does what a transaction does."""
    action, fields = body.action, {"owner_address": _bytes(body.owner)}
    if isinstance(action, CoinTransfer):
        return "TransferContract", {
            **fields,
            "to_address": _bytes(action.to_address),
            "amount": action.amount_raw,
        }
    if isinstance(action, TokenTransfer):
        recipient = _bytes(action.to_address)[1:].rjust(32, b"\0")
        return "TriggerSmartContract", {
            **fields,
            "contract_address": _bytes(action.contract),
            "data": TRANSFER_SELECTOR + recipient + action.amount_raw.to_bytes(32),
        }
    if action.action == "withdraw":
        return "WithdrawExpireUnfreezeContract", fields
    amount, resource = action.amount_raw, {"resource": ENERGY}
    if action.action == "stake":
        return "FreezeBalanceV2Contract", {**fields, **resource, "frozen_balance": amount}
    if action.action == "unstake":
        return "UnfreezeBalanceV2Contract", {**fields, **resource, "unfreeze_balance": amount}
    name = "DelegateResourceContract" if action.action == "lend" else "UnDelegateResourceContract"
    receiver = _bytes(action.to_address or "")
    return name, {**fields, **resource, "balance": amount, "receiver_address": receiver}


def _read(raw: bytes) -> tuple[Body, bytes]:
    """What signed bytes say, and the signature. Raises whatever the decoders raise; `decode` finds what is passed over
    here by making the bytes anew."""
    transaction = _classes()["Transaction"].FromString(raw)
    (signature,) = transaction.signature
    raw_data = transaction.raw_data
    (contract,) = raw_data.contract
    name = next(name for name, number in _NUMBERS.items() if number == contract.type)
    message = _classes()[name].FromString(contract.parameter.value)
    return Body(
        owner=_address(message.owner_address),
        action=_action(name, message),
        ref_block_bytes=raw_data.ref_block_bytes,
        ref_block_hash=raw_data.ref_block_hash,
        expiration_ms=raw_data.expiration,
        timestamp_ms=raw_data.timestamp,
        fee_limit_raw=raw_data.fee_limit,
    ), signature


def _action(name: str, message: Any) -> Action:
    match name:
        case "TransferContract":
            return CoinTransfer(_address(message.to_address), message.amount)
        case "TriggerSmartContract":
            data = message.data
            recipient = _address(_PREFIX + data[16:36])
            return TokenTransfer(_address(message.contract_address), recipient, int.from_bytes(data[36:]))
        case "WithdrawExpireUnfreezeContract":
            return StakeMove("withdraw", 0)
        case "FreezeBalanceV2Contract":
            return StakeMove("stake", message.frozen_balance)
        case "UnfreezeBalanceV2Contract":
            return StakeMove("unstake", message.unfreeze_balance)
        case _:
            receiver = _address(message.receiver_address)
            return StakeMove("lend" if name == "DelegateResourceContract" else "reclaim", message.balance, receiver)


def _signer(raw_data: bytes, signature: bytes) -> str:
    """The account whose key has signed. Raises ValueError, and what eth-keys raises, for a signature not as we make
    ours: 65 bytes, the last one 27 or 28, and the lower of the two values of s."""
    from eth_keys.datatypes import Signature  # noqa: PLC0415 - only the signer reads signatures

    r, s, v = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]), signature[64]
    if len(signature) != SIGNATURE_BYTES or v not in (27, 28) or s > HALF_ORDER:
        raise ValueError("its signature is not made as ours")
    key = Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(hashlib.sha256(raw_data).digest())
    return _address(_PREFIX + key.to_canonical_address())


def _bytes(address: str) -> bytes:
    """The 21 bytes of an address. Raises ValueError where it is none of Tron."""
    return bytes.fromhex(to_hex(normalise_address(address)))


def _address(raw: bytes) -> str:
    if len(raw) != LENGTH or raw[:1] != _PREFIX:
        raise ValueError("an address that is none of Tron")
    return from_hex(raw.hex())


def type_url(name: str) -> str:
    return f"type.googleapis.com/protocol.{name}"


def _classes() -> dict[str, Any]:
    from app.networks.tron.messages import CLASSES  # noqa: PLC0415 - a tenth of a second, and only the signer sends

    return CLASSES
