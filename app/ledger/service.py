"""Posting to the ledger: lock the heads in order, continue each chain, insert. Triggers check it all again."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from app.core import database
from app.core.errors import ApiError, Code
from app.ledger import repository
from app.ledger.hashchain import ChainId, Entry, Reference, State, next_entry, state_after
from app.live import notices, topics

FEES = "platform:fees"
TREASURY = "platform:treasury"
SUSPENSE = "platform:suspense"
"""The platform's own ledgers (contract, section 5): fees, operators' money, deposits not yet assigned to an owner."""

Kind = Literal[
    "invoice_credit",
    "service_fee",
    "deposit_suspended",
    "suspense_released",
    "deposit_reversal",
    "payout_locked",
    "payout_released",
    "payout_settled",
    "payout_fee",
    "refund_locked",
    "refund_released",
    "refund_settled",
    "refund_fee",
    "top_up",
    "network_fee",
]
"""The kinds of entries. Only `deposit_reversal` may reduce `available` below zero (ledger/tables.py)."""


class Posting(msgspec.Struct, frozen=True):
    """A movement to post. Deltas are raw amounts; a positive one increases the balance."""

    chain: ChainId
    kind: Kind
    available_delta_raw: int
    locked_delta_raw: int
    reference: Reference


async def post(postings: Iterable[Posting], now: datetime) -> None:
    """Post movements in the caller's transaction, those of one chain in the given order.

    Missing heads are created first, then all are locked in the order of their `ChainId`. Raises
    INSUFFICIENT_BALANCE if a movement would make a balance negative, NoTransactionError outside a transaction.
    """
    database.in_transaction()
    by_chain: defaultdict[ChainId, list[Posting]] = defaultdict(list)
    for posting in postings:
        by_chain[posting.chain].append(posting)
    await notices.changed(*(topic for chain in by_chain for topic in topics.of_posting(chain.owner, chain.network)))
    continued = {}
    for chain in sorted(by_chain):
        head = await repository.lock_head(chain)
        continued[head.ledger] = _continued(chain, head.state, by_chain[chain], now)
    if continued:
        await repository.add_entries(continued, now)


async def lock(chains: Iterable[ChainId]) -> None:
    """Lock chains before other rows: heads are first in the order of locks. Needs the caller's transaction."""
    database.in_transaction()
    for chain in sorted(chains):
        await repository.lock_head(chain)


def _continued(chain: ChainId, state: State, postings: Sequence[Posting], now: datetime) -> list[Entry]:
    entries = []
    for posting in postings:
        entry = next_entry(
            chain,
            state,
            kind=posting.kind,
            available_delta_raw=posting.available_delta_raw,
            locked_delta_raw=posting.locked_delta_raw,
            reference=posting.reference,
            now=now,
        )
        state = state_after(entry)
        overdrawn = posting.available_delta_raw < 0 and state.available_raw < 0 and posting.kind != "deposit_reversal"
        if overdrawn or state.locked_raw < 0:
            raise ApiError(Code.INSUFFICIENT_BALANCE, f"amount: more than the {chain.asset} balance holds")
        entries.append(entry)
    return entries
