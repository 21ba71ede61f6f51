"""The customer of the sandbox: an ordinary wallet on each chain, which can also mine and make reorganisations."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx
import msgspec
from eth_account import Account

from app.sandbox.chain_driver import token_transfer_data
from app.sandbox.home import Ethereum

GAS_NATIVE, GAS_TOKEN = 21_000, 100_000
TIP_WEI = 10**9
CALL_TIMEOUT_S = 10
MINED_TIMEOUT_S = 30
_POLL_S = 0.1


class CustomerError(Exception):
    """The node refused a transfer, or it failed; the message is for the terminal."""


class Customer(Protocol):
    """A customer on one of the sandbox's chains. Every method raises CustomerError."""

    def send(self, symbol: str, to: str, amount_raw: int) -> str:
        """Send `amount_raw` minor units of an asset to an address. Returns the transaction's id."""

    def arrival(self, txid: str) -> str:
        """Where a transaction is, for the terminal: `in block 12`. Waits for the block if there is one each second."""

    def hurry(self, confirmations: int, required: int) -> None:
        """Mine what a payment with so many confirmations waits for, where it would wait for long."""

    def mine(self, blocks: int) -> int:
        """Mine blocks at once. Returns the chain's new height."""

    def reorganise(self, depth: int) -> int:
        """Replace the newest blocks. Returns the chain's new height."""


class Transfer(msgspec.Struct, frozen=True):
    """A mined transfer."""

    txid: str
    block_height: int


class EvmCustomer:
    """Signs with the customer's private key. `lock_path` stops two processes from using the same nonce."""

    def __init__(self, network: Ethereum, lock_path: Path) -> None:
        self._network = network
        self._lock_path = lock_path
        self._account = Account.from_key(network.customer_private_key)

    @property
    def address(self) -> str:
        """The wallet's own address."""
        return str(self._account.address)

    def send(self, symbol: str, to: str, amount_raw: int) -> str:
        """Sign and send `amount_raw` minor units of an asset. Returns the transaction's id. Raises CustomerError."""
        asset = self._network.assets.get(symbol)
        if asset is None:
            raise CustomerError(f"{symbol} is not on this chain; there are {', '.join(self._network.assets)}")
        if asset.contract is None:
            transfer: dict[str, Any] = {"to": to, "value": amount_raw, "gas": GAS_NATIVE}
        else:
            data = "0x" + token_transfer_data(to, amount_raw).hex()
            transfer = {"to": asset.contract, "value": 0, "data": data, "gas": GAS_TOKEN}
        with self._locked():
            head = self.rpc("eth_getBlockByNumber", "latest", False)
            signed = self._account.sign_transaction(
                {
                    **transfer,
                    "type": 2,  # EIP-1559
                    "chainId": self._network.chain_id,
                    "nonce": int(self.rpc("eth_getTransactionCount", self.address, "pending"), 16),
                    "maxPriorityFeePerGas": TIP_WEI,
                    "maxFeePerGas": 2 * int(head["baseFeePerGas"], 16) + TIP_WEI,
                }
            )
            return str(self.rpc("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex()))

    def wait_until_mined(self, txid: str) -> Transfer:
        """Wait for a transaction's block. Raises CustomerError if there is none in time, or if it reverted."""
        deadline_s = time.monotonic() + MINED_TIMEOUT_S
        while (receipt := self.rpc("eth_getTransactionReceipt", txid)) is None:
            if time.monotonic() > deadline_s:
                raise CustomerError(f"{txid} was not mined within {MINED_TIMEOUT_S} s")
            time.sleep(_POLL_S)
        if receipt["status"] != "0x1":
            raise CustomerError(f"{txid} reverted: has the customer enough?")
        return Transfer(txid, int(receipt["blockNumber"], 16))

    def arrival(self, txid: str) -> str:
        """The transaction's block, once it is mined. Raises CustomerError if there is none in time."""
        return f"in block {self.wait_until_mined(txid).block_height}"

    def hurry(self, confirmations: int, required: int) -> None:
        """Nothing: a block comes each second."""

    def mine(self, blocks: int) -> int:
        """Mine empty blocks at once. Returns the chain's new height."""
        self.rpc("anvil_mine", hex(blocks))
        return self._height()

    def reorganise(self, depth: int) -> int:
        """Replace the newest `depth` blocks by empty ones. Returns the chain's height."""
        self.rpc("anvil_reorg", depth, [])
        return self._height()

    def rpc(self, method: str, *params: object) -> Any:
        """Call any method of the node. Raises CustomerError with the node's message."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            answer = httpx.post(self._network.rpc_url, json=call, timeout=CALL_TIMEOUT_S, trust_env=False).json()
        except (httpx.HTTPError, ValueError) as error:
            raise CustomerError(f"the chain at {self._network.rpc_url} does not answer: {error}") from None
        if "error" in answer:
            raise CustomerError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def _height(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock_path.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
