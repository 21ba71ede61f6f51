"""What a network's signer spends from: the part of the signer that differs by kind of chain.

The rest of the signer knows drafts with payments and claims, and asks here for everything else. Chains with accounts
have account_funds.py, account_keys.py and account_sweeping.py; those of coins have coin_funds.py, coin_keys.py and
coin_moves.py; where the transactions of accounts are limited in time, timed_funds.py and timed_sweeping.py are in the
place of the first and the last. `kinds.py` says which kind has which.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from app.networks.sending import Broadcast, Draft, Parsed, Receipt
from app.signer.repository import Purpose, Stored
from app.withdrawals.digest import Intent


class NotOurs(Exception):
    """A row says that an address is ours or that we signed a transaction; our keys show that this is wrong."""


class NotNow(Exception):
    """Something can't be paid now; the message is for merchants and operators. `is_short`: for want of money."""

    def __init__(self, reason: str, *, is_short: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_short = is_short


class UnknownTransaction(Exception):
    """The chain has transactions of ours that the books don't have. Nothing more is signed: after a restored backup
    they may be payouts that are still unpaid by the books."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a lineage that is in no block stands on chain.

    `is_used`: a final transaction has used what it claims, `used_by` is its txid, None where no node can say.
    `is_next`: a higher fee for it may help: no earlier transaction of ours has to be in a block first, and no later one
    depends on it, which would pay for it too.

    Where transactions are limited in time: `is_over`: no node takes its last attempt any more, and a block may still
    hold it. `is_dead`: no block can hold that one. `revived`: an earlier attempt, which no block could hold, is in one
    after all, by its txid.
    """

    is_used: bool = False
    used_by: str | None = None
    is_next: bool = True
    is_over: bool = False
    is_dead: bool = False
    revived: str | None = None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a withdrawal would cost if it were sent now, and what the chain says of it: for operators, before they
    decide. None of it is a promise.

    `cost_in_words` follows "It costs": "about 0.0021 ETH at today's fee"; or, where that can't be told, it is why:
    "not known now: the hot wallet holds too little USDT" (at most 200 characters). `cost_raw` is in minor units of the
    native coin, None where it isn't known. `is_new_account`: the destination does not exist on chain yet, and the
    payment makes it. `is_frozen`, `is_paused` and `fee_bps` are what the token's issuer has done (TokenState), to the
    destination and to all.
    """

    cost_in_words: str
    cost_raw: int | None = None
    is_contract: bool = False
    is_new_account: bool = False
    is_frozen: bool = False
    is_paused: bool = False
    fee_bps: int = 0


class Keys(Protocol):
    """The keys of one network, and what they may sign. Nothing in the database is trusted here."""

    async def key(self, draft: Draft) -> bytes:
        """The key that a draft is signed with. Raises NotOurs."""
        ...

    async def check_route(self, parsed: Parsed, purpose: Purpose) -> None:
        """Return if signed bytes spend what is ours and, where they pay no withdrawal, leave it with us. Raises
        NotOurs."""
        ...


class Funds(Protocol):
    """What withdrawals are paid from. One for each signer; remembers what it has read within a round."""

    @property
    def batch(self) -> int:
        """The most withdrawals that one transaction may pay."""
        ...

    @property
    def batch_window_s(self) -> int:
        """How long an approved withdrawal waits for others that can be paid with it, in seconds."""
        ...

    @property
    def renewal(self) -> "Renewal | None":
        """What makes other attempts once one is dead; None where none ever is."""
        ...

    async def watch(self) -> None:
        """Raise an alert for each spend of ours that the signer did not store. Reads little, and once for a block."""
        ...

    async def begin_round(self, now: datetime) -> None:
        """Read what can be spent. Raises UnknownTransaction."""
        ...

    async def room(self) -> int:
        """How many transactions may be signed now. Reads the fee of this round; raises FeeAboveCeiling, NotNow."""
        ...

    def shortage(self, asset: str, amount_raw: int) -> str | None:
        """What is lacking for a payment in this round, in words for people; None where nothing is. Fees are left out:
        `plan` counts them."""
        ...

    async def preview(self, intent: Intent) -> Preview:
        """What a withdrawal would cost, and what the chain says of it. Needs no round, and changes nothing. Raises
        NetworkError."""
        ...

    async def plan(self, intents: Sequence[Intent]) -> Draft:
        """A draft that pays these, at most `batch`, in their order. Raises NotNow, WouldFail. Calls a node."""
        ...

    async def lock(self, draft: Draft) -> Draft:
        """Lock what the draft claims, in the caller's transaction, and return the draft that may be signed: with other
        claims where those of the plan are taken by now. Raises NotNow."""
        ...

    async def record(self, stored: Stored) -> None:
        """Store what a transaction, just signed and stored, changes in what can be spent. Needs the caller's
        transaction."""
        ...

    async def send(self, stored: Stored) -> Broadcast:
        """Send stored bytes to a node, with what they depend on where the node lacks that; always safe to repeat.
        Raises NodeUnavailable where the outcome is unknown."""
        ...

    def reserve(self, draft: Draft) -> None:
        """Count a signed draft as spent in this round."""
        ...

    async def is_final(self, stored: Stored, receipt: Receipt) -> bool:
        """Whether a transaction that is in a block can't be taken back any more."""
        ...

    async def standings(self, lineages: Sequence[Sequence[Stored]]) -> list[Standing]:
        """How each of these lineages, none of which is in a block, stands on chain."""
        ...

    async def bump(self, last: Stored) -> Draft:
        """The draft that replaces the last attempt of a lineage, at a higher fee. Raises FeeAboveCeiling, NotNow."""
        ...


class Renewal(Protocol):
    """Other attempts at payments, where transactions are limited in time."""

    async def renew(self, last: Stored) -> Draft:
        """The draft of another attempt at the payments of one that is dead (`Standing`); `lock` comes after it.

        Raises FeeAboveCeiling, NotNow, WouldFail, UnknownTransaction.
        """
        ...

    async def is_mined(self, txids: Sequence[str]) -> bool:
        """Whether our own scan has one of these in a block. Asked in the transaction that has marked the last of them
        as dead."""
        ...


class OwnMoves(Protocol):
    """Moves between our own addresses: sweeps."""

    async def run(self) -> None:
        """Make those that are worth their fee. Raises NetworkError."""
        ...
