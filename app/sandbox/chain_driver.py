"""A client of a local anvil node: deploys a token, sends payments, mines blocks, makes reorganisations.

Only for the sandbox and the tests. It signs nothing: anvil has the keys of its ten funded accounts and signs their
transactions.
"""

import asyncio
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from app.networks.json_rpc import tls_context
from app.sandbox import contracts

# OpenZeppelin's ERC20PresetFixedSupply(name, symbol, initialSupply, owner), see vendor/README.md. It states 18
# decimals, and none of their single contracts lets one choose. For a token of 6 decimals the asset is configured with
# 6: decimals are for display only, the chain moves minor units.
TOKEN_ARTEFACT = Path(__file__).with_name("vendor") / "erc20-preset-4.9.6.json"
TRANSFER_SELECTOR = bytes.fromhex("a9059cbb")  # keccak256("transfer(address,uint256)"), its first four bytes
GAS_WITHOUT_ESTIMATE = 200_000  # more than a token transfer needs; estimating would refuse one that reverts
CUSTOMER = 1
"""Index of the customer among the node's ten funded accounts; 0 is left for users' experiments."""

RECEIPT_POLL_S = 0.02
RECEIPT_POLLS = 1500  # 30 s in all
CALL_TIMEOUT_S = 30.0


class ChainDriverError(Exception):
    """The node refused a call, or a transaction wasn't mined in time."""


class AnvilDriver:
    """A client of one anvil node. `accounts` are the funded addresses whose keys the node holds."""

    def __init__(self, rpc_url: str, accounts: list[str], client: httpx.AsyncClient) -> None:
        self.rpc_url = rpc_url
        self.accounts = accounts
        self._client = client

    @classmethod
    async def connect(cls, rpc_url: str) -> Self:
        """A driver of the node at `rpc_url`. Raises httpx.HTTPError where none listens."""
        driver = cls(rpc_url, [], httpx.AsyncClient(verify=tls_context(), trust_env=False, timeout=CALL_TIMEOUT_S))
        try:
            driver.accounts = [to_checksum_address(account) for account in await driver.call("eth_accounts")]
        except BaseException:
            await driver.aclose()
            raise
        return driver

    async def aclose(self) -> None:
        """Close the connection. The node goes on running."""
        await self._client.aclose()

    async def deploy_token(
        self, supply_raw: int, *, name: str = "Tether USD", symbol: str = "USDT", owner: str | None = None
    ) -> str:
        """Deploy an ERC-20 token and return its contract's address. The whole supply, in minor units, goes to
        `owner`, the first account where left out."""
        owner = owner or self.accounts[0]
        artefact = await asyncio.to_thread(TOKEN_ARTEFACT.read_bytes)
        bytecode: str = msgspec.json.decode(artefact)["bytecode"]
        arguments = encode(["string", "string", "uint256", "address"], [name, symbol, supply_raw, owner])
        receipt = await self.send({"from": owner, "data": bytecode + arguments.hex()})
        if receipt["status"] != "0x1":
            raise ChainDriverError("the token could not be deployed")
        return str(to_checksum_address(receipt["contractAddress"]))

    async def deploy_contract(self, name: contracts.Name, *arguments: object, sender: str | None = None) -> str:
        """Deploy one of `app.sandbox.contracts` with the constructor's arguments, which it lists. Returns its
        address."""
        data = contracts.deployment(name, *arguments)
        receipt = await self.send({"from": sender or self.accounts[0], "data": "0x" + data.hex()})
        if receipt["status"] != "0x1":
            raise ChainDriverError(f"{name} could not be deployed")
        return str(to_checksum_address(receipt["contractAddress"]))

    async def deploy_stablecoin(
        self, supply_raw: int, *, name: contracts.Name = "TetherLike", owner: str | None = None
    ) -> str:
        """Deploy a token with USDT's traps, or USDC's (`CircleLike`). Its supply and the issuer's rights are
        `owner`'s, the first account where left out. Returns its contract's address."""
        owner = owner or self.accounts[0]
        return await self.deploy_contract(name, "Tether USD", "USDT", supply_raw, owner, sender=owner)

    async def call_contract(
        self, contract: str, signature: str, *arguments: object, sender: str | None = None, value_raw: int = 0
    ) -> dict[str, Any]:
        """Call a contract in a transaction of `sender` (the first account where left out), for instance
        `setParams(uint256,uint256)`, and return the receipt, also where it reverted."""
        data = contracts.call_data(signature, *arguments)
        return await self.send(
            {
                "from": sender or self.accounts[0],
                "to": contract,
                "data": "0x" + data.hex(),
                "value": hex(value_raw),
            }
        )

    async def transfer_token(
        self, contract: str, to: str, amount_raw: int, *, sender: str | None = None
    ) -> dict[str, Any]:
        """Call transfer(to, amount_raw) as `sender` (the first account where left out) and return the mined
        transaction's receipt. One that reverts is mined too, with status 0x0."""
        return await self.send(
            {
                "from": sender or self.accounts[0],
                "to": contract,
                "data": "0x" + token_transfer_data(to, amount_raw).hex(),
            }
        )

    async def transfer_native(self, to: str, amount_raw: int, *, sender: str | None = None) -> dict[str, Any]:
        """Send `amount_raw` wei and return the mined transaction's receipt, also where it reverted."""
        return await self.send({"from": sender or self.accounts[0], "to": to, "value": hex(amount_raw)})

    async def send(self, transaction: dict[str, str], *, gas: int | None = None) -> dict[str, Any]:
        """Send a transaction from an account that the node holds, and wait for its receipt.

        Raises `ChainDriverError` where the node refuses it or it isn't mined within 30 s. On a node that
        doesn't mine by itself use `submit`, then `mine`.
        """
        return await self.mined(await self.submit(transaction, gas=gas))

    async def mined(self, txid: str) -> dict[str, Any]:
        """Wait until a block of the present chain has a transaction, and return its receipt.

        anvil also knows receipts of blocks that a revert or a reorganisation has removed. Raises `ChainDriverError`
        after 30 s.
        """
        for _ in range(RECEIPT_POLLS):
            receipt = await self.call("eth_getTransactionReceipt", txid)
            if receipt is not None:
                block = await self.call("eth_getBlockByNumber", receipt["blockNumber"], False)
                if block is not None and block["hash"] == receipt["blockHash"]:
                    return dict(receipt)
            await asyncio.sleep(RECEIPT_POLL_S)
        raise ChainDriverError(f"{txid} was not mined within {RECEIPT_POLLS * RECEIPT_POLL_S:g} s")

    async def submit(self, transaction: dict[str, str], *, gas: int | None = None) -> str:
        """Send a transaction without waiting for it. Returns its id."""
        if gas is None:
            gas = GAS_WITHOUT_ESTIMATE if "to" in transaction else 5_000_000
        return str(await self.call("eth_sendTransaction", {"gas": hex(gas), **transaction}))

    async def mine(self, blocks: int, *, interval_s: int = 1) -> None:
        """Mine that many empty blocks, `interval_s` seconds of chain time apart."""
        await self.call("anvil_mine", hex(blocks), hex(interval_s))

    async def reorg(self, depth: int) -> None:
        """Replace the newest `depth` blocks by as many others, without the transactions that were in them."""
        await self.call("anvil_reorg", depth, [])

    async def rollback(self, depth: int) -> None:
        """Remove the newest `depth` blocks without replacing them."""
        await self.call("anvil_rollback", depth)

    async def set_balance(self, address: str, amount_raw: int) -> None:
        """Set the native balance of an address, in wei, without a transaction."""
        await self.call("anvil_setBalance", address, hex(amount_raw))

    async def balance_of(self, address: str, contract: str | None = None) -> int:
        """The balance of an address in minor units: of the token at `contract`, or of the native coin."""
        if contract is None:
            return int(await self.call("eth_getBalance", address, "latest"), 16)
        data = bytes.fromhex("70a08231") + encode(["address"], [address])  # balanceOf(address)
        return int(await self.call("eth_call", {"to": contract, "data": "0x" + data.hex()}, "latest"), 16)

    async def height(self) -> int:
        """The newest block's height."""
        return int(await self.call("eth_blockNumber"), 16)

    async def call(self, method: str, *params: Any) -> Any:
        """Any JSON-RPC call; its result as plain JSON. Raises `ChainDriverError` where the node refuses."""
        answer = await self._client.post(
            self.rpc_url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        )
        reply = answer.raise_for_status().json()
        if "error" in reply:
            raise ChainDriverError(f"{method}: {reply['error'].get('message')}")
        return reply["result"]


def token_transfer_data(to: str, amount_raw: int) -> bytes:
    """The call data of ERC-20's transfer(address,uint256)."""
    return TRANSFER_SELECTOR + encode(["address", "uint256"], [to, amount_raw])
