"""The endpoints that read: blocks, transactions, receipts, accounts, parameters, the pool.

Shapes are java-tron's: HTTP 200 whatever happened, `{}` for what is not known, values of zero left out.
"""

from typing import Any

from app.sandbox.tron_double import resources
from app.sandbox.tron_double.accounts import RESOURCES
from app.sandbox.tron_double.parameters import TOTAL_STAKED_TRX
from app.sandbox.tron_double.request import Request
from app.sandbox.tron_double.shapes import abi_entry, account_json, without_zeros

Json = dict[str, Any]

BLOCKS_AT_ONCE = 100


def get_now_block(request: Request) -> Json:
    return request.node.block_json(request.state, request.head)


def get_block(request: Request) -> Json:
    detail, wanted = request.flag("detail"), request.body.get("id_or_num")
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
    return {} if account is None else account_json(address, account, request.head.time_ms)


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
    return without_zeros(shown)


def get_delegated_resource(request: Request) -> Json:
    owner, receiver = request.address("fromAddress"), request.address("toAddress")
    account = request.account(owner)
    shown: Json = {"from": owner, "to": receiver}
    for resource in RESOURCES:
        loan = None if account is None else account.loans.get(resource, {}).get(receiver)
        if loan is not None:
            shown[f"frozen_balance_for_{resource.lower()}"] = loan.sun
            shown |= without_zeros({f"expire_time_for_{resource.lower()}": loan.until_ms})
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
    return without_zeros({"account": address, "fromAccounts": lenders, "toAccounts": sorted(receivers)})


def get_can_delegate_max_size(request: Request) -> Json:
    account = request.account(request.address("owner_address"))
    if account is None:
        return {}
    resource = RESOURCES[request.number("type")]
    return without_zeros({"max_size": resources.lendable_sun(request.state, account, resource, request.head.time_ms)})


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
    entries = [abi_entry(entry) for entry in contract["abi"]]
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
    state = without_zeros({"energy_factor": request.state.penalties.get(address, 0)})
    return {"smart_contract": contract, "contract_state": state}


def _txid(request: Request) -> str:
    return str(request.body.get("value", "")).lower()
