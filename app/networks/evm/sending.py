"""Sending on an EVM chain: what it costs, signed bytes, handing them to a node, and what became of them.

Nothing here decides whether to send. Bytes are made by `sign` and stored by the caller before `broadcast` sees
them; handing in the same bytes again is always safe, so an unknown outcome is answered by doing just that.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from eth_abi.abi import encode
from eth_account import Account

from app.networks.config import Asset, NetworkConfig
from app.networks.evm.address import with_checksum
from app.networks.evm.rpc import Call, EvmRpc, RefusedByNode
from app.networks.evm.wire import (
    TRANSFER_TOPIC,
    Data,
    Hash,
    Quantity,
    WireCostReceipt,
    WireFeeHeader,
    WireHeader,
    WireKnown,
    WireLog,
    WireNonceBlock,
)
from app.networks.port import (
    Broadcast,
    Draft,
    FeeAboveCeiling,
    FeeRate,
    Receipt,
    Signed,
    UnreadableAnswer,
    WouldFail,
    WrongChain,
)

TRANSFER_SELECTOR = bytes.fromhex("a9059cbb")  # keccak256("transfer(address,uint256)"), its first four bytes
BALANCE_OF_SELECTOR = bytes.fromhex("70a08231")  # keccak256("balanceOf(address)")
PLAIN_TRANSFER_GAS = 21_000  # a transfer of native coin to an address without code (yellow paper, G_transaction)
GAS_MARGIN = (5, 4)  # the state may differ when the transaction runs; what isn't used isn't paid
MAX_GAS_LIMIT = 2_000_000  # a "token" whose transfer wants more is up to something
BASE_FEE_HEADROOM = 2  # the base fee may double (six full blocks, EIP-1559) before a transaction is stuck
MIN_PRIORITY_FEE_WEI = 1
CALLS_PER_REQUEST = 100


class EvmSender:
    """`app.networks.port.Sender` for one configured EVM network."""

    def __init__(self, config: NetworkConfig) -> None:
        self._config = config
        self._rpc = EvmRpc(config.rpc_urls, config.chain_id)
        self._symbols = {asset.contract.lower(): asset.symbol for asset in config.assets if asset.contract}

    async def check_identity(self) -> None:
        stated = await self._rpc.chain_id()
        if stated != self._config.chain_id:
            raise WrongChain(f"{self._config.key}: the node is on chain {stated}, not {self._config.chain_id}")

    async def fee_rate(self) -> FeeRate:
        calls: list[Call[Any]] = [
            Call("eth_getBlockByNumber", ("latest", False), WireFeeHeader),
            Call("eth_maxPriorityFeePerGas", (), Quantity),
        ]
        head, tip = await self._rpc.ask(calls)
        base_raw, ceiling_raw = int(head.base_fee_per_gas, 16), self._config.max_fee_per_gas_wei
        priority_raw = max(int(tip, 16), MIN_PRIORITY_FEE_WEI)
        if base_raw + priority_raw > ceiling_raw:
            raise FeeAboveCeiling(f"{self._config.key}: gas costs more than the ceiling of {ceiling_raw} wei")
        return FeeRate(base_raw, min(BASE_FEE_HEADROOM * base_raw + priority_raw, ceiling_raw), priority_raw)

    async def gas_limit(self, from_address: str, to_address: str, asset_symbol: str, amount_raw: int) -> int:
        to, value_raw, data = self._transfer(to_address, asset_symbol, amount_raw)
        transaction = {"from": from_address, "to": to, "value": hex(value_raw), "data": "0x" + data.hex()}
        try:
            (estimate,) = await self._rpc.ask([Call[str]("eth_estimateGas", (transaction,), Quantity)])
        except RefusedByNode as refusal:
            raise WouldFail(str(refusal)) from None
        gas = int(estimate, 16)
        if gas > MAX_GAS_LIMIT:
            raise WouldFail(f"{self._config.key}: a transfer of {asset_symbol} would take {gas} gas")
        # Native sweeps count on a plain transfer's gas being exact.
        return gas if gas == PLAIN_TRANSFER_GAS else gas * GAS_MARGIN[0] // GAS_MARGIN[1]

    def sign(self, draft: Draft, private_key: bytes) -> Signed:
        to, value_raw, data = self._transfer(draft.to_address, draft.asset_symbol, draft.amount_raw)
        signed = Account.sign_transaction(
            {
                "type": 2,
                "chainId": self._config.chain_id,
                "nonce": draft.nonce,
                "to": to,
                "value": value_raw,
                "data": data,
                "gas": draft.gas_limit,
                "maxFeePerGas": draft.max_fee_raw,
                "maxPriorityFeePerGas": draft.priority_fee_raw,
            },
            private_key,
        )
        return Signed(txid="0x" + bytes(signed.hash).hex(), raw=bytes(signed.raw_transaction))

    async def broadcast(self, signed: Signed) -> Broadcast:
        call: Call[str] = Call("eth_sendRawTransaction", ("0x" + signed.raw.hex(),), Hash)
        try:
            (txid,) = await self._rpc.ask([call])
        except RefusedByNode as refusal:
            return _meaning(str(refusal))
        if txid.lower() != signed.txid:
            raise UnreadableAnswer(f"transaction {signed.txid}: the node answers with another one's id")
        return Broadcast.ACCEPTED

    async def receipts(self, txids: Sequence[str]) -> list[Receipt | None]:
        found: list[Receipt | None] = []
        for start in range(0, len(txids), CALLS_PER_REQUEST):
            found += await self._receipts(txids[start : start + CALLS_PER_REQUEST])
        return found

    async def pooled(self, txids: Sequence[str]) -> list[bool]:
        known: list[bool] = []
        for start in range(0, len(txids), CALLS_PER_REQUEST):
            some = txids[start : start + CALLS_PER_REQUEST]
            calls = [Call[WireKnown | None]("eth_getTransactionByHash", (t,), WireKnown | None) for t in some]
            known += [answer is not None for answer in await self._rpc.ask(calls)]
        return known

    async def confirmed_height(self) -> int:
        (head,) = await self._rpc.ask([Call[str]("eth_blockNumber", (), Quantity)])
        return max(int(head, 16) - self._config.confirmations + 1, -1)

    async def next_nonce(self, address: str, height: int | None = None) -> int:
        (count,) = await self._rpc.ask([_count_call(address, height)])
        return int(count, 16)

    async def who_used(self, address: str, nonce: int, height: int) -> str | None:
        """Search the blocks for where the count of transactions passes the nonce: back in doubling steps from
        `height`, then halving. The node must still have the states of those blocks."""
        if await self.next_nonce(address, height) <= nonce:
            return None
        step, after = 1, height
        before = height - step
        while before >= 0 and await self.next_nonce(address, before) > nonce:
            step, after = step * 2, before
            before = after - step
        before = max(before, -1)
        while after - before > 1:
            middle = (before + after) // 2
            if await self.next_nonce(address, middle) > nonce:
                after = middle
            else:
                before = middle
        call: Call[WireNonceBlock | None] = Call("eth_getBlockByNumber", (hex(after), True), WireNonceBlock | None)
        (block,) = await self._rpc.ask([call])
        for transaction in block.transactions if block is not None else ():
            if transaction.from_.lower() == address.lower() and int(transaction.nonce, 16) == nonce:
                return transaction.hash.lower()
        return None

    async def balances(self, addresses: Sequence[str], asset_symbol: str, height: int | None = None) -> list[int]:
        asset, block = self._asset(asset_symbol), "latest" if height is None else hex(height)
        found: list[int] = []
        for start in range(0, len(addresses), CALLS_PER_REQUEST):
            some = addresses[start : start + CALLS_PER_REQUEST]
            for answer in await self._rpc.ask([_balance_call(address, asset, block) for address in some]):
                if answer == "0x":
                    raise UnreadableAnswer(f"{self._config.key}: {asset_symbol} has no contract where it should")
                found.append(int(answer, 16))
        return found

    async def aclose(self) -> None:
        await self._rpc.aclose()

    async def _receipts(self, txids: Sequence[str]) -> list[Receipt | None]:
        calls: list[Call[Any]] = [Call("eth_blockNumber", (), Quantity)]
        calls += [Call("eth_getTransactionReceipt", (txid,), WireCostReceipt | None) for txid in txids]
        head, *wires = await self._rpc.ask(calls)
        heights = sorted({int(wire.block_number, 16) for wire in wires if wire is not None})
        headers = await self._rpc.ask(
            [Call[WireHeader | None]("eth_getBlockByNumber", (hex(h), False), WireHeader | None) for h in heights]
        )
        hashes = {h: header.hash.lower() for h, header in zip(heights, headers, strict=True) if header is not None}
        return [
            None if wire is None else self._receipt(wire, txid, int(head, 16), hashes)
            for txid, wire in zip(txids, wires, strict=True)
        ]

    def _receipt(self, wire: WireCostReceipt, txid: str, head: int, hashes: dict[int, str]) -> Receipt | None:
        height = int(wire.block_number, 16)
        if wire.transaction_hash.lower() != txid or wire.status not in ("0x0", "0x1"):
            raise UnreadableAnswer(f"transaction {txid}: the receipt is not one of it")
        if hashes.get(height) != wire.block_hash.lower():
            return None  # of a block that is no longer, or not yet, this chain's
        # Rollups of the OP stack charge the data's price on the first layer besides.
        gas_cost_raw = int(wire.gas_used, 16) * int(wire.effective_gas_price, 16) + int(wire.l1_fee or "0x0", 16)
        return Receipt(
            txid=txid,
            succeeded=wire.status == "0x1",
            height=height,
            block_hash=wire.block_hash.lower(),
            confirmations=max(head - height + 1, 1),
            gas_cost_raw=gas_cost_raw,
            moved=frozenset(self._moved(wire.logs)),
        )

    def _moved(self, logs: Sequence[WireLog]) -> Iterator[tuple[str, str]]:
        for log in logs:
            symbol = self._symbols.get(log.address.lower())
            if symbol is not None and len(log.topics) == 3 and log.topics[0].lower() == TRANSFER_TOPIC:
                yield symbol, with_checksum("0x" + log.topics[1][26:].lower())

    def _transfer(self, to_address: str, asset_symbol: str, amount_raw: int) -> tuple[str, int, bytes]:
        """Whom to call, with how much native coin and which data."""
        asset = self._asset(asset_symbol)
        if asset.contract is None:
            return to_address, amount_raw, b""
        return asset.contract, 0, TRANSFER_SELECTOR + encode(["address", "uint256"], [to_address, amount_raw])

    def _asset(self, symbol: str) -> Asset:
        asset = self._config.asset(symbol)
        if asset is None:
            raise LookupError(f"{symbol} on {self._config.key}")
        return asset


def _meaning(refusal: str) -> Broadcast:
    """What a refusal means. Nodes share no error codes for this, so their words must do: those of geth, reth,
    nethermind, besu, erigon and anvil. What is in none of them is REFUSED, which proves nothing either."""
    text = refusal.lower()
    for meaning, words in _WORDS:
        if any(word in text for word in words):
            return meaning
    return Broadcast.REFUSED


_WORDS = (
    (
        Broadcast.ACCEPTED,
        ("already known", "alreadyknown", "known transaction", "already imported", "already in", "already exists"),
    ),
    (Broadcast.NONCE_TOO_LOW, ("nonce too low", "nonce is too low", "oldnonce", "nonce below")),
    (Broadcast.SHORT, ("insufficient funds", "insufficientfunds", "upfront cost", "insufficient balance")),
    (
        Broadcast.UNDERPRICED,
        ("underpriced", "less than block base fee", "fee too low", "feetoolow", "gas price below", "fee cap"),
    ),
)


def _count_call(address: str, height: int | None) -> Call[str]:
    return Call("eth_getTransactionCount", (address, "latest" if height is None else hex(height)), Quantity)


def _balance_call(address: str, asset: Asset, block: str) -> Call[str]:
    if asset.contract is None:
        return Call("eth_getBalance", (address, block), Quantity)
    data = BALANCE_OF_SELECTOR + encode(["address"], [address])
    return Call("eth_call", ({"to": asset.contract, "data": "0x" + data.hex()}, block), Data)
