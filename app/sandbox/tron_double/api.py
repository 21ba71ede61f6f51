"""The endpoints of `/wallet/` and `/walletsolidity/`, each a function of the request's JSON.

Shapes are java-tron's: HTTP 200 whatever happened, `{}` for what it does not know, values of zero left out.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from app.sandbox.tron_double import messages, resources
from app.sandbox.tron_double.accounts import Account, Resource
from app.sandbox.tron_double.addresses import NOBODY, from_text, to_text
from app.sandbox.tron_double.chain import Chain
from app.sandbox.tron_double.evm import Execution
from app.sandbox.tron_double.node import Node
from app.sandbox.tron_double.parameters import TOTAL_STAKED_TRX
from app.sandbox.tron_double.rules import Refused, default_permission
from app.sandbox.tron_double.state import Block, State, Transaction

Json = dict[str, Any]

SIMULATION_ENERGY = 100_000_000
BUILDER_EXPIRATION_MS = 60_000
BLOCKS_AT_ONCE = 100
WINDOW = 28_800
"""Slots of a day: how long usage takes to come back, as accounts show it."""

_RESOURCES: tuple[Resource, Resource] = ("BANDWIDTH", "ENERGY")
_BOOLEANS = {"true": True, "false": False}


class Request:
    """A request: which node is asked, for its solid state or not, with which JSON."""

    def __init__(self, chain: Chain, node: Node, body: Json, *, solid: bool) -> None:
        self.chain = chain
        self.node = node
        self.body = body
        self.solid = solid

    @property
    def state(self) -> State:
        """The chain's state."""
        return self.chain.state

    @property
    def is_visible(self) -> bool:
        """Whether addresses are shown as base58check."""
        return _boolean(self.body.get("visible", False))

    @property
    def head(self) -> Block:
        """The newest block of the node."""
        return self.state.blocks[self.node.head(self.state, solid=self.solid)]

    def address(self, name: str, default: str | None = None) -> str:
        """An address of the request, in hex. Raises ValueError."""
        given = self.body.get(name, default)
        if not isinstance(given, str):
            raise ValueError("INVALID address")
        return from_text(given)

    def number(self, name: str) -> int:
        """A number of the request, 0 where it has none. Raises ValueError."""
        return int(self.body.get(name, 0))

    def account(self, address: str) -> Account | None:
        """An account as the node knows it."""
        return self.node.account(self.state, address, solid=self.solid)


def get_now_block(request: Request) -> Json:
    return request.node.block_json(request.state, request.head)


def get_block(request: Request) -> Json:
    detail, wanted = _boolean(request.body.get("detail", False)), request.body.get("id_or_num")
    if wanted is None:
        return request.node.block_json(request.state, request.head, detail=detail)
    text = str(wanted)
    number = int(text) if text.isdecimal() else int(text[:16], 16)
    block = request.node.block(request.state, number, solid=request.solid)
    if block is None or not (text.isdecimal() or block.id == text):
        return {}
    return request.node.block_json(request.state, block, detail=detail)


def get_block_by_num(request: Request) -> Json:
    block = request.node.block(request.state, request.number("num"), solid=request.solid)
    return {} if block is None else request.node.block_json(request.state, block)


def get_block_by_id(request: Request) -> Json:
    wanted = str(request.body.get("value", ""))
    block = request.node.block(request.state, int(wanted[:16] or "0", 16), solid=request.solid)
    return {} if block is None or block.id != wanted else request.node.block_json(request.state, block)


def get_block_by_limit_next(request: Request) -> Json:
    first, after = request.number("startNum"), request.number("endNum")
    if first < 0 or first >= after or after - first > BLOCKS_AT_ONCE:
        return {}
    blocks = [request.node.block(request.state, number, solid=request.solid) for number in range(first, after)]
    return {"block": [request.node.block_json(request.state, block) for block in blocks if block is not None]}


def get_block_by_latest_num(request: Request) -> Json:
    count = request.number("num")
    if not 0 < count < BLOCKS_AT_ONCE:
        return {}
    newest = request.head.number
    blocks = [request.node.block(request.state, number, solid=request.solid) for number in range(newest, -1, -1)]
    return {"block": [request.node.block_json(request.state, block) for block in blocks[:count] if block is not None]}


def get_transaction_count(request: Request) -> Json:
    block = request.node.block(request.state, request.number("num"), solid=request.solid)
    return {"count": -1 if block is None else len(block.txids)}


def get_transaction_by_id(request: Request) -> Json:
    return request.node.transaction(request.state, _txid(request), solid=request.solid) or {}


def get_transaction_info_by_id(request: Request) -> Json:
    return request.node.info(request.state, _txid(request), solid=request.solid) or {}


def get_transaction_info_by_block_num(request: Request) -> Json | list[Json]:
    number = request.number("num")
    return {} if number <= 0 else request.node.infos(request.state, number, solid=request.solid)


def get_account(request: Request) -> Json:
    address = request.address("address")
    account = request.account(address)
    return {} if account is None else _account_json(request, address, account)


def get_account_resource(request: Request) -> Json:
    account = request.account(request.address("address"))
    if account is None:
        return {}
    state, now_ms = request.state, request.head.time_ms
    shown = {
        "freeNetUsed": account.free_bandwidth.now(now_ms),
        "freeNetLimit": state.parameters["getFreeNetLimit"],
        "NetUsed": account.bandwidth.now(now_ms),
        "NetLimit": resources.limit(state, account, "BANDWIDTH"),
        "TotalNetLimit": state.parameters["getTotalNetLimit"],
        "TotalNetWeight": TOTAL_STAKED_TRX["BANDWIDTH"],
        "EnergyUsed": account.energy.now(now_ms),
        "EnergyLimit": resources.limit(state, account, "ENERGY"),
        "TotalEnergyLimit": state.parameters["getTotalEnergyLimit"],
        "TotalEnergyWeight": TOTAL_STAKED_TRX["ENERGY"],
    }
    return _without_zeros(shown)


def get_delegated_resource(request: Request) -> Json:
    owner, receiver = request.address("fromAddress"), request.address("toAddress")
    account = request.account(owner)
    shown: Json = {"from": owner, "to": receiver}
    for resource in _RESOURCES:
        loan = None if account is None else account.loans.get(resource, {}).get(receiver)
        if loan is not None:
            shown[f"frozen_balance_for_{resource.lower()}"] = loan.sun
            shown |= _without_zeros({f"expire_time_for_{resource.lower()}": loan.until_ms})
    return {"delegatedResource": [shown]} if len(shown) > 2 else {}


def get_delegated_resource_index(request: Request) -> Json:
    address = request.address("value")
    account = request.account(address)
    receivers = {to for loans in (account.loans.values() if account else ()) for to in loans}
    lenders = [
        other
        for other, lender in request.state.accounts.items()
        if any(address in loans for loans in lender.loans.values())
    ]
    return _without_zeros({"account": address, "fromAccounts": lenders, "toAccounts": sorted(receivers)})


def get_can_delegate_max_size(request: Request) -> Json:
    account = request.account(request.address("owner_address"))
    if account is None:
        return {}
    resource = _RESOURCES[request.number("type")]
    return _without_zeros({"max_size": resources.lendable_sun(request.state, account, resource, request.head.time_ms)})


def get_chain_parameters(request: Request) -> Json:
    parameters = request.state.parameters.items()
    return {"chainParameter": [{"key": key, "value": value} if value else {"key": key} for key, value in parameters]}


def get_energy_prices(request: Request) -> Json:
    return {"prices": f"0:{request.state.parameters['getEnergyFee']}"}


def get_bandwidth_prices(request: Request) -> Json:
    return {"prices": f"0:{request.state.parameters['getTransactionFee']}"}


def get_node_info(request: Request) -> Json:
    state, node = request.state, request.node
    head, solid = (state.blocks[node.head(state, solid=kind)] for kind in (False, True))
    return {
        "beginSyncNum": 0,
        "block": f"Num:{head.number},ID:{head.id}",
        "solidityBlock": f"Num:{solid.number},ID:{solid.id}",
        "currentConnectCount": 30,
        "activeConnectCount": 15,
        "passiveConnectCount": 15,
        "configNodeInfo": {"codeVersion": "4.8.1", "supportConstant": not node.faults.without_constant},
    }


def get_pending_size(request: Request) -> Json:
    return {"pendingSize": len(request.state.pool)}


def get_pending_list(request: Request) -> Json:
    return {"txId": list(request.state.pool)}


def get_pending_transaction(request: Request) -> Json:
    tx = request.state.pool.get(_txid(request))
    if tx is None:
        return {}
    signatures = [signature.hex() for signature in tx.signatures]
    return {"signature": signatures, "txID": tx.txid, "raw_data": tx.content, "raw_data_hex": tx.raw.hex()}


def get_contract(request: Request) -> Json:
    address = request.address("value")
    contract = request.state.contracts.get(address)
    if contract is None:
        return {}
    entries = [_abi_entry(entry) for entry in contract["abi"]]
    return {
        "contract_address": address,
        "origin_address": contract["origin_address"],
        "name": contract["name"],
        "abi": {"entrys": entries} if entries else {},
        "consume_user_resource_percent": 100,
        "origin_energy_limit": 10_000_000,
    }


def get_contract_info(request: Request) -> Json:
    address = request.address("value")
    if not (contract := get_contract(request)):
        return {}
    state = _without_zeros({"energy_factor": request.state.penalties.get(address, 0)})
    return {"smart_contract": contract, "contract_state": state}


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
    return shown | _without_zeros({"energy_penalty": energy - done.energy})


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
    body = _in_hex(request.body)
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
        "value": value | _without_zeros({"call_value": request.number("call_value")}),
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
    } | _without_zeros({"fee_limit": fee_limit})
    tx = Transaction(messages.encode("Raw", raw_data), ())
    return {"visible": request.is_visible, "txID": tx.txid, "raw_data": raw_data, "raw_data_hex": tx.raw.hex()}


def _account_json(request: Request, address: str, account: Account) -> Json:
    now_ms = request.head.time_ms
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
    shown["account_resource"] = _without_zeros(
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
        _without_zeros({"type": "" if name == "BANDWIDTH" else name, "amount": account.staked.get(name, 0)})
        for name in _RESOURCES
    ] + [{"type": "TRON_POWER"}]
    shown["unfrozenV2"] = [
        _without_zeros(
            {
                "type": "" if entry.resource == "BANDWIDTH" else entry.resource,
                "unfreeze_amount": entry.sun,
                "unfreeze_expire_time": entry.at_ms,
            }
        )
        for entry in account.unstaking
    ]
    shown["assetV2"] = [{"key": token, "value": held} for token, held in account.tokens.items() if held]
    return _without_zeros(shown)


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


def _abi_entry(entry: Json) -> Json:
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


def _refused_call(message: str) -> Json:
    return {"result": {"code": "CONTRACT_VALIDATE_ERROR", "message": message.encode().hex()}}


def _txid(request: Request) -> str:
    return str(request.body.get("value", "")).lower()


def _boolean(given: Any) -> bool:
    return bool(_BOOLEANS.get(given, given) if isinstance(given, str) else given)


def _without_zeros(shown: Json) -> Json:
    return {name: entry for name, entry in shown.items() if entry not in (0, "", [], {}, None)}


_ADDRESSES = frozenset(
    (
        *("address", "owner_address", "to_address", "contract_address", "receiver_address", "account_address"),
        *("witness_address", "caller_address", "transferTo_address", "origin_address", "account", "from", "to"),
    )
)
"""The fields whose texts are addresses."""

_TEXTS = frozenset(("message", "resMessage"))


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


def _in_hex(given: Any, name: str = "") -> Any:
    """A transaction of a request with its addresses in hex."""
    if isinstance(given, dict):
        return {key: _in_hex(entry, key) for key, entry in given.items()}
    if isinstance(given, list):
        return [_in_hex(entry, name) for entry in given]
    return from_text(given) if isinstance(given, str) and name in _ADDRESSES else given


Endpoint = Callable[[Request], Any | Awaitable[Any]]
SHARED: dict[str, Endpoint] = {
    "getnowblock": get_now_block,
    "getblock": get_block,
    "getblockbynum": get_block_by_num,
    "getblockbyid": get_block_by_id,
    "getblockbylimitnext": get_block_by_limit_next,
    "getblockbylatestnum": get_block_by_latest_num,
    "gettransactioncountbyblocknum": get_transaction_count,
    "gettransactionbyid": get_transaction_by_id,
    "gettransactioninfobyid": get_transaction_info_by_id,
    "gettransactioninfobyblocknum": get_transaction_info_by_block_num,
    "getaccount": get_account,
    "getdelegatedresourcev2": get_delegated_resource,
    "getdelegatedresourceaccountindexv2": get_delegated_resource_index,
    "getcandelegatedmaxsize": get_can_delegate_max_size,
    "getenergyprices": get_energy_prices,
    "getbandwidthprices": get_bandwidth_prices,
    "getnodeinfo": get_node_info,
    "triggerconstantcontract": trigger_constant_contract,
    "estimateenergy": estimate_energy,
}
"""Endpoints of both APIs."""

WALLET_ALONE: dict[str, Endpoint] = {
    "getaccountresource": get_account_resource,
    "getchainparameters": get_chain_parameters,
    "getpendingsize": get_pending_size,
    "gettransactionlistfrompending": get_pending_list,
    "gettransactionfrompending": get_pending_transaction,
    "getcontract": get_contract,
    "getcontractinfo": get_contract_info,
    "triggersmartcontract": trigger_smart_contract,
    "createtransaction": create_transaction,
    "broadcasttransaction": broadcast_transaction,
    "broadcasthex": broadcast_hex,
}
ENDPOINTS: dict[str, dict[str, Endpoint]] = {"wallet": SHARED | WALLET_ALONE, "walletsolidity": SHARED}
