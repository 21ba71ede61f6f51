"""The double of a Tron node: each answer's shape, each rule of the chain, each fault."""

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from app.sandbox import tron_node
from app.sandbox.tron_double import messages
from app.sandbox.tron_double.accounts import DAY_MS
from app.sandbox.tron_double.addresses import from_text, of_key, to_text
from app.sandbox.tron_double.state import SOLID_BEHIND, Transaction
from app.sandbox.tron_driver import CUSTOMER_KEY, TronDriver, TronDriverError, evm, sign

KEY = hashlib.sha256(b"an account of these tests").digest()
ADDRESS = to_text(of_key(KEY))
OTHER = to_text(of_key(hashlib.sha256(b"another account").digest()))
TRX = 1_000_000
BYTE_SUN, PRICE_SUN = 1_000, 100
# Of the documentation: a transaction of Nile, and its id.
DOCUMENTED = (
    "0a0228c022089eabbe133123b34c40d0d6f0c0dd335a8e01081f1289010a31747970652e676f6f676c65617069732e636f6d2f70726f746f63"
    "6f6c2e54726967676572536d617274436f6e747261637412540a1541dd791d6b49e190062d650e6a23c575510d35f2f9121541eca9bc828a30"
    "05b9a3b909f2cc5c2a54794de05f222470a08231000000000000000000000000dd791d6b49e190062d650e6a23c575510d35f2f970cb97edc0"
    "dd33"
)
DOCUMENTED_ID = "cff6488e738ce77f7325572fe0aa2470f87dbf1c95eeeb2c25feec59d5afa35c"


async def refusal(sending: Any) -> str | None:
    """The code with which the node refuses a broadcast."""
    with pytest.raises(TronDriverError) as refused:
        await sending
    return refused.value.code


def test_a_documented_transaction_is_read_and_written_to_the_byte() -> None:
    content = messages.decode("Raw", bytes.fromhex(DOCUMENTED))
    assert content["contract"][0]["parameter"]["value"]["data"].startswith("70a08231")
    assert messages.encode("Raw", content).hex() == DOCUMENTED
    assert Transaction(bytes.fromhex(DOCUMENTED), ()).txid == DOCUMENTED_ID
    for cut in (bytes.fromhex(DOCUMENTED)[:-1], b"\xff" * 12):
        with pytest.raises(ValueError, match=r"cut off|too long|wire type"):
            messages.decode("Raw", cut)


async def test_blocks_and_receipts_have_java_trons_shapes(tron: TronDriver) -> None:
    txid = await tron.pay(ADDRESS, 5 * TRX)
    height = await tron.mine(2) - 1
    block = await tron.api("wallet/getblockbynum", num=height)
    raw = block["block_header"]["raw_data"]
    assert raw.keys() == {"number", "txTrieRoot", "witness_address", "parentHash", "version", "timestamp"}
    assert (raw["number"], int(block["blockID"][:16], 16), len(block["blockID"])) == (height, height, 64)
    (transaction,) = block["transactions"]
    assert transaction.keys() == {"ret", "signature", "txID", "raw_data", "raw_data_hex"}
    assert hashlib.sha256(bytes.fromhex(transaction["raw_data_hex"])).hexdigest() == transaction["txID"] == txid
    assert transaction["raw_data"]["contract"] == [
        {
            "type": "TransferContract",
            "parameter": {
                "type_url": "type.googleapis.com/protocol.TransferContract",
                "value": {
                    "owner_address": from_text(tron.customer),
                    "to_address": from_text(ADDRESS),
                    "amount": 5 * TRX,
                },
            },
        }
    ]

    # An empty block has no transactions; it and a block that is not there have no receipts.
    empty = await tron.api("wallet/getblockbynum", num=height + 1)
    assert empty.keys() == {"blockID", "block_header"}
    assert empty["block_header"]["raw_data"]["parentHash"] == block["blockID"]
    assert await tron.api("wallet/getblockbynum", num=height + 2) == {}
    assert await tron.api("wallet/gettransactioninfobyblocknum", num=height + 1) == []
    assert await tron.api("wallet/gettransactioninfobyblocknum", num=height + 2) == []
    assert await tron.api("wallet/gettransactioninfobyblocknum", num=0) == {}
    assert [info["id"] for info in await tron.api("wallet/gettransactioninfobyblocknum", num=height)] == [txid]
    assert await tron.info(txid) == {
        "id": txid,
        "fee": 1_100_000,
        "blockNumber": height,
        "blockTimeStamp": raw["timestamp"],
        "contractResult": [""],
        "receipt": {"net_fee": 100_000},
    }
    assert await tron.api("wallet/gettransactionbyid", value=txid) == transaction
    assert await tron.api("wallet/gettransactionbyid", value="00" * 32) == {}
    assert await tron.info("00" * 32) == {}

    # Ranges: the end is excluded, at most 100, and above the head what there is.
    asked = {"startNum": height, "endNum": height + 5}
    assert await tron.api("wallet/getblockbylimitnext", **asked) == {"block": [block, empty]}
    above = {"startNum": height + 5, "endNum": height + 6}
    assert await tron.api("wallet/getblockbylimitnext", **above) == {"block": []}
    for bad in ((5, 5), (6, 5), (0, 101)):
        assert await tron.api("wallet/getblockbylimitnext", startNum=bad[0], endNum=bad[1]) == {}
    assert await tron.api("wallet/getnowblock") == empty
    header = {name: block[name] for name in ("blockID", "block_header")}
    assert await tron.api("wallet/getblock", id_or_num=str(height)) == header
    assert await tron.api("wallet/getblock", id_or_num=block["blockID"], detail=True) == block
    assert await tron.api("wallet/getblockbyid", value=block["blockID"]) == block
    assert (await tron.api("wallet/getblockbynum", num=0))["blockID"] == (await tron.state())["genesis_id"]
    assert await tron.api("wallet/gettransactioncountbyblocknum", num=height) == {"count": 1}


async def test_accounts_must_be_activated_and_have_free_bandwidth_once_a_day(tron: TronDriver) -> None:
    assert await tron.api("wallet/getaccount", address=ADDRESS) == {}
    assert await tron.api("wallet/getaccountresource", address=ADDRESS) == {}
    assert await refusal(tron.pay(OTHER, 1, key=KEY)) == "CONTRACT_VALIDATE_ERROR"  # it does not exist
    await tron.pay(ADDRESS, 5 * TRX)
    await tron.mine()
    account = await tron.api("wallet/getaccount", address=from_text(ADDRESS))
    assert (account["address"], account["balance"]) == (from_text(ADDRESS), 5 * TRX)
    assert account["owner_permission"]["keys"] == [{"address": from_text(ADDRESS), "weight": 1}]
    assert account["frozenV2"] == [{}, {"type": "ENERGY"}, {"type": "TRON_POWER"}]
    assert "type" not in account
    shown = await tron.api("wallet/getaccount", address=ADDRESS, visible=True)
    assert (shown["address"], shown["owner_permission"]["keys"][0]["address"]) == (ADDRESS, ADDRESS)

    # The first transfers are free; then each byte is paid for, from one source alone.
    receipts = []
    for amount_raw in (TRX, TRX + 1, TRX + 2):
        txid = await tron.pay(tron.customer, amount_raw, key=KEY)
        await tron.mine()
        receipts.append((await tron.info(txid))["receipt"])
    assert receipts == [{"net_usage": 267}, {"net_usage": 267}, {"net_fee": 267 * BYTE_SUN}]
    resources = await tron.api("wallet/getaccountresource", address=ADDRESS)
    assert (resources["freeNetUsed"], resources["freeNetLimit"]) == (pytest.approx(2 * 267, abs=3), 600)
    assert "EnergyLimit" not in resources

    # Half a day later half of it is back; the network's pool of it may be empty.
    await tron.double("clock", next_ms=(await tron.state())["time_ms"] + DAY_MS // 2)
    await tron.mine()
    assert (await tron.api("wallet/getaccountresource", address=ADDRESS))["freeNetUsed"] == pytest.approx(267, abs=2)
    await tron.double("parameters", free_bandwidth_is_used_up=True)
    txid = await tron.pay(tron.customer, TRX + 3, key=KEY)
    await tron.mine()
    assert (await tron.info(txid))["receipt"] == {"net_fee": 267 * BYTE_SUN}


async def test_a_contract_call_pays_for_energy_and_tells_what_it_did(tron: TronDriver) -> None:
    usdt = await tron.deploy_stablecoin(10**15)
    assert (await tron.api("wallet/getaccount", address=usdt))["type"] == "Contract"
    contract = await tron.api("wallet/getcontract", value=usdt)
    assert {"contract_address", "origin_address", "abi", "name"} <= contract.keys()
    assert await tron.api("wallet/getcontract", value=OTHER) == {}

    # Simulated from the true owner; a refusal looks like a success but for three marks.
    ask = {
        "owner_address": from_text(tron.customer),
        "contract_address": from_text(usdt),
        "function_selector": "transfer(address,uint256)",
        "parameter": evm(OTHER)[2:].rjust(64, "0") + f"{5:064x}",
    }
    simulated = await tron.api("wallet/triggerconstantcontract", **ask)
    assert simulated["result"] == {"result": True}
    assert simulated["constant_result"] == ["00" * 32]  # false, and it succeeded
    assert simulated["transaction"]["ret"] == [{}]
    assert "fee_limit" not in simulated["transaction"]["raw_data"]
    refused = await tron.api("wallet/triggerconstantcontract", **(ask | {"owner_address": from_text(OTHER)}))
    assert refused["result"] == {"result": True, "message": b"REVERT opcode executed".hex()}
    assert refused["transaction"]["ret"] == [{"ret": "FAILED"}]
    none = await tron.api("wallet/triggerconstantcontract", **(ask | {"contract_address": from_text(OTHER)}))
    assert none["result"]["code"] == "CONTRACT_VALIDATE_ERROR"
    estimate = await tron.api("wallet/estimateenergy", **ask)
    assert bytes.fromhex(estimate["result"]["message"]).decode() == "this node does not support estimate energy"

    # A penalty multiplies what a call takes; `energy_used` holds it already, and the block charges as simulated.
    await tron.double("parameters", penalties={usdt: 10_000})
    dearer = await tron.api("wallet/triggerconstantcontract", **ask)
    assert dearer["energy_used"] == 2 * simulated["energy_used"] == 2 * dearer["energy_penalty"]
    txid = await tron.pay(OTHER, 5, contract=usdt)
    await tron.mine()
    info = await tron.info(txid)
    assert info["receipt"]["energy_usage_total"] == dearer["energy_used"]
    assert info["fee"] == dearer["energy_used"] * PRICE_SUN + info["receipt"].get("net_fee", 0)
    assert await tron.api("wallet/getaccount", address=OTHER) == {}  # tokens activate nothing

    # With a fee two logs; addresses of logs are 20 bytes.
    await tron.call_contract(usdt, "setParams(uint256,uint256)", 10, 1)
    txid = await tron.pay(OTHER, 10_000, contract=usdt)
    await tron.mine()
    logs = (await tron.info(txid))["log"]
    assert [(log["address"], int(log["data"], 16)) for log in logs] == [(from_text(usdt)[2:], n) for n in (9_990, 10)]


async def test_a_failed_call_pays_what_it_used_or_all_that_it_may(tron: TronDriver) -> None:
    usdt = await tron.deploy_stablecoin(10**15)
    spreader = await tron.deploy("Spreader")
    refused = await tron.call_contract(usdt, "pause()", key=CUSTOMER_KEY)
    endless = await tron.call_contract(spreader, "spin()", fee_limit_sun=3 * TRX)
    short = await tron.send(
        "TriggerSmartContract",
        key=CUSTOMER_KEY,
        fee_limit_sun=0,
        contract_address=from_text(usdt),
        data="a9059cbb" + evm(OTHER)[2:].rjust(64, "0") + f"{5:064x}",
    )
    height = await tron.mine()
    for txid, result, energy_fee in (
        (refused, "REVERT", None),
        (endless, "OUT_OF_ENERGY", 3 * TRX),
        (short, "OUT_OF_ENERGY", None),
    ):
        info = await tron.info(txid)
        assert (info["result"], info["receipt"]["result"]) == ("FAILED", result)
        assert not info.keys() & {"log", "internal_transactions"}
        assert bytes.fromhex(info["resMessage"])
        assert energy_fee in (None, info["receipt"].get("energy_fee"))
    block = await tron.api("wallet/getblockbynum", num=height)
    results = [transaction["ret"][0]["contractRet"] for transaction in block["transactions"]]
    assert results == ["REVERT", "OUT_OF_ENERGY", "OUT_OF_ENERGY"]


async def test_contracts_pay_coins_on_which_only_some_nodes_show(tron: TronDriver) -> None:
    spreader = await tron.deploy("Spreader")
    paid = await tron.call_contract(spreader, "pay(address[],uint256[])", [evm(ADDRESS)] * 2, [7, 8], value_sun=20)
    vain = await tron.call_contract(spreader, "payInVain(address,uint256)", evm(OTHER), 5)
    await tron.mine()
    ended = await tron.call_contract(spreader, "end(address)", evm(ADDRESS))
    await tron.mine()
    inner = (await tron.info(paid))["internal_transactions"]
    assert [call["callValueInfo"] for call in inner] == [[{"callValue": 7}], [{"callValue": 8}]]
    assert inner[0].keys() == {"hash", "caller_address", "transferTo_address", "callValueInfo", "note"}
    assert (inner[0]["transferTo_address"], inner[0]["note"]) == (from_text(ADDRESS), b"call".hex())
    refused = await tron.info(vain)
    assert refused["receipt"]["result"] == "SUCCESS"
    assert all(call["rejected"] for call in refused["internal_transactions"])
    assert [call["note"] for call in (await tron.info(ended))["internal_transactions"]] == [b"suicide".hex()]
    assert (await tron.balance_of(ADDRESS), await tron.balance_of(OTHER)) == (20, 0)  # and it activates

    token = {"callValueInfo": [{}, {"callValue": 9, "tokenId": "1002000"}], "note": b"call".hex()}
    await tron.double("internal", txid=vain, entry=token)
    assert (await tron.info(vain))["internal_transactions"][-1] == token
    await tron.faults(without_internal=True)
    assert "internal_transactions" not in await tron.info(paid)


async def test_what_a_broadcast_refuses(tron: TronDriver) -> None:
    await tron.pay(ADDRESS, 5 * TRX)
    await tron.mine()
    tx = await tron.signed("TransferContract", to_address=from_text(ADDRESS), amount=1)

    async def with_raw(**changes: Any) -> str | None:
        raw = messages.encode("Raw", tx.content | changes)
        return await refusal(tron.broadcast(sign(raw, CUSTOMER_KEY)))

    head_ms = (await tron.state())["time_ms"]
    assert await refusal(tron.broadcast(sign(tx.raw, KEY))) == "SIGERROR"
    assert await refusal(tron.broadcast(Transaction(tx.raw, (tx.signatures[0][:64],)))) == "SIGERROR"
    assert await with_raw(ref_block_hash="00" * 8) == "TAPOS_ERROR"
    for expiration in (head_ms, head_ms + 2_999, head_ms + DAY_MS + 1):
        assert await with_raw(expiration=expiration) == "TRANSACTION_EXPIRATION_ERROR"
    assert await with_raw(fee_limit=15_000_000_001) == "CONTRACT_VALIDATE_ERROR"
    usdt = await tron.deploy_stablecoin(10**15)
    assert await refusal(tron.pay(usdt, 1)) == "CONTRACT_VALIDATE_ERROR"  # coins to a contract
    assert await refusal(tron.pay(tron.customer, 1)) == "CONTRACT_VALIDATE_ERROR"  # to oneself
    assert await refusal(tron.pay(OTHER, 0)) == "CONTRACT_VALIDATE_ERROR"
    assert await refusal(tron.pay(tron.customer, 6 * TRX, key=KEY)) == "CONTRACT_VALIDATE_ERROR"
    await tron.double("parameters", free_bandwidth_is_used_up=True)
    await tron.fund(ADDRESS, 264 * BYTE_SUN)
    assert await refusal(tron.pay(tron.customer, 1, key=KEY)) == "BANDWITH_ERROR"
    txid = await tron.broadcast(tx)
    assert await refusal(tron.broadcast(tx)) == "DUP_TRANSACTION_ERROR"  # in the pool
    await tron.mine()
    assert await refusal(tron.broadcast(tx)) == "DUP_TRANSACTION_ERROR"  # in a block
    assert (await tron.info(txid))["id"] == txid

    # What comes out of the pool at the same time counts: all of it is not spent twice.
    await tron.fund(ADDRESS, 10 * TRX)
    await tron.pay(tron.customer, 9 * TRX, key=KEY)
    assert await refusal(tron.pay(tron.customer, 9 * TRX, key=KEY)) == "CONTRACT_VALIDATE_ERROR"

    # The other way to send says no code at all where it succeeds, and nothing of success where it fails.
    tx = await tron.signed("TransferContract", to_address=from_text(OTHER), amount=2)
    body = {"raw_data": tx.content, "signature": [tx.signatures[0].hex()]}
    assert await tron.api("wallet/broadcasttransaction", **body) == {"result": True, "txid": tx.txid}
    again = await tron.api("wallet/broadcasttransaction", **body)
    assert again == {"code": "DUP_TRANSACTION_ERROR", "message": b"Dup transaction.".hex(), "txid": tx.txid}
    assert "Error" in await tron.api("wallet/broadcasthex", transaction="zz")


async def test_a_block_can_be_later_than_what_it_holds_and_an_expired_one_falls_out(tron: TronDriver) -> None:
    late = await tron.signed("TransferContract", expires_in_ms=4_000, to_address=from_text(ADDRESS), amount=1)
    await tron.broadcast(late)
    await tron.mine(interval_ms=9_000)  # as after a maintenance
    info = await tron.info(late.txid)
    assert info["blockTimeStamp"] > late.content["expiration"]

    gone = await tron.signed("TransferContract", expires_in_ms=4_000, to_address=from_text(ADDRESS), amount=2)
    await tron.broadcast(gone)
    await tron.mine(2, empty=True)
    await tron.mine()
    assert ((await tron.state())["pool"], await tron.info(gone.txid)) == ([], {})
    assert await refusal(tron.broadcast(gone)) == "TRANSACTION_EXPIRATION_ERROR"


async def test_solid_state_is_18_blocks_behind_and_forks_end_there(tron: TronDriver) -> None:
    usdt = await tron.deploy_stablecoin(10**15)
    await tron.mine(SOLID_BEHIND)
    txids = [await tron.pay(ADDRESS, 5 * TRX), await tron.pay(ADDRESS, 9, contract=usdt)]
    height = await tron.mine()
    await tron.mine(SOLID_BEHIND - 1)

    async def solid() -> tuple[Any, ...]:
        return (
            (await tron.api("walletsolidity/getnowblock"))["block_header"]["raw_data"]["number"],
            await tron.balance_of(ADDRESS, solid=True),
            await tron.balance_of(ADDRESS, usdt, solid=True),
            await tron.api("walletsolidity/gettransactioninfobyid", value=txids[0]) != {},
            await tron.api("walletsolidity/getblockbynum", num=height) != {},
        )

    assert await solid() == (height - 1, 0, 0, False, False)
    assert (await tron.balance_of(ADDRESS), await tron.balance_of(ADDRESS, usdt)) == (5 * TRX, 9)
    before = await tron.api("wallet/getblockbynum", num=height)

    # A fork right above it takes the payments back; one returns, in another block, under its id.
    await tron.fork(SOLID_BEHIND, keep=txids[1:])
    after = await tron.api("wallet/getblockbynum", num=height)
    assert after["blockID"] != before["blockID"]
    assert [transaction["txID"] for transaction in after["transactions"]] == txids[1:]
    assert (await tron.balance_of(ADDRESS), await tron.balance_of(ADDRESS, usdt)) == (0, 9)
    assert await solid() == (height, 0, 9, False, True)
    with pytest.raises(TronDriverError, match="solid blocks"):
        await tron.fork(SOLID_BEHIND + 1)
    with pytest.raises(msgspec.DecodeError):  # 404 and a page
        await tron.api("walletsolidity/getchainparameters")


async def test_energy_is_staked_lent_used_and_taken_back(tron: TronDriver) -> None:
    usdt = await tron.deploy_stablecoin(10**15)
    for address in (ADDRESS, OTHER):
        await tron.fund(address, 100_000 * TRX)
    await tron.mine()
    await tron.pay(ADDRESS, 1_000, contract=usdt)
    await tron.mine()
    ours, other = of_key(KEY), from_text(OTHER)
    await tron.send("FreezeBalanceV2Contract", key=KEY, frozen_balance=9_000 * TRX, resource="ENERGY")
    await tron.mine()
    assert (await tron.api("wallet/getaccountresource", address=ADDRESS))["EnergyLimit"] == 90_000
    asked = {"owner_address": ours, "type": 1}
    assert await tron.api("wallet/getcandelegatedmaxsize", **asked) == {"max_size": 9_000 * TRX}

    # A call uses staked energy before it burns coins.
    txid = await tron.pay(OTHER, 10, contract=usdt, key=KEY)
    await tron.mine()
    receipt = (await tron.info(txid))["receipt"]
    assert (receipt["energy_usage"], receipt.get("energy_fee", 0)) == (receipt["energy_usage_total"], 0)
    lendable = (await tron.api("wallet/getcandelegatedmaxsize", **asked))["max_size"]
    assert lendable == pytest.approx(9_000 * TRX - receipt["energy_usage"] * TRX // 10, rel=0.001)

    # Only what is not used can be lent, to an account that exists, and no contract.
    lend: dict[str, Any] = {"key": KEY, "resource": "ENERGY", "receiver_address": other}
    assert await refusal(tron.send("DelegateResourceContract", **lend, balance=lendable + TRX)) == (
        "CONTRACT_VALIDATE_ERROR"
    )
    for receiver in (of_key(b"\x07" * 32), from_text(usdt), ours):
        denied = tron.send("DelegateResourceContract", **(lend | {"receiver_address": receiver}), balance=TRX)
        assert await refusal(denied) == "CONTRACT_VALIDATE_ERROR"
    await tron.send("DelegateResourceContract", **lend, balance=5_000 * TRX)
    await tron.mine()
    assert await tron.api("wallet/getdelegatedresourcev2", fromAddress=ours, toAddress=other) == {
        "delegatedResource": [{"from": ours, "to": other, "frozen_balance_for_energy": 5_000 * TRX}]
    }
    account = await tron.api("wallet/getaccount", address=ADDRESS)
    assert account["account_resource"]["delegated_frozenV2_balance_for_energy"] == 5_000 * TRX
    assert account["frozenV2"][1] == {"type": "ENERGY", "amount": 4_000 * TRX}
    assert (await tron.api("wallet/getaccountresource", address=OTHER))["EnergyLimit"] == 50_000

    # What the receiver has used of it is the owner's usage once it is taken back.
    before = (await tron.api("wallet/getaccountresource", address=ADDRESS)).get("EnergyUsed", 0)
    txid = await tron.pay(ADDRESS, 10, contract=usdt, key=hashlib.sha256(b"another account").digest())
    await tron.mine()
    used = (await tron.info(txid))["receipt"]["energy_usage"]
    assert await refusal(tron.send("UnDelegateResourceContract", **lend, balance=5_001 * TRX)) == (
        "CONTRACT_VALIDATE_ERROR"
    )
    await tron.send("UnDelegateResourceContract", **lend, balance=5_000 * TRX)
    await tron.mine()
    assert await tron.api("wallet/getdelegatedresourcev2", fromAddress=ours, toAddress=other) == {}
    resources = await tron.api("wallet/getaccountresource", address=ADDRESS)
    assert resources["EnergyUsed"] == pytest.approx(before + used, rel=0.001)
    assert resources["EnergyLimit"] == 90_000

    # A locked loan stays; unstaked coins come back after 14 days.
    await tron.send("DelegateResourceContract", **lend, balance=10 * TRX, lock=True)
    await tron.send("UnfreezeBalanceV2Contract", key=KEY, unfreeze_balance=100 * TRX, resource="ENERGY")
    await tron.mine()
    assert await refusal(tron.send("UnDelegateResourceContract", **lend, balance=TRX)) == "CONTRACT_VALIDATE_ERROR"
    assert await refusal(tron.send("WithdrawExpireUnfreezeContract", key=KEY)) == "CONTRACT_VALIDATE_ERROR"
    assert (await tron.api("wallet/getaccount", address=ADDRESS))["unfrozenV2"][0]["unfreeze_amount"] == 100 * TRX
    await tron.double("clock", next_ms=(await tron.state())["time_ms"] + 14 * DAY_MS)
    await tron.mine()
    txid = await tron.send("WithdrawExpireUnfreezeContract", key=KEY)
    await tron.mine()
    assert (await tron.info(txid))["withdraw_expire_amount"] == 100 * TRX


async def test_an_account_whose_keys_were_changed_obeys_the_new_ones(tron: TronDriver) -> None:
    await tron.fund(ADDRESS, 200 * TRX)
    await tron.mine()
    thief = hashlib.sha256(b"a thief").digest()
    owner = {"permission_name": "owner", "threshold": 1, "keys": [{"address": of_key(thief), "weight": 1}]}
    txid = await tron.send("AccountPermissionUpdateContract", key=KEY, owner=owner, actives=[])
    await tron.mine()
    assert (await tron.info(txid))["fee"] == 100 * TRX
    assert (await tron.api("wallet/getaccount", address=ADDRESS))["owner_permission"]["keys"] == owner["keys"]
    assert await refusal(tron.pay(OTHER, 1, key=KEY)) == "SIGERROR"
    tx = await tron.signed("TransferContract", key=KEY, to_address=from_text(OTHER), amount=1)
    await tron.broadcast(sign(tx.raw, thief))


async def test_nodes_can_be_wrong_each_in_its_own_way(tron: TronDriver) -> None:
    await tron.mine(2)
    txids = [await tron.pay(OTHER, 2 * TRX), await tron.pay(OTHER, 1)]
    height = await tron.mine()

    async def second(path: str, **asked: Any) -> Any:
        return await tron.api(f"second/{path}", **asked)

    async def ids(path: str, key: str) -> list[str]:
        shown = await second(path, num=height)
        return [entry[key] for entry in (shown if isinstance(shown, list) else shown.get("transactions", []))]

    await tron.faults("second", lag=1)
    assert await second("wallet/getblockbynum", num=height) == {}
    assert await second("wallet/getaccount", address=OTHER) == {}
    assert (await tron.api("wallet/getblockbynum", num=height)) != {}
    await tron.faults("second", absent=txids[:1])
    assert await second("wallet/gettransactioninfobyid", value=txids[0]) == {}
    assert await ids("wallet/getblockbynum", "txID") == txids[1:]
    await tron.faults("second", hidden_infos=txids[1:])
    assert await ids("wallet/getblockbynum", "txID") == txids
    assert await ids("wallet/gettransactioninfobyblocknum", "id") == txids[:1]
    await tron.faults("second", missing_blocks=[height])
    assert await ids("wallet/gettransactioninfobyblocknum", "id") == []
    await tron.faults("second", solidity_lag=2)
    solid = await second("walletsolidity/getblock", detail=False)
    assert solid["block_header"]["raw_data"]["number"] == (await tron.state())["solid"] - 2
    await tron.fork(1, empty=True)
    await tron.faults("second", infos_of_fork=True)
    assert await ids("wallet/gettransactioninfobyblocknum", "id") == txids
    assert await ids("wallet/getblockbynum", "txID") == []
    await tron.faults("second", serves=["wallet"], without_constant=True, key="secret")
    assert (await second("wallet/getnowblock"))["Error"] == "ApiKey not exists"
    async with httpx.AsyncClient(trust_env=False) as client:
        url, headers = tron.node_url("second"), {"TRON-PRO-API-KEY": "secret"}
        answer = await client.post(f"{url}/walletsolidity/getnowblock", headers=headers)
        assert answer.status_code == 404
        assert "block_header" in (await client.get(f"{url}/wallet/getnowblock", headers=headers)).json()

        # Limits of a provider, each for so many requests.
        limited = {"Error": "The key exceeds the frequency limit(15), and the query server is suspended for 30s"}
        answers = [{"status": 429, "body": limited}, {"status": 200, "body": "this API is closed"}, {"hang_up": True}]
        await tron.faults("second", answers=answers)
        limits = await client.post(f"{url}/wallet/getnowblock")
        assert (limits.status_code, limits.json()) == (429, limited)
        assert (await client.post(f"{url}/wallet/getnowblock")).text == "this API is closed"
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(f"{url}/wallet/getnowblock")
        assert "block_header" in (await client.post(f"{url}/wallet/getnowblock")).json()
    assert (await tron.state())["requests"]["second"]["wallet/getnowblock"] == 6


async def test_no_answer_of_a_broadcast_proves_anything(tron: TronDriver) -> None:
    def payment(amount_raw: int) -> Any:
        return tron.signed("TransferContract", to_address=from_text(OTHER), amount=amount_raw)

    # Accepted and lost; sent again, it is taken.
    await tron.faults(lose=1)
    lost = await payment(1)
    await tron.broadcast(lost)
    await tron.mine()
    assert await tron.info(lost.txid) == {}
    await tron.broadcast(lost)
    # Refused, and mined all the same.
    refused = {"code": "NOT_ENOUGH_EFFECTIVE_CONNECTION", "message": "P2P broadcast failed.", "keep": True}
    await tron.faults(refusals=[refused, {"code": "SERVER_BUSY"}])
    kept = await payment(2)
    assert await refusal(tron.broadcast(kept)) == "NOT_ENOUGH_EFFECTIVE_CONNECTION"
    busy = await payment(3)
    assert await refusal(tron.broadcast(busy)) == "SERVER_BUSY"
    await tron.mine()
    assert [await tron.info(tx.txid) != {} for tx in (lost, kept, busy)] == [True, True, False]
    # Known by a cache of ids that was filled before the refusal.
    await tron.faults(id_cache=True)
    bad = sign((await payment(4)).raw, KEY)
    assert await refusal(tron.broadcast(bad)) == "SIGERROR"
    assert await refusal(tron.broadcast(bad)) == "DUP_TRANSACTION_ERROR"
    # Accepted, and gone with the pool.
    gone = await tron.broadcast(await payment(5))
    await tron.double("drop")
    await tron.mine()
    assert await tron.info(gone) == {}


async def test_two_equal_payments_in_a_millisecond_are_one_transaction(tron: TronDriver) -> None:
    first = await tron.signed("TransferContract", to_address=from_text(OTHER), amount=1)
    second = sign(first.raw, CUSTOMER_KEY)
    assert first.txid == second.txid
    await tron.broadcast(first)
    assert await refusal(tron.broadcast(second)) == "DUP_TRANSACTION_ERROR"


async def test_tokens_that_look_like_trx_are_none(tron: TronDriver) -> None:
    await tron.fund(tron.customer, 10**12, tokens={"1002000": 500})
    await tron.mine()
    worthless: dict[str, Any] = {"asset_name": b"1002000".hex(), "to_address": from_text(ADDRESS), "amount": 5}
    txid = await tron.send("TransferAssetContract", **worthless)
    rewarded = await tron.api("wallet/getaccount", address=tron.customer)
    await tron.mine()
    assert (await tron.info(txid))["fee"] == 1_100_000
    account = await tron.api("wallet/getaccount", address=ADDRESS)
    assert (account.get("balance", 0), account["assetV2"]) == (0, [{"key": "1002000", "value": 5}])
    # Rewards come without a transfer.
    await tron.fund(tron.customer, rewarded["balance"], allowance_sun=77)
    txid = await tron.send("WithdrawBalanceContract")
    await tron.mine()
    assert (await tron.info(txid))["withdraw_amount"] == 77


async def test_a_kept_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    node = tron_node.start(tmp_path, keep_state=True, slot_ms=1_000)
    driver = await TronDriver.connect(node.api_url)
    usdt = await driver.deploy_stablecoin(10**15)
    txids = [await driver.pay(ADDRESS, 5, contract=usdt), await driver.pay(ADDRESS, 6)]
    await driver.mine()
    unmined = await driver.pay(OTHER, 7)
    state = await driver.state()
    infos = [await driver.info(txid) for txid in txids]
    node.restart()
    after = await driver.state()
    assert after["number"] == state["number"] + SOLID_BEHIND
    assert after["pool"] == [unmined]
    assert (await driver.api("wallet/getblockbynum", num=state["number"]))["blockID"] == state["id"]
    assert [await driver.info(txid) for txid in txids] == infos
    await driver.pay(ADDRESS, 5, contract=usdt)
    await driver.mine()
    assert [await driver.balance_of(ADDRESS, kind) for kind in (usdt, None)] == [10, 6]
    assert await driver.balance_of(ADDRESS, usdt, solid=True) == 5
    await driver.fork(1)
    assert await driver.balance_of(ADDRESS, usdt) == 10
    await driver.aclose()
    node.stop()


async def test_blocks_come_by_themselves_where_it_is_asked_to_mine(tmp_path: Path) -> None:
    node = tron_node.start(tmp_path, slot_ms=50, mines=True)
    driver = await TronDriver.connect(node.api_url)
    txid = await driver.pay(ADDRESS, 6)
    deadline_s = time.monotonic() + 10
    while not await driver.api("walletsolidity/gettransactioninfobyid", value=txid):
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.05)
    await driver.aclose()
    node.kill()
