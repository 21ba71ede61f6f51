"""The paths of `/wallet/` and `/walletsolidity/`, each with the function that answers it."""

from collections.abc import Awaitable, Callable
from typing import Any

from app.sandbox.tron_double import calling, reading
from app.sandbox.tron_double.request import Request

Endpoint = Callable[[Request], Any | Awaitable[Any]]
SHARED: dict[str, Endpoint] = {
    "getnowblock": reading.get_now_block,
    "getblock": reading.get_block,
    "getblockbynum": reading.get_block_by_num,
    "getblockbyid": reading.get_block_by_id,
    "getblockbylimitnext": reading.get_block_by_limit_next,
    "getblockbylatestnum": reading.get_block_by_latest_num,
    "gettransactioncountbyblocknum": reading.get_transaction_count,
    "gettransactionbyid": reading.get_transaction_by_id,
    "gettransactioninfobyid": reading.get_transaction_info_by_id,
    "gettransactioninfobyblocknum": reading.get_transaction_info_by_block_num,
    "getaccount": reading.get_account,
    "getdelegatedresourcev2": reading.get_delegated_resource,
    "getdelegatedresourceaccountindexv2": reading.get_delegated_resource_index,
    "getcandelegatedmaxsize": reading.get_can_delegate_max_size,
    "getenergyprices": reading.get_energy_prices,
    "getbandwidthprices": reading.get_bandwidth_prices,
    "getnodeinfo": reading.get_node_info,
    "triggerconstantcontract": calling.trigger_constant_contract,
    "estimateenergy": calling.estimate_energy,
}
"""Endpoints of both APIs."""

WALLET_ALONE: dict[str, Endpoint] = {
    "getaccountresource": reading.get_account_resource,
    "getchainparameters": reading.get_chain_parameters,
    "getpendingsize": reading.get_pending_size,
    "gettransactionlistfrompending": reading.get_pending_list,
    "gettransactionfrompending": reading.get_pending_transaction,
    "getcontract": reading.get_contract,
    "getcontractinfo": reading.get_contract_info,
    "triggersmartcontract": calling.trigger_smart_contract,
    "createtransaction": calling.create_transaction,
    "broadcasttransaction": calling.broadcast_transaction,
    "broadcasthex": calling.broadcast_hex,
}
ENDPOINTS: dict[str, dict[str, Endpoint]] = {"wallet": SHARED | WALLET_ALONE, "walletsolidity": SHARED}
