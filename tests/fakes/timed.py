"""A Tron in memory, behind the port: for the rules of the signer alone, whatever a node says and in whatever order.

It has the configuration, addresses and keys of Tron, and neither its bytes nor its HTTP API: a transaction is JSON with
a signature of its hash. A fake, since the rules of the signer depend on what no chain does on request: a block that
hides a transaction and shows it later, a node that says that a transaction is absent, one that accepts and drops.
What it keeps of Tron: a transaction may be in a block whose parent's time is before its end; a block is final once it
has FINAL_BEHIND more; nodes say nothing that proves anything. Its token is moved by its issuer's rules.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from eth_account import Account
from eth_keys.datatypes import Signature

from app.core import clock
from app.networks import port
from app.networks.kinds import Kind
from app.networks.port import (
    UNKNOWN_TRANSACTION,
    Block,
    BlockRef,
    ChainMoved,
    CustomerFee,
    Danger,
    Look,
    NodeUnavailable,
    NotATransfer,
    OurAddresses,
    OurCoins,
    Pool,
    Sent,
    SentTransfer,
    Settlement,
    TokenState,
    TransactionState,
    Transfer,
    WouldFail,
)
from app.networks.sending import (
    Broadcast,
    Cost,
    Draft,
    OnChain,
    Parsed,
    Payment,
    Prices,
    Receipt,
    Reference,
    Resources,
    Signed,
    StakeMove,
    TimedState,
)
from app.networks.tron.addresses import PREFIX, from_hex
from app.networks.tron.config import TronConfig

COIN, TOKEN = "TRX", "USDT"
CONTRACT = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
FINAL_BEHIND = 4
BLOCK_TIME = timedelta(seconds=3)
CUSTOMER = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH"

SIZE, BYTE_RAW, ENERGY, ENERGY_RAW = 345, 1_000, 64_285, 100
FEE_RAW = SIZE * BYTE_RAW + ENERGY * ENERGY_RAW
"""What a transfer of the token costs without staked coin."""


@dataclass(frozen=True)
class Moved:
    """A transaction. `signed_by` is its owner; `raw` are its bytes, where we have signed it."""

    txid: str
    signed_by: str
    to: str
    asset: str
    amount_raw: int
    expires_at: datetime
    fee_raw: int = 0
    raw: bytes = b""
    succeeded: bool = True


@dataclass
class TimedChain:
    """The chain itself: pool, blocks, the token's issuer, and what the node says wrongly.

    `hidden`: transactions that the node shows nobody, in blocks or by id. `denied`: those that it says are absent.
    `elsewhere`: those that another node shows.
    `drops`: it accepts what it is sent, and forgets it. `answers` are those to the next broadcasts, in place of its
    own.
    """

    name: str
    blocks: list[tuple[BlockRef, list[Moved]]] = field(default_factory=list)
    pool: dict[str, Moved] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    elsewhere: set[str] = field(default_factory=set)
    answers: list[Broadcast | Exception] = field(default_factory=list)
    dangers: list[Danger] = field(default_factory=list)
    token: TokenState = field(default_factory=TokenState)
    resources: Mapping[str, Resources] = field(default_factory=dict)
    drops: bool = False
    failing: bool = False
    made: int = 0

    def __post_init__(self) -> None:
        self.mine_empty(FINAL_BEHIND + 1)

    @property
    def height(self) -> int:
        return len(self.blocks) - 1

    @property
    def final_height(self) -> int:
        return self.height - FINAL_BEHIND

    @property
    def head(self) -> BlockRef:
        return self.blocks[-1][0]

    def pay(self, to: str, asset: str, amount_raw: int) -> str:
        """Send a customer's payment into the pool; return its txid."""
        self.made += 1
        made = Moved(hash_of(self.name, self.made), CUSTOMER, to, asset, amount_raw, clock.now() + timedelta(days=1))
        self.pool[made.txid] = made
        return made.txid

    def submit(self, raw: bytes) -> Broadcast:
        """Take a transaction of ours into the pool."""
        made = moved_of(raw)
        self.sent.append(made.txid)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            self.pool[made.txid] = made  # the answer was lost, not the transaction
            raise answer
        if answer is not None:
            return answer
        if made.txid in self.pool or self.find(made.txid) is not None:
            return Broadcast.UNPROVEN
        if made.expires_at <= self.head.time:
            return Broadcast.REFUSED
        if not self.drops:
            self.pool[made.txid] = made
        return Broadcast.ACCEPTED

    def mine(self, *txids: str) -> None:
        """Put these transactions of the pool into the next block, all where none is named. What is over is dropped."""
        at = max(self.head.time + BLOCK_TIME, clock.now()) if self.blocks else clock.now()
        if self.blocks:
            self.pool = {txid: one for txid, one in self.pool.items() if one.expires_at > self.head.time}
        mined = [self.pool.pop(txid) for txid in (txids or list(self.pool)) if txid in self.pool]
        self.force(mined, at)

    def force(self, mined: Sequence[Moved], at: datetime | None = None) -> None:
        """Add a block with these transactions, whatever the rules say."""
        at = at or self.head.time + BLOCK_TIME
        self.made += 1
        parent = self.head.hash if self.blocks else ""
        ref = BlockRef(len(self.blocks), hash_of(self.name, "block", self.made), parent, at.replace(microsecond=0))
        self.blocks.append((ref, [self._outcome(one) for one in mined]))
        clock.shift(max(ref.time - clock.now(), timedelta()))

    def mine_empty(self, count: int) -> None:
        """Add blocks without a transaction."""
        waiting, self.pool = self.pool, {}
        for _ in range(count):
            self.mine()
        self.pool = waiting

    def skip(self, seconds: int) -> None:
        """Let time pass without a block, then add one: a missed slot, or a long halt."""
        clock.shift(timedelta(seconds=seconds))
        self.mine_empty(1)

    def reorganise(self, depth: int) -> list[Moved]:
        """Replace the newest blocks by empty ones and one more; return their transactions, which are in no pool."""
        dead = self.blocks[-depth:]
        del self.blocks[-depth:]
        for _ in range(depth + 1):
            self.force([])
        return [one for _, mined in dead for one in mined]

    def find(self, txid: str) -> tuple[BlockRef, Moved] | None:
        """A transaction and its block."""
        return next(((ref, one) for ref, mined in self.blocks for one in mined if one.txid == txid), None)

    def shown(self, txid: str) -> tuple[BlockRef, Moved] | None:
        """The same, as the node shows it."""
        return None if txid in self.hidden else self.find(txid)

    def balance_raw(self, address: str, asset: str, height: int | None = None) -> int:
        """What an address holds at the end of a block."""
        total = 0
        for _, mined in self.blocks if height is None else self.blocks[: height + 1]:
            for one in mined:
                if one.succeeded and one.asset == asset:
                    total += one.amount_raw * ((one.to == address) - (one.signed_by == address))
                if asset == COIN and one.signed_by == address:
                    total -= one.fee_raw
        return total

    def arrived_raw(self, address: str, asset: str = TOKEN) -> list[int]:
        """The amounts that transactions in blocks have brought to an address."""
        return [
            one.amount_raw
            for _, mined in self.blocks
            for one in mined
            if one.to == address and one.asset == asset and one.succeeded
        ]

    def _outcome(self, one: Moved) -> Moved:
        if not one.raw:
            return one
        stopped = self.failing or self.balance_raw(one.signed_by, one.asset) < one.amount_raw
        if one.asset == TOKEN:
            stopped = stopped or self.token.is_paused or one.signed_by in self.token.frozen
        fee_raw = FEE_RAW if one.asset == TOKEN else SIZE * BYTE_RAW
        return Moved(
            one.txid, one.signed_by, one.to, one.asset, one.amount_raw, one.expires_at, fee_raw, one.raw, not stopped
        )


CHAINS: dict[str, TimedChain] = {}
"""Every chain by the id of its block 0."""


class TimedReader:
    """`app.networks.port.Chain`."""

    def __init__(self, config: TronConfig) -> None:
        self._config = config
        self._chain = CHAINS[config.genesis_hash]

    async def check_identity(self) -> None:
        """The chain is found by its identity."""

    async def head_height(self) -> int:
        return self._chain.height

    async def look(self, height: int) -> Look:
        head_height = await self.head_height()
        return Look(head_height, await self.block_ref(min(height, head_height)) if height >= 0 else None)

    async def block_ref(self, height: int) -> BlockRef | None:
        return self._chain.blocks[height][0] if 0 <= height <= self._chain.height else None

    async def blocks(self, first: int, last: int, ours: OurAddresses, our_coins: OurCoins | None = None) -> list[Block]:
        if last > self._chain.height:
            raise ChainMoved(f"there is no block {last}")
        found = [
            (ref, [one for one in mined if one.txid not in self._chain.hidden])
            for ref, mined in self._chain.blocks[first : last + 1]
        ]
        known = await ours({address for _, mined in found for one in mined for address in (one.to, one.signed_by)})
        dangers, self._chain.dangers = tuple(self._chain.dangers), []
        blocks = [
            Block(
                ref,
                tuple(
                    Transfer(one.txid, 0, one.asset, one.to, one.signed_by, one.amount_raw, ref)
                    for one in mined
                    if one.to in known and one.succeeded
                ),
                sent=tuple(Sent(one.txid, one.signed_by) for one in mined if one.signed_by in known),
            )
            for ref, mined in found
        ]
        return [*blocks[:-1], Block(blocks[-1].ref, blocks[-1].transfers, (), blocks[-1].sent, dangers)]

    async def pool(self, ours: OurAddresses) -> Pool | None:
        return None

    async def replaced(self, spends: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
        return {}

    async def transaction(self, txid: str, block_hash: str | None = None) -> TransactionState:
        found = self._chain.shown(txid)
        if found is None:
            return TransactionState(state="pooled") if txid in self._chain.pool else UNKNOWN_TRANSACTION
        ref, one = found
        confirmations = self._chain.height - ref.height + 1
        return TransactionState(
            state="mined",
            height=ref.height,
            confirmations=confirmations,
            succeeded=one.succeeded,
            moved=tuple(
                port.Moved(
                    index=0, asset_symbol=each.asset_symbol, to_address=each.to_address, amount_raw=each.amount_raw
                )
                for each in _transfers(one)
            ),
        )

    async def token_name(self, contract: str) -> str | None:
        return None

    async def finality(self) -> int:
        return self._chain.final_height

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, height: int) -> dict[str, int]:
        return {address: self._chain.balance_raw(address, asset_symbol, height) for address in addresses}

    async def settlements(self, txids: Collection[str]) -> dict[str, Settlement]:
        return {
            txid: Settlement(ref.height, ref.hash, one.succeeded, one.fee_raw, _transfers(one))
            for txid in txids
            for ref, one in filter(None, [self._chain.shown(txid)])
        }

    async def customer_fees(self) -> list[CustomerFee]:
        return [CustomerFee(TOKEN, FEE_RAW, COIN, 6), CustomerFee(COIN, SIZE * BYTE_RAW, COIN, 6)]

    async def traces_native(self) -> bool:
        return True

    def payment_uri(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        return f"tron:{address}?amount={amount_raw}"

    def qr_text(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        return address

    def wallet_payment(self, address: str, asset_symbol: str, amount_raw: int) -> None:
        """None: no browser has a wallet for it."""

    def derive_address(self, index: int) -> str:
        return self._config.receiving_address(index)

    async def aclose(self) -> None:
        """Nothing to close."""


class FakeTimedSender:
    """`app.networks.sending.TimedSender`."""

    def __init__(self, config: TronConfig) -> None:
        self._config = config
        self.chain = CHAINS[config.genesis_hash]

    async def check_identity(self) -> None:
        """The chain is found by its identity."""

    def plan(self, payments: Sequence[Payment], state: TimedState) -> Draft:
        (payment,) = payments
        return self._draft((payment,), None, state)

    def plan_stake(self, move: StakeMove, state: TimedState) -> Draft:
        return self._draft((), [move.action, move.amount_raw, move.to_address], state)

    def _draft(self, payments: tuple[Payment, ...], move: list[Any] | None, state: TimedState) -> Draft:
        ends = state.reference.head_time + timedelta(seconds=self._config.expires_after_s)
        expires = int(ends.timestamp() * 1000)
        return Draft(
            payments=payments,
            claims=(f"until:{state.sender}:{expires}:{state.salt}",),
            fee_cap_raw=state.cap_raw,
            form=json.dumps({"expires": expires, "salt": state.salt, "move": move}).encode(),
            sender=state.sender,
        )

    def sign(self, draft: Draft, key: bytes) -> Signed:
        payments = [[one.to_address, one.asset_symbol, one.amount_raw] for one in draft.payments]
        raw = json.dumps({"payments": payments, **json.loads(draft.form)}, sort_keys=True).encode()
        signature = Account.unsafe_sign_hash(hashlib.sha256(raw).digest(), key)
        return Signed(hashlib.sha256(raw).hexdigest(), raw + b"\n" + signature.signature.hex().encode())

    def parse(self, raw: bytes, draft: Draft) -> Parsed:
        body = json.loads(raw.partition(b"\n")[0])
        signed_by = _signer(raw)
        if set(body) != {"payments", "expires", "salt", "move"}:
            raise NotATransfer("it is not made as ours are")
        move = body["move"]
        return Parsed(
            payments=tuple(Payment(*one) for one in body["payments"]),
            claims=(f"until:{signed_by}:{body['expires']}:{body['salt']}",),
            sender=signed_by,
            stake_move=None if move is None else StakeMove(*move),
        )

    async def broadcast(self, signed: Signed) -> Broadcast:
        return self.chain.submit(signed.raw)

    async def receipts(self, txids: Collection[str]) -> dict[str, Receipt]:
        return {
            txid: Receipt(
                height=ref.height,
                block_hash=ref.hash,
                succeeded=one.succeeded,
                fee_raw=one.fee_raw,
                transfers=_transfers(one),
                confirmations=self.chain.height - ref.height + 1,
            )
            for txid in txids
            for ref, one in filter(None, [self.chain.shown(txid)])
        }

    async def look_up(self, txid: str) -> OnChain | None:
        found = self.chain.shown(txid)
        if found is None or not found[1].raw:
            return None
        raw = found[1].raw
        body = json.loads(raw.partition(b"\n")[0])
        signed_by = _signer(raw)
        draft = Draft(
            payments=tuple(Payment(*one) for one in body["payments"]),
            claims=(f"until:{signed_by}:{body['expires']}:{body['salt']}",),
            fee_cap_raw=found[1].fee_raw,
            form=json.dumps({name: body[name] for name in ("expires", "salt", "move")}).encode(),
            sender=signed_by,
        )
        return OnChain(draft=draft, signed=Signed(txid, raw))

    async def pooled(self, txids: Sequence[str]) -> list[bool]:
        return [txid in self.chain.pool or self.chain.shown(txid) is not None for txid in txids]

    async def token_state(self, asset_symbol: str, addresses: Sequence[str]) -> TokenState:
        state = self.chain.token
        return TokenState(is_paused=state.is_paused, frozen=state.frozen & frozenset(addresses), fee_bps=state.fee_bps)

    async def is_contract(self, address: str) -> bool:
        return False

    async def head_height(self) -> int:
        return self.chain.height

    async def confirmed_height(self) -> int:
        return self.chain.final_height

    def expires_at(self, draft: Draft) -> datetime:
        return datetime.fromtimestamp(json.loads(draft.form)["expires"] / 1000, UTC)

    async def reference(self) -> Reference:
        return Reference(self.chain.blocks[self.chain.final_height][0], self.chain.head.time)

    async def prices(self) -> Prices:
        return Prices(
            energy_raw=ENERGY_RAW,
            byte_raw=BYTE_RAW,
            activation_raw=1_100_000,
            energy_per_stake=9,
            stake_for_energy=10**6,
        )

    async def resources(self, address: str) -> Resources:
        held_raw = self.chain.balance_raw(address, COIN)
        return self.chain.resources.get(address) or Resources(exists=held_raw > 0, spendable_raw=held_raw)

    async def cost(self, sender: str, payment: Payment) -> Cost:
        if self.chain.balance_raw(sender, payment.asset_symbol) < payment.amount_raw:
            raise WouldFail("REVERT")
        energy = ENERGY if payment.asset_symbol == TOKEN else 0
        return Cost(energy=energy, size=SIZE, activates=False, fee_limit_raw=energy * ENERGY_RAW * 12 // 10)

    async def stake_cost(self, move: StakeMove) -> Cost:
        return Cost(energy=0, size=SIZE, activates=False, fee_limit_raw=0)

    async def absent(self, txids: Sequence[str]) -> dict[str, bool]:
        there = self.chain.elsewhere
        return {
            txid: txid not in there and (txid in self.chain.denied or self.chain.shown(txid) is None) for txid in txids
        }

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, *, final: bool = False) -> dict[str, int]:
        height = self.chain.final_height if final else None
        return {address: self.chain.balance_raw(address, asset_symbol, height) for address in addresses}

    async def aclose(self) -> None:
        """Nothing to close."""


KIND = Kind(TronConfig, lambda config, _, __: TimedReader(config), lambda config, _, __: FakeTimedSender(config))


def lost() -> NodeUnavailable:
    """What the sender raises where the node has taken the bytes and the answer was lost."""
    return NodeUnavailable("no answer")


def moved_of(raw: bytes) -> Moved:
    """The transaction that bytes of ours say. A move of staked coin moves none of the coin."""
    body = json.loads(raw.partition(b"\n")[0])
    (to, asset, amount_raw), *_ = body["payments"] or [("", COIN, 0)]
    expires_at = datetime.fromtimestamp(body["expires"] / 1000, UTC)
    txid = hashlib.sha256(raw.partition(b"\n")[0]).hexdigest()
    return Moved(txid, _signer(raw), to, asset, amount_raw, expires_at, raw=raw)


def hash_of(*parts: object) -> str:
    """An id that follows from these parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _signer(raw: bytes) -> str:
    body, _, signature = raw.partition(b"\n")
    v = bytes.fromhex(signature.decode())
    key = Signature(v[:64] + bytes([v[64] - 27])).recover_public_key_from_msg_hash(hashlib.sha256(body).digest())
    return from_hex(PREFIX + key.to_canonical_address().hex())


def _transfers(one: Moved) -> tuple[SentTransfer, ...]:
    return (SentTransfer(one.asset, one.signed_by, one.to, one.amount_raw),) if one.succeeded and one.to else ()
