"""What a Bitcoin node says of any transaction now (`Chain.transaction`).

Without an index of transactions, a node finds one in a block only if it is told the block. Its unspent outputs say
which block that is: so everything is found but a transaction whose first outputs are all spent.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from app.networks.bitcoin.addresses import address_of
from app.networks.bitcoin.blocks import ReadTransaction, read_transaction
from app.networks.bitcoin.rpc import BitcoinRpc
from app.networks.bitcoin.wire import (
    INTERNAL_ERROR,
    MISC_ERROR,
    NOT_FOUND,
    Hash,
    WireEstimate,
    WireFoundCoin,
    WireFoundTransaction,
    WireHeader,
    WireMinedHeader,
    WirePoolEntry,
    WirePoolRules,
    satoshi,
)
from app.networks.json_rpc import Call, RefusedByNode
from app.networks.port import UNKNOWN_TRANSACTION, Moved, TransactionState

OUTPUTS_ASKED = 20
"""The first outputs of a transaction, of which one that is unspent says the block."""

USUAL_TARGET_BLOCKS = 6
"""What is usual is the fee with which a transaction is in a block within an hour."""

VB_PER_RATE = 1_000


class Lookup:
    """Looks transactions up on one network."""

    def __init__(self, rpc: BitcoinRpc, asset_symbol: str, hrp: str) -> None:
        self._rpc = rpc
        self._asset_symbol = asset_symbol
        self._hrp = hrp

    async def state(self, txid: str, block_hash: str | None) -> TransactionState:
        """`Chain.transaction`, with one to four requests."""
        first: list[Call[Any]] = [
            _entry_call(txid),
            _transaction_call(txid),
            _estimate_call(),
            _RULES,
            *(_coin_call(txid, index) for index in range(OUTPUTS_ASKED)),
        ]
        entry, found, estimate, rules, *coins = await self._rpc.ask(first)
        if found is not None and entry is not None:
            read = read_transaction(found.hex, txid, self._hrp)
            return TransactionState(
                state="pooled",
                fee_rate_raw=satoshi(entry.fees.base) * VB_PER_RATE // entry.vsize,
                usual_fee_rate_raw=_usual(estimate, rules),
                claims=tuple(read.spends),
                moved=tuple(self._moved(read)),
            )
        if found is not None and found.blockhash is not None:
            return await self._in_block(txid, found.blockhash, found)
        there = [(index, coin) for index, coin in enumerate(coins) if coin is not None and coin.confirmations > 0]
        if there:
            return await self._of_coins(txid, there)
        return UNKNOWN_TRANSACTION if block_hash is None else await self._in_block(txid, block_hash, None)

    async def _in_block(self, txid: str, block_hash: str, found: WireFoundTransaction | None) -> TransactionState:
        """The state of a transaction in a block that is known."""
        calls: list[Call[Any]] = [_header_call(block_hash), *([] if found else [_transaction_call(txid, block_hash)])]
        try:
            header, *answers = await self._rpc.ask(calls)
        except RefusedByNode as refusal:
            if refusal.code != MISC_ERROR:
                raise
            return UNKNOWN_TRANSACTION  # pruned away
        found = found or answers[0]
        if header is None or header.confirmations < 1 or found is None:
            return UNKNOWN_TRANSACTION
        return TransactionState(
            state="mined",
            height=header.height,
            confirmations=header.confirmations,
            moved=tuple(self._moved(read_transaction(found.hex, txid, self._hrp))),
        )

    async def _of_coins(self, txid: str, coins: Sequence[tuple[int, WireFoundCoin]]) -> TransactionState:
        """The state of a transaction with unspent outputs; a pruned node knows no others of it."""
        _, coin = coins[0]
        (tip,) = await self._rpc.ask([_tip_call(coin.bestblock)])
        if tip is None:
            return UNKNOWN_TRANSACTION
        height = tip.height - coin.confirmations + 1
        (block_hash,) = await self._rpc.ask([Call[str]("getblockhash", (height,), Hash)])
        state = await self._in_block(txid, block_hash, None)
        if state.state == "mined":
            return state
        return TransactionState(
            state="mined",
            height=height,
            confirmations=coin.confirmations,
            moved=tuple(
                Moved(index=index, asset_symbol=self._asset_symbol, to_address=address, amount_raw=satoshi(each.value))
                for index, each in coins
                for address in [address_of(bytes.fromhex(each.script.hex), self._hrp)]
                if address is not None
            ),
        )

    def _moved(self, read: ReadTransaction) -> Iterable[Moved]:
        for payment in read.payments:
            yield Moved(
                index=payment.index,
                asset_symbol=self._asset_symbol,
                to_address=payment.address,
                amount_raw=payment.amount_raw,
            )


def _usual(estimate: WireEstimate | None, rules: WirePoolRules) -> int:
    """What is usual now: the node's estimate, or where it has none, the least that its pool takes."""
    least = max(rules.mempoolminfee, rules.minrelaytxfee)
    usual = least if estimate is None or estimate.feerate is None else max(estimate.feerate, least)
    return satoshi(usual)


_RULES: Call[WirePoolRules] = Call("getmempoolinfo", (), WirePoolRules)


def _entry_call(txid: str) -> Call[WirePoolEntry | None]:
    return Call("getmempoolentry", (txid,), WirePoolEntry, frozenset({NOT_FOUND}))


def _transaction_call(txid: str, *block_hash: str) -> Call[WireFoundTransaction | None]:
    return Call("getrawtransaction", (txid, 1, *block_hash), WireFoundTransaction, frozenset({NOT_FOUND}))


def _estimate_call() -> Call[WireEstimate | None]:
    return Call("estimatesmartfee", (USUAL_TARGET_BLOCKS,), WireEstimate, frozenset({INTERNAL_ERROR}))


def _coin_call(txid: str, index: int) -> Call[WireFoundCoin | None]:
    return Call("gettxout", (txid, index, False), WireFoundCoin | None)


def _header_call(block_hash: str) -> Call[WireMinedHeader | None]:
    return Call("getblockheader", (block_hash,), WireMinedHeader, frozenset({NOT_FOUND}))


def _tip_call(block_hash: str) -> Call[WireHeader | None]:
    return Call("getblockheader", (block_hash,), WireHeader, frozenset({NOT_FOUND}))
