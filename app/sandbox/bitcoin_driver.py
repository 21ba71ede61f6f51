"""A client of a local bitcoind in regtest: mines blocks, pays, replaces payments, makes reorganisations.

Only for the sandbox and the tests. The node's own wallet is the customer's: it has the keys, chooses coins and signs.
"""

import time
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any, Self

import httpx

from app.core.money import format_amount
from app.networks.http_node import tls_context

WALLET = "customer"
FIRST_BLOCKS = 130
"""The first mined coins can be spent after 100 blocks, so 30 of them can."""

FIRST_BLOCKS_AGE_S = 3600
"""Mined at once, blocks are ahead of the clock, 1 s for every six. The first ones are given times in the past."""

DECIMALS = 8
CALL_TIMEOUT_S = 30.0

SMALLEST_PAYMENT_VB = 110
"""The size of a transaction with one P2WPKH input and one output: no payment of the wallet is smaller."""

SAT_PER_BTC = 10**DECIMALS
_NO_SUCH_WALLET, _WALLET_IS_LOADED = -18, -35  # RPC_WALLET_NOT_FOUND, RPC_WALLET_ALREADY_LOADED


class BitcoinDriverError(Exception):
    """The node refused a call. `code` is the RPC's error code, None where the driver itself found the problem."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class BitcoinDriver:
    """A client of one bitcoind, with a wallet that has coins."""

    def __init__(self, rpc_url: str, client: httpx.AsyncClient) -> None:
        self.rpc_url = rpc_url
        self._client = client

    @classmethod
    async def connect(cls, rpc_url: str) -> Self:
        """A driver of the node at `rpc_url`, user and password included.

        Creates or loads the customer's wallet, and mines the first 130 blocks on an empty chain, so that the wallet
        has coins. Raises httpx.HTTPError where no node answers.
        """
        driver = cls(rpc_url, httpx.AsyncClient(verify=tls_context(), trust_env=False, timeout=CALL_TIMEOUT_S))
        try:
            await driver._open_wallet()
            if await driver.height() == 0:
                await driver._mine_first_blocks()
        except BaseException:
            await driver.aclose()
            raise
        return driver

    async def aclose(self) -> None:
        """Close the connection. The node goes on running."""
        await self._client.aclose()

    async def mine(self, count: int = 1, *, address: str | None = None) -> list[str]:
        """Mine `count` blocks with the transactions of the pool; the reward goes to `address`, a new one of the wallet
        where left out. Returns the blocks' hashes."""
        return list(await self.call("generatetoaddress", count, address or await self.address()))

    async def mine_empty(self, count: int = 1) -> list[str]:
        """Mine `count` blocks without any transaction of the pool. Returns the blocks' hashes."""
        return [(await self.call("generateblock", await self.address(), []))["hash"] for _ in range(count)]

    async def pay(self, address: str, amount_raw: int, *, fee_rate: int | None = None) -> str:
        """Send `amount_raw` satoshi, at `fee_rate` sat/vB if given, without mining. Returns the transaction's id.

        Raises `BitcoinDriverError` where the node refuses it, and where the pool does not have it: the wallet returns
        an id in that case too.
        """
        fee = {} if fee_rate is None else {"fee_rate": fee_rate}
        txid = str(await self.call("sendtoaddress", address=address, amount=_btc(amount_raw), **fee))
        await self.call("getmempoolentry", txid)
        return txid

    async def replace(self, txid: str, outputs: Mapping[str, int]) -> str:
        """Replace an unmined payment of the wallet by one with the same inputs, these outputs and a higher fee.

        `outputs` are satoshi by address; what is left of the inputs goes back to the wallet. Where they don't cover
        outputs and fee, confirmed coins of the wallet are added: BIP-125 allows no unconfirmed one. With an `address()`
        of the wallet as the only output, the payment is taken back. Transactions that spend the old one leave the pool
        with it. Returns the new transaction's id. Raises `BitcoinDriverError`.
        """
        old = await self.call("getrawtransaction", txid, 1)
        inputs = [{"txid": spent["txid"], "vout": spent["vout"]} for spent in old["vin"]]
        draft = await self.call(
            "createrawtransaction", inputs, [{address: _btc(amount_raw)} for address, amount_raw in outputs.items()]
        )
        fee_rate = _fee_rate_of_replacement(await self.call("getmempoolentry", txid))
        funded = await self.call("fundrawtransaction", draft, {"fee_rate": fee_rate, "minconf": 1})
        signed = await self.call("signrawtransactionwithwallet", funded["hex"])
        return str(await self.call("sendrawtransaction", signed["hex"]))

    async def reorganise(self, depth: int) -> list[str]:
        """Replace the newest `depth` blocks by one more than that. Returns the new blocks' hashes, oldest first.

        The transactions of the last ten replaced blocks return to the pool and are mined again, in the first new
        block; those of deeper blocks are gone. `roll_back`, then `mine_empty`, leaves them in the pool.
        """
        await self.roll_back(depth)
        return await self.mine(depth + 1)

    async def roll_back(self, depth: int) -> None:
        """Remove the newest `depth` blocks without replacing them."""
        height = await self.height()
        await self.call("invalidateblock", await self.call("getblockhash", height - depth + 1))

    async def address(self) -> str:
        """A new address of the wallet, P2WPKH."""
        return str(await self.call("getnewaddress"))

    async def balance_raw(self) -> int:
        """What the wallet can spend, in satoshi: confirmed coins and its own unconfirmed change."""
        return int((await self.call("getbalances"))["mine"]["trusted"] * SAT_PER_BTC)

    async def pool(self) -> list[str]:
        """The ids of the transactions that wait in the node's pool."""
        return list(await self.call("getrawmempool"))

    async def height(self) -> int:
        """The newest block's height."""
        return int(await self.call("getblockcount"))

    async def call(self, method: str, *params: Any, **named: Any) -> Any:
        """Any call of the node or of the customer's wallet; amounts in the answer, which are BTC, as Decimal.

        Parameters are positional or named. Raises `BitcoinDriverError` with the node's message and code, and
        httpx.HTTPError where it does not answer.
        """
        return await self._call(
            f"{self.rpc_url}/wallet/{WALLET}", method, {"args": params, **named} if named else params
        )

    async def _call(self, url: str, method: str, params: Any) -> Any:
        answer = await self._client.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            reply = answer.json(parse_float=Decimal)  # also with an error's status
        except ValueError:
            raise BitcoinDriverError(f"{method}: status {answer.status_code}: {answer.text}") from None
        if (error := reply.get("error")) is not None:
            raise BitcoinDriverError(f"{method}: {error['message']}", error["code"])
        return reply["result"]

    async def _open_wallet(self) -> None:
        """Load the wallet, which is loaded by itself at the node's next start, or create it."""
        try:
            await self._call(self.rpc_url, "loadwallet", [WALLET, True])
        except BitcoinDriverError as error:
            if error.code == _NO_SUCH_WALLET:
                await self._call(self.rpc_url, "createwallet", {"wallet_name": WALLET, "load_on_startup": True})
            elif error.code != _WALLET_IS_LOADED:
                raise

    async def _mine_first_blocks(self) -> None:
        await self.call("setmocktime", int(time.time()) - FIRST_BLOCKS_AGE_S)
        try:
            await self.mine(FIRST_BLOCKS)
        finally:
            await self.call("setmocktime", 0)


def _fee_rate_of_replacement(entry: Mapping[str, Any]) -> int:
    """A rate in sat/vB at which the node takes a replacement: it must pay more in all than what leaves the pool, its
    children included, and 1 sat/vB for itself (BIP-125)."""
    evicted_raw = entry["fees"]["descendant"] * SAT_PER_BTC
    own_rate = entry["fees"]["base"] * SAT_PER_BTC / entry["vsize"]
    return int(max(own_rate, evicted_raw / SMALLEST_PAYMENT_VB).to_integral_value(ROUND_CEILING)) + 2


def _btc(amount_raw: int) -> str:
    """An amount as the RPC takes it."""
    return format_amount(amount_raw, DECIMALS)
