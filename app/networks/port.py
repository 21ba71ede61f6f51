"""The interface to a chain, the same for every chain.

An adapter reads; it stores nothing, skips nothing and guesses nothing. It returns a whole range of blocks, or raises
one of the errors below, which say why and whether a retry can help.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

import msgspec


class BlockRef(msgspec.Struct, frozen=True):
    """One block's identity. Hashes are in the chain's canonical text form; `time` is aware, in UTC."""

    height: int
    hash: str
    parent_hash: str
    time: datetime


class Transfer(msgspec.Struct, frozen=True):
    """One successful transfer of one configured asset to one address.

    (network, `txid`, `index`) identifies it: one transaction can hold several transfers. On EVM chains
    `index` is the log's index within its block for a token, and -1 for the native coin that a transaction
    itself carries (it leaves no log; a log's index is never negative). Native coins that contracts pass on
    within a transaction are -2, -3, … in the order in which they move (evm/traces.py). `from_address` is None where
    the chain knows no single sender, or where it isn't known. `matures_at` is the height of the chain from which on it
    may be credited, beside its confirmations; None where that is at once. `inferred`: it was not read from a block; an
    address holds more than its known transfers. Its `txid` is made up, and an operator must review it.
    """

    txid: str
    index: int
    asset_symbol: str
    to_address: str
    from_address: str | None
    amount_raw: int
    block: BlockRef
    matures_at: int | None = None
    inferred: bool = False


class Spend(msgspec.Struct, frozen=True):
    """A coin of ours that input `index` of a transaction spends. `claim` names the coin, as `Draft.claims` does."""

    claim: str
    txid: str
    index: int


class Sent(msgspec.Struct, frozen=True):
    """A transaction that an account of ours has signed, or that took a token from it."""

    txid: str
    address: str


class Danger(msgspec.Struct, frozen=True):
    """Something in a block that puts money of ours at risk. `address` is ours, None where it is about the whole token.

    `permission_changed`: other keys than ours may sign for the account. `frozen`, `unfrozen`: the token's issuer has
    stopped what the address holds, or let it go. `destroyed`: the issuer has taken `amount_raw` from it, which no
    transfer shows. `paused`, `unpaused`, `replaced`: nobody can move the token, or another contract has its place.
    """

    kind: Literal["permission_changed", "frozen", "unfrozen", "destroyed", "paused", "unpaused", "replaced"]
    txid: str
    address: str | None = None
    asset_symbol: str | None = None
    amount_raw: int = 0


class Block(msgspec.Struct, frozen=True):
    """A block and the transfers in it to addresses that are ours, native coins first, then by log index.

    `spends` is what it spends of our coins, on chains of coins. `sent` is what our accounts have sent in it, on chains
    whose accounts don't count their transactions.
    """

    ref: BlockRef
    transfers: tuple[Transfer, ...]
    spends: tuple[Spend, ...] = ()
    sent: tuple[Sent, ...] = ()
    dangers: tuple[Danger, ...] = ()


class PoolTransfer(msgspec.Struct, frozen=True):
    """A transfer to one of our addresses in a transaction that is in no block yet. In a block it has the same index."""

    index: int
    asset_symbol: str
    to_address: str
    amount_raw: int


class PoolTransaction(msgspec.Struct, frozen=True):
    """A transaction that waits for a block, with its transfers to us.

    `spends` names what it spends, each so that only one transaction of a chain can spend it. `fee_rate_raw` is its fee
    for 1,000 units of size, in minor units of the native coin. `is_replaceable`: the network accepts another
    transaction in its place.
    """

    txid: str
    transfers: tuple[PoolTransfer, ...]
    spends: tuple[str, ...]
    fee_rate_raw: int
    is_replaceable: bool


class Pool(msgspec.Struct, frozen=True):
    """The transactions to us that a node knows and that are in no block, and the chain's newest block at that time."""

    tip_hash: str
    transactions: tuple[PoolTransaction, ...]


class SentTransfer(msgspec.Struct, frozen=True):
    """What a settled transaction moved of one configured asset. On chains of coins nothing has a sender."""

    asset_symbol: str
    from_address: str | None
    to_address: str
    amount_raw: int


class Settlement(msgspec.Struct, frozen=True):
    """A transaction that is in a block: where, whether it succeeded, what it cost its sender in native coin, and
    what it moved (nothing where it failed)."""

    height: int
    block_hash: str
    succeeded: bool
    fee_raw: int
    transfers: tuple[SentTransfer, ...]


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that a transaction moves, of whatever asset it is.

    `asset_symbol` is None for a token that is not configured; then `contract` names it, in canonical form, and nobody
    knows how many decimals its `amount_raw` has. `index` is that of `Transfer`; in no block yet, it may be another one.
    """

    index: int
    asset_symbol: str | None
    to_address: str
    amount_raw: int
    from_address: str | None = None
    contract: str | None = None


class TransactionState(msgspec.Struct, frozen=True, kw_only=True):
    """What a node says of any transaction now.

    `unknown`: it has no such transaction. `pooled`: it waits for a block, unless `is_replaced`: what it uses up is used
    by another one, so it never will be in one. `mined`: it is in a block, with `confirmations` blocks from that one on;
    where it failed, it has moved nothing.

    `fee_rate_raw` is what it offers for 1,000 units of size (of gas, on chains with gas), in minor units of the native
    coin, and `usual_fee_rate_raw` what is usual now; both are None where they are not known or mean nothing. `claims`
    are what it uses up while it waits: `Chain.replaced` takes them. `moved` is what it moves, as far as that shows
    without running contracts while it waits.
    """

    state: Literal["unknown", "pooled", "mined"]
    height: int | None = None
    confirmations: int = 0
    succeeded: bool = True
    is_replaced: bool = False
    fee_rate_raw: int | None = None
    usual_fee_rate_raw: int | None = None
    claims: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()


UNKNOWN_TRANSACTION = TransactionState(state="unknown")


# Returns those of the given canonical addresses that are ours. Called once per range, after the blocks have been read:
# so an address that was leased before a payment is always known, which a set loaded earlier could not guarantee. The
# cost depends on what the chain carried, not on how many invoices are open.
OurAddresses = Callable[[Collection[str]], Awaitable[Set[str]]]

# Returns those of the given claims that are coins of ours, on chains of coins. Called once per range too, after
# `OurAddresses`; what the range itself has made is not asked for.
OurCoins = Callable[[Collection[str]], Awaitable[Set[str]]]

# Returns, by txid, the hash of the block in which our own scan has found a transaction of ours; others are left out.
MinedIn = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]


class NetworkError(Exception):
    """The network gave no usable answer. Messages name a node only by scheme and host: paths, queries
    and user info of node URLs are often keys."""


class NodeUnavailable(NetworkError):
    """No node answered, or each refused. Retry later; after a while operators should get an alert."""


class NodeSyncing(NodeUnavailable):
    """A node answers, and says that it is still downloading the chain: it does not have the newest blocks."""


class ChainMoved(NetworkError):
    """The parts of an answer come from different states of the chain (a reorganisation, or a node that lags
    behind another). Read the chain's head again, then retry."""


class UnreadableAnswer(NetworkError):
    """An answer that is not what was asked for. Stop and alert: continuing could skip a payment."""


class WrongChain(NetworkError):
    """The node is on another chain than the configured one. Stop and alert."""


class NotATransfer(NetworkError):
    """A transaction that is no transfer of a configured asset, or one that differs in form from ours."""


class WouldFail(NetworkError):
    """The chain says that a transfer would fail if it were sent now."""


class FeeAboveCeiling(NetworkError):
    """The chain's price of a transaction is above the configured ceiling. Wait."""


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
    """The node says that it knows the transaction already, which may hide an earlier refusal: nothing follows."""
    SHORT = "short"
    """The sender has too little native coin."""
    REFUSED = "refused"


class CustomerFee(msgspec.Struct, frozen=True):
    """What it costs a customer now to pay with an asset by one plain transfer: `fee_raw`, in minor units of the
    network's own coin, whose symbol and decimals are beside it. It is about what a wallet asks for, not a promise."""

    asset_symbol: str
    fee_raw: int
    coin_symbol: str
    coin_decimals: int


class TokenState(msgspec.Struct, frozen=True, kw_only=True):
    """What a token's issuer allows now. `frozen`: those of the addresses asked about whose tokens are stopped.
    `fee_bps`: what the token keeps of each transfer; 0 where all of it arrives."""

    is_paused: bool = False
    frozen: frozenset[str] = frozenset()
    fee_bps: int = 0


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


class WalletPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment for a wallet in the browser. `protocol` names the script that speaks with such wallets
    (`static/js/wallet-<protocol>.js`), `request` is what it needs: ready for the wallet, to be passed on as it is."""

    protocol: str
    request: dict[str, Any]


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


class Chain(Protocol):
    """One network. Safe to share within one event loop; call nothing async here in a database transaction.

    Every async method may raise `NodeUnavailable`, `UnreadableAnswer` and `WrongChain`.
    """

    async def check_identity(self) -> None:
        """Return if the node is on the configured chain; raise `WrongChain` if not."""
        ...

    async def head_height(self) -> int:
        """The height of the newest block that the node knows."""
        ...

    async def block_ref(self, height: int) -> BlockRef | None:
        """The block now at `height`, or None where the chain isn't that long yet."""
        ...

    async def blocks(self, first: int, last: int, ours: OurAddresses, our_coins: OurCoins | None = None) -> list[Block]:
        """Blocks `first` to `last`, both included, each the parent of the next, with the successful transfers
        of configured assets to our addresses and, with `our_coins`, what spends our coins. Raises `ChainMoved` where
        the range can't be read as one piece of one chain (also where `last` is above the head)."""
        ...

    async def pool(self, ours: OurAddresses) -> Pool | None:
        """The transactions to us that are in no block; None on a chain without a useful pool. Nothing is credited
        from it."""
        ...

    async def replaced(self, spends: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
        """Of transactions that were in the pool, each with what it spends or claims: those that can't be mined, since
        another transaction in the pool or in a block spends the same, by the other one's id (None where the node
        doesn't say). One that is missing here was only dropped, and may come back."""
        ...

    async def finality(self) -> int:
        """The height of the newest block that the chain's own rules don't allow to be taken back, -1 where there is
        none. Chains without such a rule answer the newest block with the network's confirmations."""
        ...

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, height: int) -> dict[str, int]:
        """What each address holds of an asset at the end of block `height`, in minor units; staked coin counts as held.
        Nodes keep only the states of recent blocks: raises `NodeUnavailable` where this one's is gone."""
        ...

    async def settlements(self, txids: Collection[str]) -> dict[str, Settlement]:
        """The outcome of those transactions that are in a block of the current chain, by txid."""
        ...

    async def customer_fees(self) -> list[CustomerFee]:
        """What a plain payment of each asset costs a customer on this network now; where the adapter can't know, an
        asset is left out. Pages show it, and nothing is booked by it."""
        ...

    async def transaction(self, txid: str, block_hash: str | None = None) -> TransactionState:
        """What the node says of any transaction now, given by its canonical id (`NetworkConfig.normalise_txid`), with
        one to four requests. `block_hash` is the block that has it, where that is known: nodes of chains of coins may
        find it only so. Chains of coins without an index of transactions don't find one whose outputs are all spent.
        May also raise `ChainMoved`."""
        ...

    async def token_name(self, contract: str) -> str | None:
        """What the contract of any token calls itself by its symbol, as the contract says it: it may be any text. None
        where it says nothing. `contract` is in canonical form."""
        ...

    async def traces_native(self) -> bool:
        """Whether `blocks` also holds the native coins that contracts pass on, which only some nodes report."""
        ...

    def payment_uri(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        """The URI that a wallet opens, or reads as a QR code, to pay exactly `amount_raw` minor units."""
        ...

    def qr_text(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        """What a QR code of that payment holds: the URI, or the same in a form that makes a smaller code."""
        ...

    def wallet_payment(self, address: str, asset_symbol: str, amount_raw: int) -> WalletPayment | None:
        """The same payment for a wallet in the browser; None where browsers' wallets pay nothing on this chain."""
        ...

    def derive_address(self, index: int) -> str:
        """Our receiving address number `index` (0 to 2^31 - 1), from the extended public key."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...
