"""A rollup of the OP stack, made of anvil: its charges are real, this module adds what anvil does not report.

With `--network optimism` anvil's EVM charges for a transaction's data as the OP stack does, by the prices that the
predeployed contract L1Block holds. It has no such contract, so the prices are written into that address's storage;
it has no GasPriceOracle, so a few bytes of code answer at that one's address; and its receipts leave `l1Fee` out,
so the proxy adds what the sender's balance shows was taken beside amount and gas. It charges for data in estimates of
gas as well, which op-geth does not (buyGas in core/state_transition.go leaves it out of calls), so the proxy gives the
sender enough there. Layout and formulas are those of specs.optimism.io, "L1 fee" (Fjord).
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.networks.evm.rollup import ORACLE
from app.sandbox.chain_driver import AnvilDriver
from tests.fakes.evm_node import fake_node
from tests.fakes.evm_proxy import EvmProxy

L1_BLOCK = "0x4200000000000000000000000000000000000015"
BASE_FEE_SLOT, SCALARS_SLOT, BLOB_BASE_FEE_SLOT = 1, 3, 7
BASE_FEE_SCALAR, BLOB_BASE_FEE_SCALAR = 1_368, 810_949

ANSWERS_WHAT_IS_STORED = "600054" + "60005260206000f3"
"""Code that returns the word in slot 0 for every call."""

ECHOES_THE_SIZE = "600435" + "60005260206000f3"
"""Code that returns its first argument, the size in the request for the bound."""

KNOWS_NO_BOUND = "60003560e01c63f1c7a58b14601a57" + "602435" + "60005260206000f3" + "5b60006000fd"
"""As before Fjord: refuses getL1FeeUpperBound; returns the size of the bytes given to getL1Fee."""


async def set_data_price(driver: AnvilDriver, base_fee_wei: int, blob_base_fee_wei: int) -> int:
    """Set the first layer's prices, and the oracle's answer: the fee, in wei, of data that counts as 100 bytes, the
    least that Fjord counts. Our transfers are below that."""
    scalars = (BASE_FEE_SCALAR << 96) | (BLOB_BASE_FEE_SCALAR << 64)
    for slot, value in (
        (BASE_FEE_SLOT, base_fee_wei),
        (SCALARS_SLOT, scalars),
        (BLOB_BASE_FEE_SLOT, blob_base_fee_wei),
    ):
        await _store(driver, L1_BLOCK, slot, value)
    scaled = 16 * BASE_FEE_SCALAR * base_fee_wei + BLOB_BASE_FEE_SCALAR * blob_base_fee_wei
    fee_raw = scaled * 100 * 10**6 // 10**12
    await driver.call("anvil_setCode", ORACLE, "0x" + ANSWERS_WHAT_IS_STORED)
    await _store(driver, ORACLE, 0, fee_raw)
    return fee_raw


async def _store(driver: AnvilDriver, address: str, slot: int, value: int) -> None:
    await driver.call("anvil_setStorageAt", address, hex(slot), f"0x{value:064x}")


class RollupProxy(EvmProxy):
    """Adds `l1Fee` to receipts, and coins to senders of gas estimates. Each transaction must be alone in its block."""

    async def answer(self, body: bytes) -> tuple[int, bytes]:
        calls = {call["id"]: call for call in json.loads(body)}
        for call in calls.values():
            if call["method"] == "eth_estimateGas":
                call["params"] += ["latest", {call["params"][0]["from"]: {"balance": hex(10**24)}}]
        status, content = await super().answer(json.dumps(list(calls.values())).encode())
        replies = json.loads(content)
        for reply in replies:
            if calls[reply["id"]]["method"] == "eth_getTransactionReceipt" and reply.get("result"):
                reply["result"]["l1Fee"] = hex(await self._taken_beside_gas(reply["result"]))
        return status, json.dumps(replies).encode()

    async def _taken_beside_gas(self, receipt: dict[str, Any]) -> int:
        sender, height = receipt["from"], int(receipt["blockNumber"], 16)
        block = await self._call("eth_getBlockByNumber", hex(height), True)
        (sent,) = block["transactions"]
        before = int(await self._call("eth_getBalance", sender, hex(height - 1)), 16)
        after = int(await self._call("eth_getBalance", sender, hex(height)), 16)
        value = int(sent["value"], 16) if receipt["status"] == "0x1" else 0
        gas = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
        return before - after - value - gas

    async def _call(self, method: str, *params: object) -> Any:
        call = {"jsonrpc": "2.0", "id": 0, "method": method, "params": params}
        return (await self._client.post("", json=call)).json()["result"]


@asynccontextmanager
async def rollup_proxy(target: str) -> AsyncIterator[RollupProxy]:
    """A running `RollupProxy`."""
    proxy = RollupProxy(target)
    async with fake_node(proxy.answer) as node:
        proxy.url = node.url
        try:
            yield proxy
        finally:
            await proxy.aclose()
