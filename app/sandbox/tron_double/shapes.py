"""Larger parts of answers: accounts, interfaces of contracts, and addresses in the form that was asked for."""

from typing import Any

from app.sandbox.tron_double.accounts import RESOURCES, Account
from app.sandbox.tron_double.addresses import from_text, to_text
from app.sandbox.tron_double.rules import default_permission

Json = dict[str, Any]

WINDOW = 28_800
"""Slots of a day: how long usage takes to come back, as accounts show it."""

_ADDRESSES = frozenset(
    (
        *("address", "owner_address", "to_address", "contract_address", "receiver_address", "account_address"),
        *("witness_address", "caller_address", "transferTo_address", "origin_address", "account", "from", "to"),
    )
)
"""The fields whose texts are addresses."""

_TEXTS = frozenset(("message", "resMessage"))


def account_json(address: str, account: Account, now_ms: int) -> Json:
    """An account as `getaccount` shows it."""
    permissions = account.permissions or {"owner": default_permission(address), "actives": [_default_active(address)]}
    shown: Json = {
        "address": address,
        "balance": account.balance_sun,
        "create_time": account.created_ms,
        "allowance": account.allowance_sun,
        "free_net_usage": account.free_bandwidth.now(now_ms),
        "net_usage": account.bandwidth.now(now_ms),
        "net_window_size": WINDOW,
    }
    if account.is_contract:
        shown["type"] = "Contract"
    shown["account_resource"] = without_zeros(
        {
            "energy_usage": account.energy.now(now_ms),
            "energy_window_size": WINDOW,
            "delegated_frozenV2_balance_for_energy": account.lent_sun("ENERGY"),
            "acquired_delegated_frozenV2_balance_for_energy": account.borrowed.get("ENERGY", 0),
        }
    )
    shown |= {
        "delegated_frozenV2_balance_for_bandwidth": account.lent_sun("BANDWIDTH"),
        "acquired_delegated_frozenV2_balance_for_bandwidth": account.borrowed.get("BANDWIDTH", 0),
    }
    if not account.is_contract:
        shown |= {"owner_permission": permissions["owner"], "active_permission": permissions["actives"]}
    shown["frozenV2"] = [
        without_zeros({"type": "" if name == "BANDWIDTH" else name, "amount": account.staked.get(name, 0)})
        for name in RESOURCES
    ] + [{"type": "TRON_POWER"}]
    shown["unfrozenV2"] = [
        without_zeros(
            {
                "type": "" if entry.resource == "BANDWIDTH" else entry.resource,
                "unfreeze_amount": entry.sun,
                "unfreeze_expire_time": entry.at_ms,
            }
        )
        for entry in account.unstaking
    ]
    shown["assetV2"] = [{"key": token, "value": held} for token, held in account.tokens.items() if held]
    return without_zeros(shown)


def _default_active(address: str) -> Json:
    operations = "7fff1fc0033ec30f" + "00" * 24
    return {
        "type": "Active",
        "id": 2,
        "permission_name": "active",
        "threshold": 1,
        "operations": operations,
        "keys": [{"address": address, "weight": 1}],
    }


def abi_entry(entry: Json) -> Json:
    """An entry of a compiler's interface as java-tron keeps it."""
    shown: Json = {"type": entry["type"].capitalize()}
    if "name" in entry:
        shown["name"] = entry["name"]
    for side in ("inputs", "outputs"):
        if entry.get(side):
            names = ("name", "type", "indexed")
            shown[side] = [{name: part[name] for name in names if part.get(name)} for part in entry[side]]
    if "stateMutability" in entry:
        shown["stateMutability"] = entry["stateMutability"].capitalize()
    return shown


def without_zeros(shown: Json) -> Json:
    """JSON as protobuf writes it: what is zero or empty is left out."""
    return {name: entry for name, entry in shown.items() if entry not in (0, "", [], {}, None)}


def in_base58(shown: Any, name: str = "") -> Any:
    """An answer with `visible=true`: addresses as base58check, messages as text."""
    if isinstance(shown, dict):
        return {key: in_base58(entry, key) for key, entry in shown.items()}
    if isinstance(shown, list):
        return [in_base58(entry, name) for entry in shown]
    if isinstance(shown, str) and name in _ADDRESSES | {"fromAccounts", "toAccounts"}:
        return to_text(shown if len(shown) == 42 else "41" + shown)
    if isinstance(shown, str) and name in _TEXTS:
        return bytes.fromhex(shown).decode()
    return shown


def in_hex(given: Any, name: str = "") -> Any:
    """A transaction of a request with its addresses in hex."""
    if isinstance(given, dict):
        return {key: in_hex(entry, key) for key, entry in given.items()}
    if isinstance(given, list):
        return [in_hex(entry, name) for entry in given]
    return from_text(given) if isinstance(given, str) and name in _ADDRESSES else given
