"""A contract call in a block: made in anvil, paid in energy, and told as java-tron tells it in a receipt."""

import hashlib
from typing import Any

from msgspec.structs import replace

from app.sandbox.tron_double import resources
from app.sandbox.tron_double.accounts import Account
from app.sandbox.tron_double.actuators import Bill, Draft
from app.sandbox.tron_double.evm import Evm, Execution
from app.sandbox.tron_double.state import Transaction

Json = dict[str, Any]

MESSAGES = {
    "REVERT": "REVERT opcode executed",
    "OUT_OF_ENERGY": (
        "Not enough energy for 'SSTORE' operation executing: curInvokeEnergyLimit[{limit}], curOpEnergy[20000], "
        "usedEnergy[{limit}]"
    ),
}


async def make(draft: Draft, evm: Evm, tx: Transaction, bill: Bill) -> Json:
    """Make the call of a transaction whose checks have passed, and charge for it. Returns its part of the receipt."""
    state, value, now_ms = draft.state, tx.value, draft.now_ms
    owner, contract = str(value["owner_address"]), str(value["contract_address"])
    call_value, data = int(value.get("call_value", 0)), str(value.get("data", ""))
    await _tell_balances(draft, evm)
    fee_limit = int(tx.content.get("fee_limit", 0))
    limit = resources.energy_limit(state, draft.get(owner), fee_limit, call_value, now_ms)
    base_limit = resources.without_penalty(state, contract, limit)
    done = await evm.execute(owner, contract, call_value, data, base_limit)
    await _read_balances(draft, evm, done, owner, contract)
    energy = resources.with_penalty(state, contract, done.energy)
    if done.result not in ("SUCCESS", "REVERT"):
        energy = limit
    paid, staked, burned = resources.pay_for_energy(state, draft.get(owner), energy, now_ms)
    draft.put(owner, paid)
    bill.fee += burned
    return _receipt(tx, bill, done, limit, energy, energy - min(done.energy, energy), staked, burned)


def _receipt(
    tx: Transaction, bill: Bill, done: Execution, limit: int, energy: int, penalty: int, staked: int, burned: int
) -> Json:
    told: Json = {
        "contractResult": [done.output if done.result in ("SUCCESS", "REVERT") else ""],
        "contract_address": tx.value["contract_address"],
        "receipt": {
            "energy_usage": staked,
            "energy_fee": burned,
            "energy_usage_total": energy,
            "result": done.result,
            "energy_penalty_total": penalty if done.result in ("SUCCESS", "REVERT") else 0,
        },
        "log": logs(done),
        "internal_transactions": internal_transactions(tx.txid, done),
    }
    if done.result != "SUCCESS":
        message = MESSAGES.get(done.result, done.result).format(limit=limit)
        told |= {"result": "FAILED", "resMessage": message.encode().hex()}
    return told


def logs(done: Execution) -> list[Json]:
    """Logs as a receipt has them: addresses of 20 bytes, nothing with 0x."""
    told = []
    for log in done.logs:
        entry: Json = {"address": log["address"][2:]}
        if log["topics"]:
            entry["topics"] = [topic[2:] for topic in log["topics"]]
        if log["data"] != "0x":
            entry["data"] = log["data"][2:]
        told.append(entry)
    return told


def internal_transactions(txid: str, done: Execution) -> list[Json]:
    """Inner calls as a receipt has them."""
    told = []
    for number, call in enumerate(done.inner):
        entry: Json = {
            "hash": hashlib.sha256(f"{txid}{number}".encode()).hexdigest(),
            "caller_address": call.caller,
            "transferTo_address": call.to,
            "callValueInfo": [{"callValue": call.value_sun} if call.value_sun else {}],
            "note": call.note.encode().hex(),
        }
        told.append(entry | {"rejected": True} if call.rejected else entry)
    return told


async def _tell_balances(draft: Draft, evm: Evm) -> None:
    """Let anvil know what accounts hold, where that has changed since the last call."""
    for address in sorted(draft.state.stale | draft.changes.keys()):
        account = draft.find(address)
        await evm.set_balance(address, account.balance_sun if account else 0)
    draft.state.stale.clear()


async def _read_balances(draft: Draft, evm: Evm, done: Execution, owner: str, contract: str) -> None:
    touched = {owner, contract}
    for call in done.inner:
        touched |= {call.caller, call.to} if call.value_sun and not call.rejected else set()
    for address in sorted(touched):
        held, account = await evm.balance_sun(address), draft.find(address)
        if account is not None:
            draft.put(address, replace(account, balance_sun=held))
        elif held:
            draft.put(address, Account(created_ms=draft.now_ms, balance_sun=held))
