"""What a Tron node says of any transaction now (`Chain.transaction`)."""

from collections.abc import Iterable
from contextlib import suppress

import msgspec

from app.networks.port import UNKNOWN_TRANSACTION, Moved, NodeUnavailable, TransactionState, UnreadableAnswer
from app.networks.token_names import SYMBOL_SELECTOR, symbol_of
from app.networks.tron.addresses import PREFIX, VOID, from_hex
from app.networks.tron.blocks import COIN_INDEX, TRANSFER_TOPIC, Rules, read_transaction
from app.networks.tron.contract_calls import CallFails, simulate
from app.networks.tron.node import TronNodes
from app.networks.tron.wire import WireBlockHeader, WireInfo, WireTransaction

MOST_LOGS = 1_000
"""Events that are read of one transaction."""


async def state(nodes: TronNodes, rules: Rules, txid: str, *, internal: bool) -> TransactionState:
    """What the node says of a transaction, with two or three requests. `internal`: inner calls count too."""
    info = await nodes.find("wallet/gettransactioninfobyid", {"value": txid}, WireInfo)
    if info is None:
        return await _waiting(nodes, txid)
    transaction = await nodes.find("wallet/gettransactionbyid", {"value": txid}, WireTransaction)
    head = await nodes.ask("wallet/getblock", {"detail": False}, WireBlockHeader)
    if transaction is None:
        return UNKNOWN_TRANSACTION  # its block has just been taken back
    if info.id != txid or transaction.txid != txid:
        raise UnreadableAnswer(f"transaction {txid}: the node answers with another one")
    succeeded, moved = _done(transaction, info, rules, internal=internal)
    return TransactionState(
        state="mined",
        height=info.block_number,
        confirmations=max(head.block_header.raw_data.number - info.block_number + 1, 1),
        succeeded=succeeded,
        moved=tuple(moved),
    )


async def token_name(nodes: TronNodes, contract: str) -> str | None:
    """What the contract of a token calls itself; None where it has no such function."""
    try:
        answer = await simulate(nodes, contract, VOID, SYMBOL_SELECTOR.hex())
    except CallFails:
        return None
    return symbol_of(bytes.fromhex(answer.result))


async def _waiting(nodes: TronNodes, txid: str) -> TransactionState:
    """A transaction in the pool, where the node has that question: providers leave it out. Nothing is known of what it
    will do before a block runs it."""
    waiting: WireTransaction | None = None
    with suppress(NodeUnavailable):
        waiting = await nodes.find("wallet/gettransactionfrompending", {"value": txid}, WireTransaction)
    if waiting is None or waiting.txid != txid:
        return UNKNOWN_TRANSACTION
    return TransactionState(state="pooled")


def _done(
    transaction: WireTransaction, info: WireInfo, rules: Rules, *, internal: bool
) -> tuple[bool, Iterable[Moved]]:
    """Whether a transaction in a block succeeded, and what it has moved, of all tokens. Logs keep their places."""
    logs = [log if log.topics[:1] == [TRANSFER_TOPIC] else msgspec.structs.replace(log, topics=[]) for log in info.log]
    # A contract that is not configured takes the place of its symbol: no symbol has small letters or so many digits.
    tokens = {log.address.lower(): rules.tokens.get(log.address.lower(), PREFIX + log.address.lower()) for log in logs}
    contracts = {symbol: from_hex(PREFIX + digits) for digits, symbol in tokens.items()}
    read = read_transaction(transaction, msgspec.structs.replace(info, log=logs[:MOST_LOGS]), Rules(tokens, rules.coin))
    return read.succeeded, (
        Moved(
            index=move.index,
            asset_symbol=None if move.asset_symbol.startswith(PREFIX) else move.asset_symbol,
            to_address=from_hex(move.receiver),
            amount_raw=move.amount_raw,
            from_address=from_hex(move.sender),
            contract=contracts.get(move.asset_symbol) if move.index >= 0 else None,
        )
        for move in read.moves
        if move.index >= COIN_INDEX or internal
    )
