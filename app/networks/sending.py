"""The interface to sending on a chain: what every chain has, and what two kinds of accounts add.

Chains of coins need `Sender` alone. Accounts that count their transactions have an `AccountSender`; those that don't,
and whose transactions are limited in time, a `TimedSender`. Reading is `app/networks/port.py`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec

from app.networks.port import BlockRef, Settlement, TokenState


class Payment(msgspec.Struct, frozen=True):
    """One payment within a transaction: what one recipient gets of one configured asset, in minor units."""

    to_address: str
    asset_symbol: str
    amount_raw: int


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction to be signed: everything that its bytes depend on, except the key.

    `claims` are what it uses up on chain, sorted: of two transactions with a common claim only one can ever be final.
    A claim of an account is `nonce:<address>:<n>`, that of a coin names the coin. Where nothing on chain excludes a
    second transaction, the claim is a time: `until:<address>:<expiration>:<salt>`, and another attempt is signed only
    once no block can hold this one any more (TimedSender). `fee_cap_raw` is the most that it can
    cost in addition to its payments, in the native coin. `sender` is the account that sends it, None on chains of
    coins. `form` is JSON that only the chain's adapter reads.
    """

    payments: tuple[Payment, ...]
    claims: tuple[str, ...]
    fee_cap_raw: int
    form: bytes
    sender: str | None = None


class StakeMove(msgspec.Struct, frozen=True):
    """What a transaction does with coin that is staked for energy (TimedSender). It pays nothing.

    `amount_raw` is staked coin. `lend` gives the energy of that much to another account, `reclaim` takes it back; for
    the others `to_address` is None. `stake` and `unstake` change what is staked, and `withdraw` makes what was unstaked
    long enough ago free again (its amount is 0: the chain knows it).
    """

    action: Literal["stake", "unstake", "withdraw", "lend", "reclaim"]
    amount_raw: int
    to_address: str | None = None


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """What signed bytes say: payments in their order, claims sorted, and on chains with accounts the account whose key
    has signed them and its nonce, where accounts have one."""

    payments: tuple[Payment, ...]
    claims: tuple[str, ...]
    sender: str | None = None
    nonce: int | None = None
    stake_move: StakeMove | None = None


class Signed(msgspec.Struct, frozen=True):
    """A signed transaction: its id follows from its bytes."""

    txid: str
    raw: bytes


class OnChain(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that the network knows: what it is, and its bytes."""

    draft: Draft
    signed: Signed


class Receipt(Settlement, frozen=True, kw_only=True):
    """A transaction in a block of the current chain, and the number of blocks from that one on."""

    confirmations: int


class Broadcast(StrEnum):
    """A node's answer to signed bytes. Only `ACCEPTED` can be relied on; no other answer proves a failure."""

    ACCEPTED = "accepted"
    """It is in the node's pool, now or already."""
    CLAIM_USED = "claim_used"
    """What it claims is used by a transaction in a block: this one, or another."""
    UNDERPRICED = "underpriced"
    UNPROVEN = "unproven"
    """The node knows the transaction already, or has it in a block by now, or hides an earlier refusal: nothing
    follows."""
    SHORT = "short"
    """The sender has too little native coin."""
    REFUSED = "refused"


class Sender(Protocol):
    """The sending side of one network. Reads raise as `Chain` does; only `sign` uses a key.

    Making a draft, and a draft with a higher fee, depends on what a chain spends: accounts (AccountSender) or coins.
    """

    async def check_identity(self) -> None:
        """Return if the node is on the configured chain; raise `WrongChain` if not."""
        ...

    def sign(self, draft: Draft, key: bytes) -> Signed:
        """The signed transaction: pure, the same for the same input (RFC 6979)."""
        ...

    def parse(self, raw: bytes, draft: Draft) -> Parsed:
        """What signed bytes say, decoded anew, with their signatures checked. Pure.

        What is paid and claimed comes from the bytes alone. On chains of coins, `draft.form` says what the bytes don't:
        which of our addresses has the change, and what the coins are worth. Raises `NotATransfer` where the bytes are
        not in every part as we make ours.
        """
        ...

    async def broadcast(self, signed: Signed) -> Broadcast:
        """Send signed bytes to a node; it is always safe to repeat. Raises `NodeUnavailable` where the outcome is
        unknown."""
        ...

    async def receipts(self, txids: Collection[str]) -> dict[str, Receipt]:
        """The receipts of those transactions that are in a block of the current chain, by txid."""
        ...

    async def look_up(self, txid: str) -> OnChain | None:
        """A transaction by its id, its bytes and signature checked; None where the node doesn't know it. Raises
        `NotATransfer`."""
        ...

    async def pooled(self, txids: Sequence[str]) -> list[bool]:
        """For each transaction: whether the node knows of it, in a block or waiting."""
        ...

    async def token_state(self, asset_symbol: str, addresses: Sequence[str]) -> TokenState:
        """What the issuer of a token allows now, as far as its contract says; nothing is stopped where it says
        nothing, and for a coin. `addresses` are those to look for among the frozen ones."""
        ...

    async def is_contract(self, address: str) -> bool:
        """Whether there is a contract at an address: what is sent to it may be lost. False on chains of coins."""
        ...

    async def head_height(self) -> int:
        """The height of the newest block that the node knows."""
        ...

    async def confirmed_height(self) -> int:
        """The height of the newest block that counts as final, -1 where there is none yet."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


class FeeRate(msgspec.Struct, frozen=True):
    """What a unit of gas costs, in the native coin's minor units: `base_raw` now, `max_raw` at the most,
    of which `priority_raw` goes to the block's proposer (EIP-1559)."""

    base_raw: int
    max_raw: int
    priority_raw: int


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """What the transaction of an account depends on besides its payment.

    `data_fee_raw` is not in the bytes: it is reserved for a rollup's fee for the data on its first layer.
    """

    sender: str
    nonce: int
    gas_limit: int
    max_fee_raw: int
    priority_fee_raw: int
    data_fee_raw: int = 0


class AccountSender(Sender, Protocol):
    """The sending side of a chain whose accounts count their transactions: one payment each, from one account."""

    def plan(self, payments: Sequence[Payment], state: AccountState) -> Draft:
        """The draft of one payment. Pure. Raises ValueError for any other number of them."""
        ...

    def with_nonce(self, draft: Draft, nonce: int) -> Draft:
        """The same draft under another nonce. Pure."""
        ...

    def bump(self, draft: Draft, rate: FeeRate, data_fee_raw: int, *, fee_from_amount: bool) -> Draft | None:
        """The same payment with the same nonce, at a fee at which nodes replace `draft`. Pure.

        `data_fee_raw` is what a rollup charges for it now. With `fee_from_amount`, as where an account sends all that
        it has, the higher fee makes the amount smaller. None where the fee would be above the ceiling, or nothing would
        be left.
        """
        ...

    async def fee_rate(self) -> FeeRate:
        """The fee to offer now, within the ceiling. Raises `FeeAboveCeiling`."""
        ...

    async def gas_limit(self, from_address: str, payment: Payment) -> int:
        """Gas enough for a transfer. Raises `WouldFail`."""
        ...

    async def data_fee_raw(self, draft: Draft) -> int:
        """What to reserve now for a draft's data on a rollup's first layer, 0 where the network charges nothing."""
        ...

    async def next_nonces(self, addresses: Sequence[str], height: int | None = None) -> dict[str, int]:
        """How many transactions of each address are in blocks up to `height` (the head where left out)."""
        ...

    async def who_used(self, address: str, nonce: int, height: int) -> str | None:
        """The txid of the transaction, in a block up to `height`, that used a nonce; None if it isn't found, or
        if the node no longer has the states that the search needs."""
        ...

    async def balances_raw(
        self, addresses: Sequence[str], asset_symbol: str, height: int | None = None
    ) -> dict[str, int]:
        """What each address holds of an asset at the end of block `height` (the head where left out), in minor
        units."""
        ...


class Reference(msgspec.Struct, frozen=True):
    """What a transaction of limited time is made on: the newest final block, and the head's own clock, aware, in UTC.
    The chain's time decides when a transaction is over, never ours."""

    final: BlockRef
    head_time: datetime


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What resources cost now, in minor units of the native coin: a unit of energy, a byte of a transaction, and what
    it costs to make an account exist by a first transfer. `energy_per_stake` and `stake_for_energy` are a fraction: how
    much energy a day so much staked coin gives. `free_bytes` are those that every account has free each day."""

    energy_raw: int
    byte_raw: int
    activation_raw: int
    energy_per_stake: int
    stake_for_energy: int
    free_bytes: int = 0

    def stake_raw(self, energy: int) -> int:
        """The staked coin that gives so much energy a day, rounded up."""
        return -(-energy * self.stake_for_energy // self.energy_per_stake)


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has to pay fees with besides coin, now: they come back within 24 hours.

    `energy` is left of `energy_limit`, both of its own stake and of what was lent to it. `bytes_staked` and
    `bytes_free` are the sizes of transactions that cost nothing; one transaction uses one of the two, and needs all of
    its size there. `spendable_raw` is the coin that it can send or burn now, without what is staked, lent or not free
    again yet. `staked_raw` is the coin that is staked for energy, with `lent_raw`, whose energy others have;
    `lendable_raw` is that of the rest whose energy may be lent now.
    """

    exists: bool
    energy: int = 0
    energy_limit: int = 0
    bytes_staked: int = 0
    bytes_free: int = 0
    spendable_raw: int = 0
    staked_raw: int = 0
    lendable_raw: int = 0
    lent_raw: int = 0


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction takes: `energy` as the chain simulates it now, `size` in bytes, and whether it makes the
    recipient's account exist. `fee_limit_raw` is the limit on energy to sign, in minor units of the native coin, 0
    where it takes none: it bounds the whole energy, staked energy included."""

    energy: int
    size: int
    activates: bool
    fee_limit_raw: int

    def burned_raw(self, prices: Prices, resources: Resources) -> int:
        """What it costs in native coin, in minor units, with what the sender has now."""
        burned_raw = max(self.energy - resources.energy, 0) * prices.energy_raw
        if self.activates:
            return burned_raw + prices.activation_raw  # in place of its bytes
        pays_bytes = self.size > max(resources.bytes_staked, resources.bytes_free)
        return burned_raw + pays_bytes * self.size * prices.byte_raw

    def cap_raw(self, prices: Prices) -> int:
        """The most that it can cost, whatever the sender has."""
        return self.fee_limit_raw + max(self.size * prices.byte_raw, prices.activation_raw if self.activates else 0)


class TimedState(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction of limited time depends on besides what it does. `salt` is a millisecond that no other
    transaction of the sender has: two equal payments would be one transaction without it."""

    sender: str
    reference: Reference
    salt: int
    cost: Cost
    cap_raw: int


class TimedSender(Sender, Protocol):
    """The sending side of a chain whose accounts don't count their transactions: one payment each, from one account,
    which a block may hold until a time that its bytes say. Nothing else keeps two of them apart."""

    def plan(self, payments: Sequence[Payment], state: TimedState) -> Draft:
        """The draft of one payment. Pure. Raises ValueError for any other number of them, and FeeAboveCeiling."""
        ...

    def plan_stake(self, move: StakeMove, state: TimedState) -> Draft:
        """The draft of a move of staked coin. Pure."""
        ...

    def expires_at(self, draft: Draft) -> datetime:
        """The time from which on no block may begin to hold it. A block may be later than that; the first final block
        whose time is at or past it is the last that can hold it."""
        ...

    async def reference(self) -> Reference:
        """What to make a transaction on now."""
        ...

    async def prices(self) -> Prices:
        """What resources cost now."""
        ...

    async def resources(self, address: str) -> Resources:
        """What an account has now."""
        ...

    async def cost(self, sender: str, payment: Payment) -> Cost:
        """What a payment takes now. Raises `WouldFail`, also where the sender of a coin does not exist, and
        `FeeAboveCeiling`. The sender of a token may not exist yet: it has tokens all the same, and can send them once a
        first payment has made it."""
        ...

    async def stake_cost(self, move: StakeMove) -> Cost:
        """What a move of staked coin takes."""
        ...

    async def absent(self, txids: Sequence[str]) -> dict[str, bool]:
        """Whether every configured node answers, and says that no final block holds a transaction. It is asked in
        addition to our own scan, never in its place."""
        ...

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, *, final: bool = False) -> dict[str, int]:
        """What each address holds of an asset now, or in the newest final block, in minor units. Staked coin counts as
        held."""
        ...


class SigningWallets(Protocol):
    """On chains whose wallets in browsers only sign: makes what they sign, and reads what they have signed."""

    def unsigned(
        self, sender: str, payment: Payment, block_hash: str, now: datetime, until: datetime
    ) -> dict[str, Any]:
        """A payment of `sender` in the form that wallets sign, in the chain of a block of that hash, and in no block
        after `until`. Raises ValueError where `sender` is no address."""
        ...

    def signed(self, raw_data: str, signature: str, payment: Payment) -> Signed:
        """The signed transaction, given both parts in hex. Raises NotATransfer unless it is that payment alone, signed
        by its sender."""
        ...
