"""What transactions of ours that are in a block have done.

In which block one is was found by our own scan of the blocks. A node then tells the outcome, in two answers that must
agree: a failure that is none would free money that was paid.
"""

from collections.abc import Mapping

from app.networks.port import SentTransfer, Settlement, UnreadableAnswer
from app.networks.tron.addresses import from_hex
from app.networks.tron.blocks import Rules, read_transaction
from app.networks.tron.node import TronNodes
from app.networks.tron.wire import CALL, SUCCESS
from app.networks.tron.wire_sending import WireOutcome, WireSigned

FAILED = "FAILED"
HEIGHT_DIGITS = 16
"""A block's id begins with its height, in hex."""


async def settlements(nodes: TronNodes, rules: Rules, blocks: Mapping[str, str], root: str) -> dict[str, Settlement]:
    """The outcomes, by txid, of transactions that our scan has found: `blocks` has the block's id of each.

    `root` is `wallet` for all blocks, `walletsolidity` for final ones alone. Left out is what the node does not have in
    that block: it lags behind, or the chain has just been reorganised. Raises NodeUnavailable, UnreadableAnswer.
    """
    settled: dict[str, Settlement] = {}
    for txid, block_hash in blocks.items():
        outcome = await nodes.find(f"{root}/gettransactioninfobyid", {"value": txid}, WireOutcome)
        transaction = await nodes.find(f"{root}/gettransactionbyid", {"value": txid}, WireSigned)
        if outcome is None or transaction is None or outcome.block_number != int(block_hash[:HEIGHT_DIGITS], 16):
            continue
        if outcome.id != txid or transaction.txid != txid:
            raise UnreadableAnswer(f"transaction {txid}: the node answers for another one")
        done = read_transaction(transaction, outcome, rules)
        _check_outcome(txid, outcome, transaction, succeeded=done.succeeded)
        settled[txid] = Settlement(
            height=outcome.block_number,
            block_hash=block_hash,
            succeeded=done.succeeded,
            fee_raw=outcome.fee,
            transfers=tuple(
                SentTransfer(move.asset_symbol, from_hex(move.sender), from_hex(move.receiver), move.amount_raw)
                for move in done.moves
            ),
        )
    return settled


def _check_outcome(txid: str, outcome: WireOutcome, transaction: WireSigned, *, succeeded: bool) -> None:
    """Raise UnreadableAnswer unless block and receipt both say whether a transaction succeeded, and say the same."""
    of_block = transaction.ret[0].contract_ret if transaction.ret else ""
    is_call = transaction.raw_data.contract[0].type == CALL
    of_receipt = outcome.receipt.result or ("" if is_call else of_block)  # only a contract's call has one
    says_all = of_block and of_receipt and (of_receipt == SUCCESS) == succeeded
    if not says_all or outcome.result != ("" if succeeded else FAILED):
        raise UnreadableAnswer(f"transaction {txid}: the node's answers disagree whether it succeeded")
