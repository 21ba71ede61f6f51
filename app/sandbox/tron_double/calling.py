"""The endpoints that simulate calls, build transactions, and take them."""

import json
from typing import Any

from app.sandbox.tron_double import messages, resources
from app.sandbox.tron_double.addresses import NOBODY
from app.sandbox.tron_double.evm import Execution
from app.sandbox.tron_double.request import Request
from app.sandbox.tron_double.rules import Refused
from app.sandbox.tron_double.shapes import in_hex, without_zeros
from app.sandbox.tron_double.state import Transaction

Json = dict[str, Any]

SIMULATION_ENERGY = 100_000_000
BUILDER_EXPIRATION_MS = 60_000


async def trigger_constant_contract(request: Request) -> Json:
    if request.node.faults.without_constant:
        return _refused_call("this node does not support constant")
    if (simulated := await _simulate(request)) is None:
        return _refused_call("Smart contract is not exist.")
    done, energy = simulated
    shown: Json = {"result": {"result": True}}
    ret: Json = {}
    if done.result != "SUCCESS":
        told = "REVERT opcode executed" if done.result == "REVERT" else f"Not enough energy: {done.result}"
        shown["result"]["message"] = told.encode().hex()
        ret = {"ret": "FAILED"}
    transaction = _skeleton(request, _call_contract(request))
    shown |= {
        "energy_used": energy,
        "constant_result": [done.output],
        "transaction": {"ret": [ret], **transaction},
    }
    return shown | without_zeros({"energy_penalty": energy - done.energy})


async def estimate_energy(request: Request) -> Json:
    if not request.node.faults.with_estimate:
        return _refused_call("this node does not support estimate energy")
    if (simulated := await _simulate(request)) is None:
        return _refused_call("Smart contract is not exist.")
    done, energy = simulated
    if done.result != "SUCCESS":
        return {"result": {"code": "CONTRACT_EXE_ERROR", "message": b"REVERT opcode executed".hex()}}
    per_trx = 1_000_000 // request.state.parameters["getEnergyFee"]
    return {"result": {"result": True}, "energy_required": -(-energy // per_trx) * per_trx}


def trigger_smart_contract(request: Request) -> Json:
    if request.address("contract_address") not in request.state.contracts:
        return _refused_call("Smart contract is not exist.")
    transaction = _skeleton(request, _call_contract(request), fee_limit=request.number("fee_limit"))
    return {"result": {"result": True}, "transaction": transaction}


def create_transaction(request: Request) -> Json:
    value = {
        "owner_address": request.address("owner_address"),
        "to_address": request.address("to_address"),
        "amount": request.number("amount"),
    }
    return _skeleton(request, {"type": "TransferContract", "value": value})


def broadcast_transaction(request: Request) -> Json:
    body = in_hex(request.body)
    raw = messages.encode("Raw", body["raw_data"])
    tx = Transaction(raw, tuple(bytes.fromhex(signature) for signature in body.get("signature", [])))
    code, message = _broadcast(request, tx)
    if code == "SUCCESS":
        return {"result": True, "txid": tx.txid}
    return {"code": code, "message": message.encode().hex(), "txid": tx.txid}


def broadcast_hex(request: Request) -> Json:
    content = messages.decode("Transaction", bytes.fromhex(request.body["transaction"]))
    tx = Transaction(
        bytes.fromhex(content.get("raw_data", "")),
        tuple(bytes.fromhex(signature) for signature in content.get("signature", [])),
    )
    code, message = _broadcast(request, tx)
    shown: Json = {"result": True} if code == "SUCCESS" else {"result": False}
    told = {"raw_data": tx.content, "signature": content.get("signature", [])}
    return shown | {"code": code, "message": message, "transaction": json.dumps(told), "txid": tx.txid}


def _broadcast(request: Request, tx: Transaction) -> tuple[str, str]:
    """Send a transaction to the node: its answer's code and message."""
    node = request.node
    refusal = node.take_refusal()
    if refusal is not None and not refusal.keep:
        node.known_ids.add(tx.txid)
        return refusal.code, refusal.message or refusal.code
    if node.faults.id_cache and tx.txid in node.known_ids:
        return "DUP_TRANSACTION_ERROR", "Transaction already exists."
    node.known_ids.add(tx.txid)
    try:
        request.chain.accept(tx)
    except Refused as error:
        return error.code, str(error)
    if node.faults.lose > 0:
        node.faults.lose -= 1
        request.chain.forget(tx.txid)
    if refusal is not None:
        return refusal.code, refusal.message or refusal.code
    return "SUCCESS", ""


async def _simulate(request: Request) -> tuple[Execution, int] | None:
    """A call as it would go now, and its energy with the contract's penalty; None where there is no contract."""
    state, contract = request.state, request.address("contract_address")
    if contract not in state.contracts or state.contracts[contract]["number"] > request.head.number:
        return None
    value = _call_contract(request)["value"]
    height = request.head.evm_height
    owner, coins = value["owner_address"], int(value.get("call_value", 0))
    done = await request.chain.evm.simulate(owner, contract, coins, value.get("data", ""), SIMULATION_ENERGY, height)
    return done, resources.with_penalty(state, contract, done.energy)


def _call_contract(request: Request) -> Json:
    data = str(request.body.get("data", ""))
    if selector := request.body.get("function_selector"):
        data = messages.selector(str(selector)) + str(request.body.get("parameter", ""))
    value = {
        "owner_address": request.address("owner_address", NOBODY),
        "contract_address": request.address("contract_address"),
        "data": data,
    }
    return {
        "type": "TriggerSmartContract",
        "value": value | without_zeros({"call_value": request.number("call_value")}),
    }


def _skeleton(request: Request, contract: Json, *, fee_limit: int = 0) -> Json:
    """An unsigned transaction, as the node's own builders make it."""
    head, solid = request.head, request.state.blocks[request.state.solid]
    raw_data = {
        "contract": [
            {
                "parameter": {"value": contract["value"], "type_url": messages.TYPE_URL + contract["type"]},
                "type": contract["type"],
            }
        ],
        "ref_block_bytes": solid.id[12:16],
        "ref_block_hash": solid.id[16:32],
        "expiration": head.time_ms + BUILDER_EXPIRATION_MS,
        "timestamp": head.time_ms,
    } | without_zeros({"fee_limit": fee_limit})
    tx = Transaction(messages.encode("Raw", raw_data), ())
    return {"visible": request.is_visible, "txID": tx.txid, "raw_data": raw_data, "raw_data_hex": tx.raw.hex()}


def _refused_call(message: str) -> Json:
    return {"result": {"code": "CONTRACT_VALIDATE_ERROR", "message": message.encode().hex()}}
