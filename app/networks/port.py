"""The interface to reading a chain, the same for every chain. Sending on it is `app/networks/sending.py`.

An adapter reads; it stores nothing, skips nothing and guesses nothing. It returns a whole range of blocks, or raises
one of the errors below, which say why and whether a retry can help.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence, Set
from datetime import datetime
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


# Returns those of the given addresses that are ours, in canonical form. They are given in that form, or in lower case
# where capitals are only a checksum: to compute it for every stranger costs more than all else of a block. Called once
# per range, after the blocks have been read: so an address that was leased before a payment is always known, which a
# set loaded earlier could not guarantee. The cost depends on what the chain carried, not on how many invoices are open.


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


class Look(msgspec.Struct, frozen=True):
    """How high a node's chain is, and the block at the height that was asked for, or at the head where that is lower;
    None where the node doesn't have it after all."""

    head_height: int
    block: BlockRef | None


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


class WalletPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment for a wallet in the browser. `protocol` names the script that speaks with such wallets
    (`static/js/wallet-<protocol>.js`), `request` is what it needs: ready for the wallet, to be passed on as it is."""

    protocol: str
    request: dict[str, Any]


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

    async def look(self, height: int) -> Look:
        """What a watcher asks each time, in as few requests as the chain allows: `check_identity`, `head_height`, and
        the block at `height` or, where the chain isn't that long, at its head."""
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
