"""Sending on an EVM chain: fees, signing, broadcasting, and the outcome of transactions.

Nothing here decides whether to send. The caller stores the bytes that `sign` returns before it calls `broadcast`.
Broadcasting the same bytes again is always safe, and is what to do when the outcome is unknown.
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from app.networks.config import Asset
from app.networks.evm import holdings, rollup
from app.networks.evm.address import with_checksum
from app.networks.evm.config import EvmConfig
from app.networks.evm.holdings import CALLS_PER_REQUEST, TXID
from app.networks.evm.rpc import EvmRpc
from app.networks.evm.wire import Hash, Quantity, WireFeeHeader, WireHeader, WireKnown, WireNonceBlock, WireSigned
from app.networks.json_rpc import Call, NobodyAnswered, RefusedByNode
from app.networks.port import (
    Broadcast,
    Draft,
    FeeAboveCeiling,
    FeeRate,
    NotATransfer,
    OnChain,
    Receipt,
    Signed,
    UnreadableAnswer,
    WouldFail,
    WrongChain,
)

TRANSFER_SELECTOR = bytes.fromhex("a9059cbb")  # keccak256("transfer(address,uint256)"), its first four bytes
TRANSFER_LENGTH = 4 + 2 * 32  # the selector, and two words
BALANCE_OF_SELECTOR = bytes.fromhex("70a08231")  # keccak256("balanceOf(address)")
PLAIN_TRANSFER_GAS = 21_000  # a transfer of native coin to an address without code (yellow paper, G_transaction)
GAS_MARGIN = (5, 4)  # the state may differ when the transaction runs; what isn't used isn't paid
MAX_GAS_LIMIT = 2_000_000  # a token whose transfer needs more is suspicious
BASE_FEE_HEADROOM = 2  # the base fee may double (six full blocks, EIP-1559) before a transaction is stuck
MIN_PRIORITY_FEE_WEI = 1


class EvmSender:
    """`app.networks.port.Sender` for one configured EVM network."""

    def __init__(self, config: EvmConfig) -> None:
        self._config = config
        self._rpc = EvmRpc(config.rpc_urls, config.chain_id)
        self._tokens = {asset.contract.lower(): asset for asset in config.assets if asset.contract}

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

    def is_above_ceiling(self, draft: Draft) -> bool:
        return draft.max_fee_raw > self._config.max_fee_per_gas_wei

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

    async def with_data_fee(self, draft: Draft) -> Draft:
        if self._config.rollup is None:
            return draft
        # Three bytes longer than the unsigned form: the shortest signature that can be written down.
        unsigned = _encoded({**self._fields(draft), "v": 1, "r": 1, "s": 1})
        return msgspec.structs.replace(draft, data_fee_raw=await rollup.data_fee_raw(self._rpc, unsigned))

    def sign(self, draft: Draft, private_key: bytes) -> Signed:
        signed = _account().sign_transaction(self._fields(draft), private_key)
        return Signed(txid="0x" + bytes(signed.hash).hex(), raw=bytes(signed.raw_transaction))

    async def broadcast(self, signed: Signed) -> Broadcast:
        call: Call[str] = Call("eth_sendRawTransaction", ("0x" + signed.raw.hex(),), Hash)
        try:
            (txid,) = await self._rpc.ask([call])
        except RefusedByNode as refusal:
            return _meaning(str(refusal))
        except NobodyAnswered as failure:
            # One node's refusal counts, even if another node doesn't answer: that one may be down for days.
            refusals = [str(each) for each in failure.failures if isinstance(each, RefusedByNode)]
            if not refusals:
                raise
            return _meaning(refusals[0])
        if txid.lower() != signed.txid:
            raise UnreadableAnswer(f"transaction {signed.txid}: the node answers with another one's id")
        return Broadcast.ACCEPTED

    async def receipts(self, txids: Collection[str]) -> dict[str, Receipt]:
        (head,) = await self._rpc.ask([Call[str]("eth_blockNumber", (), Quantity)])
        settled = await holdings.settlements(self._rpc, self._config.native, self._tokens, txids)
        hashes = await self._hashes(sorted({settlement.height for settlement in settled.values()}))
        return {
            txid: Receipt(
                **msgspec.structs.asdict(settlement), confirmations=max(int(head, 16) - settlement.height + 1, 1)
            )
            for txid, settlement in settled.items()
            if hashes.get(settlement.height) == settlement.block_hash  # otherwise its block is not in the current chain
        }

    async def look_up(self, txid: str) -> OnChain | None:
        if not TXID.fullmatch(txid):
            return None
        call: Call[WireSigned | None] = Call("eth_getTransactionByHash", (txid,), WireSigned | None)
        (found,) = await self._rpc.ask([call])
        if found is None:
            return None
        draft = self._draft(found)
        signature = {name: int(getattr(found, name), 16) for name in "vrs"}
        raw = _encoded({**self._fields(draft), **signature})
        # The id is the hash of the bytes: if the node changed one of the fields, the hash differs.
        if keccak(raw) != bytes.fromhex(found.hash[2:]) or found.hash.lower() != txid.lower():
            raise NotATransfer(f"transaction {txid} is not made as we make ours")
        sender = _account().recover_transaction(raw)
        return OnChain(from_address=str(sender), draft=draft, signed=Signed(found.hash.lower(), raw))

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
        try:
            return await self._search(address, nonce, height)
        except RefusedByNode:
            return None

    async def balances_raw(
        self, addresses: Sequence[str], asset_symbol: str, height: int | None = None
    ) -> dict[str, int]:
        return await holdings.balances_raw(self._rpc, self._asset(asset_symbol), addresses, height)

    async def aclose(self) -> None:
        await self._rpc.aclose()

    async def _search(self, address: str, nonce: int, height: int) -> str | None:
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

    async def _hashes(self, heights: Sequence[int]) -> dict[int, str]:
        """The hashes of the blocks that are now at these heights."""
        hashes: dict[int, str] = {}
        for start in range(0, len(heights), CALLS_PER_REQUEST):
            some = heights[start : start + CALLS_PER_REQUEST]
            calls = [Call[WireHeader | None]("eth_getBlockByNumber", (hex(h), False), WireHeader | None) for h in some]
            for height, header in zip(some, await self._rpc.ask(calls), strict=True):
                if header is not None:
                    hashes[height] = header.hash.lower()
        return hashes

    def _fields(self, draft: Draft) -> dict[str, Any]:
        """The fields of the unsigned transaction of a draft (EIP-1559)."""
        to, value_raw, data = self._transfer(draft.to_address, draft.asset_symbol, draft.amount_raw)
        return {
            "type": 2,
            "chainId": self._config.chain_id,
            "nonce": draft.nonce,
            "to": to,
            "value": value_raw,
            "data": data,
            "gas": draft.gas_limit,
            "maxFeePerGas": draft.max_fee_raw,
            "maxPriorityFeePerGas": draft.priority_fee_raw,
        }

    def _draft(self, sent: WireSigned) -> Draft:
        """The transfer that a transaction makes. Raises NotATransfer."""
        if sent.type != "0x2" or sent.to is None or not sent.max_fee_per_gas or not sent.max_priority_fee_per_gas:
            raise NotATransfer(f"transaction {sent.hash} is not made as we make ours")
        token, data = self._tokens.get(sent.to.lower()), bytes.fromhex(sent.input[2:])
        if token is not None and data.startswith(TRANSFER_SELECTOR) and len(data) == TRANSFER_LENGTH:
            symbol, recipient, amount_raw = token.symbol, "0x" + data[16:36].hex(), int.from_bytes(data[36:])
        elif token is None and not data and self._config.native is not None:
            symbol, recipient, amount_raw = self._config.native.symbol, sent.to.lower(), int(sent.value, 16)
        else:
            raise NotATransfer(f"transaction {sent.hash} is no transfer of an asset of {self._config.key}")
        return Draft(
            to_address=with_checksum(recipient),
            asset_symbol=symbol,
            amount_raw=amount_raw,
            nonce=int(sent.nonce, 16),
            gas_limit=int(sent.gas, 16),
            max_fee_raw=int(sent.max_fee_per_gas, 16),
            priority_fee_raw=int(sent.max_priority_fee_per_gas, 16),
        )

    def _transfer(self, to_address: str, asset_symbol: str, amount_raw: int) -> tuple[str, int, bytes]:
        """The address to call, the native coin to send, and the call's data."""
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
    """The meaning of a refusal, found by its words, since nodes have no common error codes: the words of geth, reth,
    nethermind, besu, erigon and anvil. Any other refusal is REFUSED, which proves no failure."""
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


def _account() -> Any:
    """eth-account's class, imported at its first use: that takes most of a second, and only the signer signs."""
    from eth_account import Account  # noqa: PLC0415

    return Account


def _encoded(fields: dict[str, Any]) -> bytes:
    """A typed transaction (EIP-2718) with its signature, as bytes."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction  # noqa: PLC0415

    return bytes(TypedTransaction.from_dict(fields).encode())
