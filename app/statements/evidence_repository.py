"""Every statement that reads what only the evidence of a month needs: checkpoints, and transactions on chain."""

from collections.abc import Sequence

import msgspec

from app.core import database
from app.ledger import checkpoints_repository
from app.ledger.checkpoint_format import Checkpoint
from app.ledger.hashchain import Reference


class Transaction(msgspec.Struct, frozen=True):
    """A transfer on chain that an entry is about. `position` is the network's own: a log's index, an output's number;
    of a payment of ours its place in the transaction. `block_height` and `block_hash` are null where the transaction
    is in no block any more. `amount_raw` is what was moved, before fees of the gateway."""

    seq: int
    reference: Reference
    direction: str
    network: str
    txid: str
    position: int
    asset: str
    amount_raw: str
    from_address: str | None
    to_address: str
    block_height: int | None
    block_hash: str | None


async def checkpoints_between(first: int, last: int) -> Sequence[Checkpoint]:
    """Checkpoints by their numbers, both included, oldest first."""
    found = await checkpoints_repository.before(last + 1, last + 1 - first)
    return found[::-1]


async def transactions(ledger: int, first_seq: int, last_seq: int) -> list[Transaction]:
    """The transfers that entries of a ledger are about, in the order of the entries: those that were credited or
    reversed, and those that paid a payout or a refund."""
    # SQL: a deposit's id is a part of a reference, and two kinds of transfers are one list.
    rows = await database.fetch_all(
        """
        SELECT e.seq, e.reference_type, e.reference_id, 'in' AS direction, d.network, d.txid, d.log_index AS position,
            d.asset, d.amount_raw::text AS amount_raw, d.from_address, a.address AS to_address, d.block_height,
            d.block_hash
        FROM ledger_entries e
        JOIN deposits d ON e.reference_type = 'deposit' AND d.id = split_part(e.reference_id, '#', 1)
        JOIN deposit_addresses a ON a.id = d.deposit_address
        WHERE e.ledger = $1 AND e.seq BETWEEN $2 AND $3
        UNION ALL
        SELECT e.seq, e.reference_type, e.reference_id, 'out', t.network, t.txid, p.position, p.asset,
            p.amount_raw::text, t.from_address, p.to_address, t.block_height, t.block_hash
        FROM ledger_entries e
        JOIN outgoing_payments p ON p.withdrawal = e.reference_id
        JOIN outgoing_transactions t ON t.id = p.transaction AND t.status = 'confirmed'
        WHERE e.ledger = $1 AND e.seq BETWEEN $2 AND $3 AND e.kind IN ('payout_settled', 'refund_settled')
        ORDER BY 1, 6, 7
        """,
        ledger,
        first_seq,
        last_seq,
    )
    return [
        Transaction(
            row["seq"],
            Reference(row["reference_type"], row["reference_id"]),
            *(row[name] for name in Transaction.__struct_fields__[2:]),
        )
        for row in rows
    ]
