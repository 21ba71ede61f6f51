"""Which transactions a node takes before it looks at what they do: time, reference, size, signatures."""

from typing import Any

from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from app.sandbox.tron_double.accounts import Account
from app.sandbox.tron_double.addresses import PREFIX, to_text
from app.sandbox.tron_double.state import State, Transaction

Json = dict[str, Any]

MAX_SIZE, MAX_EXPIRATION_MS = 500 * 1024, 86_400_000
REFERENCES = 65_536
"""The reference names a block by the last two bytes of its height, so that older blocks can't be meant."""


class Refused(Exception):
    """A transaction that the node does not take. `code` is one of the answers of a broadcast."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def check_time_and_place(state: State, tx: Transaction, slot_ms: int) -> None:
    """The checks of a broadcast before signature and contract: next slot, reference, size, expiry, duplicate."""
    head, expiration = state.head, int(tx.content.get("expiration", 0))
    if expiration < head.time_ms + slot_ms:
        raise Refused("TRANSACTION_EXPIRATION_ERROR", "Transaction expiration time is less than next slot time")
    check_reference(state, tx)
    if len(tx.encoded) > MAX_SIZE:
        raise Refused("TOO_BIG_TRANSACTION_ERROR", "Transaction size is too big.")
    check_expiration(state, tx)
    if tx.txid in state.transactions or tx.txid in state.pool:
        raise Refused("DUP_TRANSACTION_ERROR", "Dup transaction.")


def check_reference(state: State, tx: Transaction) -> None:
    """The block that it names must be on this chain, and one of the last 65,536."""
    suffix, wanted = int(tx.content.get("ref_block_bytes", "0"), 16), tx.content.get("ref_block_hash", "")
    head = state.head.number
    number = head - (head - suffix) % REFERENCES
    if number < 0 or state.blocks[number].id[16:32] != wanted:
        raise Refused("TAPOS_ERROR", "Tapos check error.")


def check_expiration(state: State, tx: Transaction) -> None:
    """Against the time of the newest block: the next one may be later than the expiration."""
    expiration, now = int(tx.content.get("expiration", 0)), state.head.time_ms
    if expiration <= now or expiration > now + MAX_EXPIRATION_MS:
        raise Refused("TRANSACTION_EXPIRATION_ERROR", "Transaction expired")


def check_signatures(state: State, tx: Transaction) -> None:
    """The keys that have signed must have the weight that the account's permission asks for."""
    owner = tx.value["owner_address"]
    permission = _permission(state.account(owner), owner, tx.permission_id)
    if permission is None:
        raise Refused("SIGERROR", "Validate signature error: permission isn't exit")
    weights = {key["address"]: int(key["weight"]) for key in permission["keys"]}
    signers = {_signer(tx, signature) for signature in tx.signatures}
    for signer in signers:
        if signer not in weights:
            raise Refused(
                "SIGERROR", f"Validate signature error: {to_text(signer)} is not contained of permission of {owner}"
            )
    if not signers or sum(weights[signer] for signer in signers) < int(permission["threshold"]):
        raise Refused("SIGERROR", "Validate signature error: sig weight is not enough")


def _permission(account: Account | None, owner: str, permission_id: int) -> Json | None:
    if account is None or account.permissions is None:
        return default_permission(owner) if permission_id == 0 else None
    if permission_id == 0:
        return dict(account.permissions["owner"])
    actives = {int(active.get("id", 2)): active for active in account.permissions.get("actives", [])}
    return actives.get(permission_id)


def default_permission(owner: str) -> Json:
    """The owner's permission of an account that has never changed it."""
    return {"permission_name": "owner", "threshold": 1, "keys": [{"address": owner, "weight": 1}]}


def _signer(tx: Transaction, signature: bytes) -> str:
    if len(signature) < 65:
        raise Refused("SIGERROR", "Validate signature error: Signature size is " + str(len(signature)))
    v = signature[64] - 27 if signature[64] >= 27 else signature[64]
    try:
        key = Signature(signature[:64] + bytes([v])).recover_public_key_from_msg_hash(bytes.fromhex(tx.txid))
    except (BadSignature, ValidationError) as error:
        raise Refused("SIGERROR", f"Validate signature error: {error}") from None
    return PREFIX + key.to_canonical_address().hex()
