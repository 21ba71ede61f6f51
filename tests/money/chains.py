"""The chains on which money moves in any order (test_any_order.py): an EVM node, a Bitcoin node and the double of a
Tron node behind the same few steps. Their blocks are mined only on request, and their clocks stay in step with ours."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Protocol

from embit import script
from embit.networks import NETWORKS
from eth_utils.address import to_checksum_address

from app.core import clock, database
from app.networks.bitcoin.addresses import parse
from app.networks.tron.addresses import PREFIX, from_hex
from app.sandbox.bitcoin_driver import BitcoinDriver, BitcoinDriverError
from app.sandbox.chain_driver import AnvilDriver, ChainDriverError, token_transfer_data
from app.sandbox.tron_driver import TronDriver

CONFIRMATIONS = 3


class MoneyChain(Protocol):
    """A chain with customers, whose payments need a block.

    `decimals` are those of its assets. `hot_raw` is what an operator tops the hot wallet up with at first, so much that
    no payout waits for a sweep or for fees. Blocks up to `base_height` are never replaced. `spends_deposits`: what we
    pay is spent from what came in, and is lost where that is lost for good. `is_lying`: the nodes say what is not so.
    """

    network: ClassVar[str]
    decimals: ClassVar[Mapping[str, int]]
    hot_raw: ClassVar[Mapping[str, int]]
    spends_deposits: ClassVar[bool]
    hot_address: str
    base_height: int
    is_lying: bool

    async def send(self, asset: str, to: str, amount_raw: int, customer: int = 0) -> None:
        """A customer sends a transfer to the node."""
        ...

    async def mine(self, blocks: int) -> None:
        """Mine the waiting transactions, and more blocks."""
        ...

    async def height(self) -> int:
        """The newest block's height."""
        ...

    async def reorganise(self, depth: int) -> None:
        """Replace the newest blocks by empty ones, at most those above `base_height`."""
        ...

    async def forget_waiting(self) -> None:
        """The node loses its pool: transactions in no block are lost, ours too."""
        ...

    async def resubmit(self) -> None:
        """Customers' nodes send their lost transactions again; those that can't be mined any more stay lost."""
        ...

    async def replace(self, chance: int, share: float) -> bool:
        """A customer replaces a payment that waits by one of this share of its amount, 0 to take it back. False where
        none can be replaced."""
        ...

    async def lie(self, chance: int) -> None:
        """The nodes deny a transaction of ours, lose what they accept, or refuse what they keep; 0 ends that."""
        ...

    async def nobody(self) -> str:
        """A new address that is not ours."""
        ...

    async def arrived_raw(self, asset: str, addresses: Sequence[str]) -> dict[str, int]:
        """What each of these addresses, from which nothing is ever spent, has received in blocks."""
        ...

    async def check(self) -> None:
        """What must hold on this kind of chain alone, once the watcher has read the newest block."""
        ...


@dataclass
class AccountChain:
    """anvil. `dropped`: customers' transactions that reorganisations removed."""

    network: ClassVar[str] = "ethereum:test"
    decimals: ClassVar[Mapping[str, int]] = {"USDT": 6, "ETH": 18}
    hot_raw: ClassVar[Mapping[str, int]] = {"USDT": 10**12, "ETH": 10**20}
    spends_deposits: ClassVar[bool] = False

    driver: AnvilDriver
    token: str
    hot_address: str
    base_height: int = 0
    is_lying: bool = False
    dropped: list[str] = field(default_factory=list)

    async def send(self, asset: str, to: str, amount_raw: int, customer: int = 0) -> None:
        sender = self.driver.accounts[customer]
        if asset == "ETH":
            await self.driver.submit({"from": sender, "to": to, "value": hex(amount_raw)})
        else:
            data = "0x" + token_transfer_data(to, amount_raw).hex()
            await self.driver.submit({"from": sender, "to": self.token, "data": data})

    async def mine(self, blocks: int) -> None:
        head = await self.driver.call("eth_getBlockByNumber", "latest", False)
        at = max(int(head["timestamp"], 16) + 1, int(clock.now().timestamp()))
        await self.driver.call("evm_setNextBlockTimestamp", at)
        await self.driver.mine(blocks)
        ahead = datetime.fromtimestamp(at + blocks, UTC) - clock.now()
        clock.shift(max(ahead, timedelta()))

    async def height(self) -> int:
        return await self.driver.height()

    async def reorganise(self, depth: int) -> None:
        head = await self.driver.height()
        depth = min(depth, head - self.base_height)
        if depth <= 0:
            return
        for height in range(head - depth + 1, head + 1):
            block = await self.driver.call("eth_getBlockByNumber", hex(height), True)
            for transaction in block["transactions"]:
                if to_checksum_address(transaction["from"]) in self.driver.accounts:
                    raw = await self.driver.call("eth_getRawTransactionByHash", transaction["hash"])
                    self.dropped.append(raw)
        await self.driver.reorg(depth)

    async def forget_waiting(self) -> None:
        await self.driver.call("anvil_dropAllTransactions")

    async def resubmit(self) -> None:
        for raw in self.dropped:
            with suppress(ChainDriverError):
                await self.driver.call("eth_sendRawTransaction", raw)
        self.dropped.clear()

    async def replace(self, chance: int, share: float) -> bool:
        """There is no useful pool to replace payments in."""
        return False

    async def lie(self, chance: int) -> None:
        """Nothing: a nonce keeps two attempts apart, whatever a node says."""

    async def nobody(self) -> str:
        return to_checksum_address(os.urandom(20))

    async def arrived_raw(self, asset: str, addresses: Sequence[str]) -> dict[str, int]:
        token = self.token if asset == "USDT" else None
        return {address: await self.driver.balance_of(address, token) for address in addresses}

    async def check(self) -> None:
        """Balances are compared by reconciliation."""


POOL_EXPIRY = timedelta(hours=337)
"""What is older than two weeks leaves a node's pool when another transaction arrives (`-mempoolexpiry`)."""

FEE_RATE = 5
"""What customers pay, in sat/vB."""


@dataclass
class Sent:
    """A customer's payment that was sent to us: its bytes, and what it pays. `was_final`: it had enough confirmations
    once, so what it has paid may be spent by now, and it is not replaced any more."""

    raw: str
    to: str
    amount_raw: int
    was_final: bool = False


@dataclass
class CoinChain:
    """bitcoind in regtest. `sent`: customers' payments by their ids, without those that were replaced."""

    network: ClassVar[str] = "bitcoin:test"
    decimals: ClassVar[Mapping[str, int]] = {"BTC": 8}
    hot_raw: ClassVar[Mapping[str, int]] = {"BTC": 10**8}
    spends_deposits: ClassVar[bool] = True

    driver: BitcoinDriver
    hot_address: str
    base_height: int = 0
    is_lying: bool = False
    sent: dict[str, Sent] = field(default_factory=dict)

    async def send(self, asset: str, to: str, amount_raw: int, customer: int = 0) -> None:
        await self._keep_time()
        txid = await self.driver.pay(to, amount_raw, fee_rate=FEE_RATE)
        self.sent[txid] = Sent(await self._raw(txid), to, amount_raw)

    async def mine(self, blocks: int) -> None:
        """A block's time is above the median of the last eleven, and may so be ahead of the clock."""
        await self._keep_time()
        *_, newest = await self.driver.mine(blocks)
        header = await self.driver.call("getblockheader", newest)
        clock.shift(max(datetime.fromtimestamp(header["time"] + 1, UTC) - clock.now(), timedelta()))
        await self._mark_final()

    async def height(self) -> int:
        return await self.driver.height()

    async def reorganise(self, depth: int) -> None:
        """The node puts the transactions of the last ten blocks back into its pool; those of deeper ones are lost."""
        depth = min(depth, await self.height() - self.base_height)
        if depth > 0:
            await self._keep_time()
            await self.driver.roll_back(depth)
            await self.driver.mine_empty(depth + 1)

    async def forget_waiting(self) -> None:
        await self.driver.call("setmocktime", int((clock.now() + POOL_EXPIRY).timestamp()))
        await self.driver.pay(await self.driver.address(), 100_000, fee_rate=FEE_RATE)
        await self._keep_time()

    async def resubmit(self) -> None:
        await self._keep_time()
        for _ in range(2):  # a payment may spend the change of a later one in this order
            for one in self.sent.values():
                with suppress(BitcoinDriverError):
                    await self.driver.call("sendrawtransaction", one.raw)

    async def replace(self, chance: int, share: float) -> bool:
        pool = set(await self.driver.pool())
        waiting = [txid for txid, one in self.sent.items() if txid in pool and not one.was_final]
        if not waiting:
            return False
        await self._keep_time()
        txid = waiting[chance % len(waiting)]
        old = self.sent[txid]
        amount_raw = int(old.amount_raw * share)
        outputs = {old.to: amount_raw} if amount_raw else {await self.driver.address(): old.amount_raw}
        try:
            new = await self.driver.replace(txid, outputs)
        except BitcoinDriverError:
            return False  # its coins do not suffice
        del self.sent[txid]
        self.sent[new] = Sent(await self._raw(new), old.to, amount_raw)
        return True

    async def lie(self, chance: int) -> None:
        """Nothing: a coin keeps two attempts apart, whatever a node says."""

    async def nobody(self) -> str:
        """An address of no wallet: what it has received stays there, so that the node can tell it."""
        return str(script.Script(bytes([0, 20]) + os.urandom(20)).address(NETWORKS["regtest"]))

    async def arrived_raw(self, asset: str, addresses: Sequence[str]) -> dict[str, int]:
        arrived = dict.fromkeys(addresses, 0)
        scripts = {parse(address, "regtest")[1].hex(): address for address in addresses}
        for unspent in await self._unspent(list(scripts)):
            arrived[scripts[unspent["scriptPubKey"]]] += _satoshi(unspent)
        return arrived

    async def check(self) -> None:
        """The book of coins is, outpoint by outpoint, what the node has unspent at our addresses, change included; and
        nobody else has spent one."""
        rows = await database.fetch_all(
            "SELECT txid, vout, amount_raw FROM coins WHERE height IS NOT NULL AND spent_by IS NULL AND network = $1",
            self.network,
        )
        ours = await database.fetch_all(
            """
            SELECT address FROM deposit_addresses WHERE network = $1
            UNION SELECT address FROM change_addresses WHERE network = $1
            """,
            self.network,
        )
        addresses = [self.hot_address, *(row["address"] for row in ours)]
        unspent = await self._unspent([parse(address, "regtest")[1].hex() for address in addresses])
        on_chain = {(coin["txid"], coin["vout"], _satoshi(coin)) for coin in unspent}
        assert {(row["txid"], row["vout"], row["amount_raw"]) for row in rows} == on_chain
        assert await database.fetch_value("SELECT count(*) FROM alerts WHERE kind = 'unknown_spend'") == 0

    async def _unspent(self, scripts: Sequence[str]) -> list[dict[str, Any]]:
        if not scripts:
            return []
        found = await self.driver.call("scantxoutset", "start", [f"raw({each})" for each in scripts])
        return list(found["unspents"])

    async def _raw(self, txid: str) -> str:
        return str(await self.driver.call("getrawtransaction", txid))

    async def _keep_time(self) -> None:
        await self.driver.call("setmocktime", int(clock.now().timestamp()))

    async def _mark_final(self) -> None:
        fresh = {txid for txid, one in self.sent.items() if not one.was_final}
        top = await self.height()
        for height in range(max(self.base_height, top - CONFIRMATIONS - 10), top - CONFIRMATIONS + 2):
            if not fresh:
                return
            block = await self.driver.call("getblock", await self.driver.call("getblockhash", height))
            for txid in fresh & set(block["tx"]):
                self.sent[txid].was_final = True


PACE = 7
"""Blocks of Tron where the others have one: three times as many make what is in the first of them final."""


@dataclass
class TimedChain:
    """The double of a Tron node, seen by the gateway through two nodes."""

    network: ClassVar[str] = "tron:test"
    decimals: ClassVar[Mapping[str, int]] = {"USDT": 6, "TRX": 6}
    hot_raw: ClassVar[Mapping[str, int]] = {"USDT": 10**12, "TRX": 10**11}
    spends_deposits: ClassVar[bool] = False

    driver: TronDriver
    token: str
    hot_address: str
    base_height: int = 0
    is_lying: bool = False

    async def send(self, asset: str, to: str, amount_raw: int, customer: int = 0) -> None:
        await self.driver.pay(to, amount_raw, contract=self.token if asset == "USDT" else None)

    async def mine(self, blocks: int) -> None:
        now_ms = int(clock.now().timestamp() * 1000)
        if now_ms > (await self.driver.state())["time_ms"]:
            await self.driver.double("clock", next_ms=now_ms)
        await self.driver.mine(PACE * blocks)
        head = datetime.fromtimestamp((await self.driver.state())["time_ms"] / 1000, UTC)
        clock.shift(max(head - clock.now(), timedelta()))

    async def height(self) -> int:
        return int((await self.driver.state())["number"])

    async def reorganise(self, depth: int) -> None:
        """No final block is replaced. What was in the others waits for a block again, until its time is over."""
        state = await self.driver.state()
        depth = min(2 * depth, state["number"] - max(self.base_height, state["solid"]))
        if depth > 0:
            await self.driver.fork(depth, empty=True)

    async def forget_waiting(self) -> None:
        await self.driver.double("drop")

    async def resubmit(self) -> None:
        """They wait already, or are lost."""

    async def replace(self, chance: int, share: float) -> bool:
        """There is no useful pool to replace payments in."""
        return False

    async def lie(self, chance: int) -> None:
        ours = await database.fetch_all("SELECT txid FROM outgoing_transactions ORDER BY id DESC LIMIT 3")
        denied = [row["txid"] for row in ours][chance % 3 :][:1]
        refusal = {"message": "", "times": 2, "keep": chance % 2 == 0}
        lies: list[dict[str, Any]] = [
            {},
            {"absent": denied},
            {"lose": 2},
            {"id_cache": True, "lose": 1},
            {"refusals": [{"code": "NOT_ENOUGH_EFFECTIVE_CONNECTION", **refusal}]},
            {"refusals": [{"code": "TRANSACTION_EXPIRATION_ERROR", **refusal}]},
        ]
        lie = lies[chance % len(lies)]
        self.is_lying = bool(lie)
        for node in NODES if chance % 4 else NODES[:1]:
            await self.driver.faults(node, **lie)

    async def nobody(self) -> str:
        return from_hex(PREFIX + os.urandom(20).hex())

    async def arrived_raw(self, asset: str, addresses: Sequence[str]) -> dict[str, int]:
        token = self.token if asset == "USDT" else None
        return {address: await self.driver.balance_of(address, token) for address in addresses}

    async def check(self) -> None:
        """Nobody else has sent anything, no dead attempt was mined, and our own scan has the transactions of ours that
        blocks have, in these blocks."""
        strange = await database.fetch_value(
            "SELECT count(*) FROM alerts WHERE kind IN ('unknown_spend', 'expired_transaction_mined')"
        )
        assert strange == 0
        rows = await database.fetch_all(
            """
            SELECT t.txid, a.height FROM outgoing_transactions t
            LEFT JOIN account_transactions a ON (a.network, a.txid) = (t.network, t.txid)
            """
        )
        for row in rows:
            assert (await self.driver.info(row["txid"])).get("blockNumber") == row["height"], row["txid"]


NODES = ("first", "second")
"""The gateway's nodes; customers have another one, which says what is so."""


def _satoshi(unspent: Mapping[str, Any]) -> int:
    return int(unspent["amount"] * 10**8)
