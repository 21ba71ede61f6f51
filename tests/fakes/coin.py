"""A kind of chain that exists nowhere, in memory: what is above the port must work with it as it does with any other.

It differs from chains with accounts in all that the port leaves open: addresses of another form, no chain number,
transactions that spend coins, have no sender and pay many recipients at once, a pool whose transactions can be replaced
or dropped, transfers that mature. A fake, since no real chain does all of that on request, and since a kind that nobody
else uses shows what asks for one by name. It has no scripts and no proof of work. The rules of its pool follow BIP-125:
a replacement spends a common coin and pays more. Its part of the signer is coin_funds.py.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from app.core import clock
from app.networks.bitcoin.coins import Coin as BookedCoin
from app.networks.config import NetworkConfig, plain_txid
from app.networks.inspection import NodeFinding
from app.networks.kinds import Kind
from app.networks.port import (
    UNKNOWN_TRANSACTION,
    Block,
    BlockRef,
    ChainMoved,
    CustomerFee,
    Look,
    Moved,
    NotATransfer,
    OurAddresses,
    OurCoins,
    Pool,
    PoolTransaction,
    PoolTransfer,
    SentTransfer,
    Settlement,
    Spend,
    TokenState,
    TransactionState,
    Transfer,
)
from app.networks.sending import Broadcast, Draft, OnChain, Parsed, Payment, Receipt, Signed

PREFIX = "coin1"
MATURES_AFTER = 5
"""Blocks after which a block's own reward counts."""

SYMBOL, DECIMALS = "COIN", 8

KEY = b"the key of every coin"

FEE_RAW = 1_000
"""What a payment or a coin adds to the fee at rate 1."""


class CoinConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="coin"):
    """A network of this kind. `genesis` finds its chain in `CHAINS`."""

    has_coins: ClassVar[bool] = True

    genesis: str

    @property
    def identity(self) -> str:
        return self.genesis

    def normalise_address(self, text: str) -> str:
        """Lower case; all upper case is accepted, as QR codes have it."""
        lower = text.lower()
        if text not in (lower, text.upper()) or not lower.startswith(PREFIX) or not lower[len(PREFIX) :].isalnum():
            raise ValueError("not an address: coin1 and letters or digits, all of one case")
        return lower

    def normalise_txid(self, text: str) -> str:
        return plain_txid(text)

    def check_xpub(self) -> None:
        if not self.xpub.startswith("coinpub"):
            raise ValueError("is not a public key of this chain")

    def receiving_address(self, index: int) -> str:
        return address_of(self.xpub, 0, index)

    @property
    def account_path(self) -> str:
        return "m/44'/1'/0'"

    def is_account(self, xpub: str) -> bool:
        return True


@dataclass(frozen=True)
class Coin:
    """An output that may be spent. `height` is that of its block."""

    claim: str
    address: str
    amount_raw: int
    height: int


@dataclass(frozen=True)
class Transaction:
    """A transaction: what it spends, and what it sends to whom. `raw` are its bytes, where we have signed it."""

    txid: str
    spends: tuple[str, ...]
    outputs: tuple[tuple[str, int], ...]
    fee_raw: int
    is_reward: bool = False
    raw: bytes = b""


@dataclass
class CoinChain:
    """The chain itself: a customer's wallet, the pool and the blocks. `sent` is all that we have broadcast."""

    name: str
    blocks: list[tuple[BlockRef, tuple[Transaction, ...]]] = field(default_factory=list)
    pool: dict[str, Transaction] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    made: int = 0

    def __post_init__(self) -> None:
        self.mine()

    @property
    def height(self) -> int:
        """The newest block's height."""
        return len(self.blocks) - 1

    def pay(self, *outputs: tuple[str, int], fee_raw: int = 1_000) -> str:
        """Send a customer's payment into the pool; return its transaction's id."""
        self.made += 1
        return self._enter((f"coin:customer:{self.made}",), outputs, fee_raw)

    def replace(self, txid: str, *outputs: tuple[str, int]) -> str:
        """Replace a transaction of the pool by one that spends the same, with a higher fee."""
        old = self.pool.pop(txid)
        self.made += 1
        return self._enter(old.spends, outputs, old.fee_raw * 2)

    def drop(self, txid: str) -> Transaction:
        """Let the node forget a transaction of the pool."""
        return self.pool.pop(txid)

    def enter(self, transaction: Transaction) -> None:
        """Send a known transaction into the pool again."""
        self.pool[transaction.txid] = transaction

    def submit(self, raw: bytes) -> Broadcast:
        """Take a transaction of ours into the pool, in place of those that it replaces."""
        self.sent.append(raw)
        made = transaction_of(raw)
        if made.txid in self.pool or self.find(made.txid) is not None:
            return Broadcast.ACCEPTED
        if any(self.spent_by(claim) for claim in made.spends):
            return Broadcast.CLAIM_USED
        rivals = [other for other in self.pool.values() if set(other.spends) & set(made.spends)]
        if any(rival.fee_raw >= made.fee_raw for rival in rivals):
            return Broadcast.UNDERPRICED
        for rival in rivals:
            del self.pool[rival.txid]
        self.enter(made)
        return Broadcast.ACCEPTED

    def spend_as_stranger(self, claim: str) -> str:
        """Mine a transaction by somebody else who has the key, which takes a coin away. Return its id."""
        coin = next(coin for coin in self.unspent() if coin.claim == claim)
        self.pool = {txid: one for txid, one in self.pool.items() if claim not in one.spends}
        self.made += 1
        txid = self._enter((claim,), ((f"{PREFIX}stranger", coin.amount_raw),), 0)
        self.mine(txid)
        return txid

    def mine(self, *txids: str, reward: tuple[str, int] | None = None, at: datetime | None = None) -> None:
        """Put these transactions of the pool into the next block; all of them where none is named. `at` is the block's
        time."""
        mined = [self.pool.pop(txid) for txid in (txids or list(self.pool))]
        self.pool = {
            txid: waiting
            for txid, waiting in self.pool.items()
            if not {spent for each in mined for spent in each.spends} & set(waiting.spends)
        }
        self.made += 1
        if reward is not None:
            mined.insert(0, Transaction(hash_of("reward", self.name, self.made), (), (reward,), 0, is_reward=True))
        height = len(self.blocks)
        parent = self.blocks[-1][0].hash if self.blocks else ""
        ref = BlockRef(height, hash_of("block", self.name, self.made), parent, at or clock.now())
        self.blocks.append((ref, tuple(mined)))

    def mine_empty(self, count: int = 1) -> None:
        """Add blocks without a transaction."""
        waiting, self.pool = self.pool, {}
        for _ in range(count):
            self.mine()
        self.pool = waiting

    def reorganise(self, depth: int) -> None:
        """Replace the newest blocks by an empty one more; their transactions return to the pool."""
        dead = self.blocks[-depth:]
        del self.blocks[-depth:]
        returned = {each.txid: each for _, mined in dead for each in mined if not each.is_reward}
        self.pool = {}
        for _ in range(depth + 1):
            self.mine()
        self.pool = returned

    def mined(self, height: int | None = None) -> Iterator[tuple[BlockRef, Transaction]]:
        """Every transaction in a block up to a height, the newest one where left out."""
        for ref, transactions in self.blocks if height is None else self.blocks[: height + 1]:
            for each in transactions:
                yield ref, each

    def find(self, txid: str) -> tuple[BlockRef, Transaction] | None:
        """A transaction and its block."""
        return next(((ref, each) for ref, each in self.mined() if each.txid == txid), None)

    def spent_by(self, claim: str) -> str | None:
        """The mined transaction that has spent a coin."""
        return next((each.txid for _, each in self.mined() if claim in each.spends), None)

    def unspent(self, height: int | None = None) -> list[Coin]:
        """All coins at the end of a block, the oldest first."""
        spent = {claim for _, each in self.mined(height) for claim in each.spends}
        return [
            Coin(claim, address, amount_raw, ref.height)
            for ref, each in self.mined(height)
            for vout, (address, amount_raw) in enumerate(each.outputs)
            if (claim := claim_of(each.txid, vout)) not in spent
        ]

    def paid_raw(self, address: str) -> list[int]:
        """The amounts that mined transactions have paid to an address."""
        return [
            amount_raw for _, each in self.mined() for to_address, amount_raw in each.outputs if to_address == address
        ]

    def _enter(self, spends: tuple[str, ...], outputs: tuple[tuple[str, int], ...], fee_raw: int) -> str:
        transaction = Transaction(hash_of("tx", self.name, self.made), spends, outputs, fee_raw)
        self.pool[transaction.txid] = transaction
        return transaction.txid


CHAINS: dict[str, CoinChain] = {}
"""Every chain of this kind by its genesis."""


class CoinReader:
    """`app.networks.port.Chain` of this kind."""

    def __init__(self, config: CoinConfig) -> None:
        self._config = config
        self._chain = CHAINS[config.genesis]

    async def check_identity(self) -> None:
        """The chain is found by its identity."""

    async def head_height(self) -> int:
        return self._chain.height

    async def look(self, height: int) -> Look:
        head_height = await self.head_height()
        return Look(head_height, await self.block_ref(min(height, head_height)) if height >= 0 else None)

    async def block_ref(self, height: int) -> BlockRef | None:
        return self._chain.blocks[height][0] if height <= self._chain.height else None

    async def blocks(self, first: int, last: int, ours: OurAddresses, our_coins: OurCoins | None = None) -> list[Block]:
        if last > self._chain.height:
            raise ChainMoved(f"there is no block {last}")
        found = self._chain.blocks[first : last + 1]
        known = await ours({address for _, mined in found for each in mined for address, _ in each.outputs})
        made = {claim_of(each.txid, index) for _, mined in found for each, index in _to_us(mined, known)}
        spent = {claim for _, mined in found for each in mined for claim in each.spends}
        coins = made | (await our_coins(spent - made) if our_coins is not None else frozenset())
        return [
            Block(
                ref,
                tuple(self._transfer(each, index, ref) for each, index in _to_us(mined, known)),
                tuple(
                    Spend(claim, each.txid, index)
                    for each in mined
                    for index, claim in enumerate(each.spends)
                    if claim in coins
                ),
            )
            for ref, mined in found
        ]

    async def pool(self, ours: OurAddresses) -> Pool | None:
        waiting = list(self._chain.pool.values())
        known = await ours({address for each in waiting for address, _ in each.outputs})
        return Pool(
            self._chain.blocks[-1][0].hash,
            tuple(
                PoolTransaction(each.txid, transfers, each.spends, each.fee_raw, is_replaceable=True)
                for each in waiting
                if (
                    transfers := tuple(
                        PoolTransfer(index, SYMBOL, *each.outputs[index]) for _, index in _to_us([each], known)
                    )
                )
            ),
        )

    async def replaced(self, spends: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
        everything = [*self._chain.pool.values(), *(each for _, each in self._chain.mined())]
        by = {spent: each.txid for each in everything for spent in each.spends}
        return {
            txid: next(by[spent] for spent in spent_ones if spent in by)
            for txid, spent_ones in spends.items()
            if any(spent in by for spent in spent_ones)
        }

    async def transaction(self, txid: str, block_hash: str | None = None) -> TransactionState:
        waiting, found = self._chain.pool.get(txid), self._chain.find(txid)
        if found is not None:
            ref, mined = found
            confirmations = self._chain.height - ref.height + 1
            return TransactionState(
                state="mined", height=ref.height, confirmations=confirmations, moved=tuple(_moves(mined))
            )
        if waiting is None:
            return UNKNOWN_TRANSACTION
        return TransactionState(
            state="pooled",
            fee_rate_raw=waiting.fee_raw,
            usual_fee_rate_raw=FEE_RAW,
            claims=waiting.spends,
            moved=tuple(_moves(waiting)),
        )

    async def token_name(self, contract: str) -> str | None:
        return None

    async def finality(self) -> int:
        return max(self._chain.height - self._config.confirmations + 1, -1)

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, height: int) -> dict[str, int]:
        held = dict.fromkeys(addresses, 0)
        for coin in self._chain.unspent(height):
            if coin.address in held:
                held[coin.address] += coin.amount_raw
        return held

    async def settlements(self, txids: Collection[str]) -> dict[str, Settlement]:
        return {
            txid: Settlement(ref.height, ref.hash, True, mined.fee_raw, _moved(mined))
            for txid in txids
            for ref, mined in filter(None, [self._chain.find(txid)])
        }

    async def customer_fees(self) -> list[CustomerFee]:
        return [CustomerFee(SYMBOL, 2 * FEE_RAW, SYMBOL, DECIMALS)]

    async def traces_native(self) -> bool:
        return True

    def payment_uri(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        return f"bitcoin:{address}?amount={amount_raw}"

    def qr_text(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        return self.payment_uri(address, asset_symbol, amount_raw)

    def wallet_payment(self, address: str, asset_symbol: str, amount_raw: int) -> None:
        """None: no browser has a wallet for it."""

    def derive_address(self, index: int) -> str:
        return self._config.receiving_address(index)

    async def aclose(self) -> None:
        """Nothing to close."""

    def _transfer(self, transaction: Transaction, index: int, ref: BlockRef) -> Transfer:
        address, amount_raw = transaction.outputs[index]
        return Transfer(
            txid=transaction.txid,
            index=index,
            asset_symbol=SYMBOL,
            to_address=address,
            from_address=None,
            amount_raw=amount_raw,
            block=ref,
            matures_at=ref.height + MATURES_AFTER if transaction.is_reward else None,
        )


class CoinSender:
    """`app.networks.sending.Sender` of this kind."""

    def __init__(self, config: CoinConfig) -> None:
        self._config = config
        self.chain = CHAINS[config.genesis]

    async def check_identity(self) -> None:
        """The chain is found by its identity."""

    def sign(self, draft: Draft, key: bytes) -> Signed:
        form = json.loads(draft.form)
        outputs = [[payment.to_address, payment.amount_raw] for payment in draft.payments]
        body = {"spends": form["coins"], "outputs": [*outputs, *self._change(form)], "fee_raw": draft.fee_cap_raw}
        raw = raw_of(body, key)
        return Signed(txid_of(raw), raw)

    def parse(self, raw: bytes, draft: Draft) -> Parsed:
        body, change = json.loads(raw), self._change(json.loads(draft.form))
        if raw_of({name: value for name, value in body.items() if name != "signature"}) != raw:
            raise NotATransfer("not signed with our key, or with more in it")
        paid = body["outputs"][: len(body["outputs"]) - len(change)]
        if body["outputs"] != [*paid, *change]:
            raise NotATransfer("its last output is not our change")
        return Parsed(
            payments=tuple(Payment(address, SYMBOL, amount_raw) for address, amount_raw in paid),
            claims=tuple(sorted(body["spends"])),
        )

    async def broadcast(self, signed: Signed) -> Broadcast:
        return self.chain.submit(signed.raw)

    async def receipts(self, txids: Collection[str]) -> dict[str, Receipt]:
        return {
            txid: Receipt(
                height=ref.height,
                block_hash=ref.hash,
                succeeded=True,
                fee_raw=mined.fee_raw,
                transfers=_moved(mined),
                confirmations=self.chain.height - ref.height + 1,
            )
            for txid in txids
            for ref, mined in filter(None, [self.chain.find(txid)])
        }

    async def look_up(self, txid: str) -> OnChain | None:
        raise NotImplementedError("nothing adopts a transaction in these tests")

    async def pooled(self, txids: Sequence[str]) -> list[bool]:
        return [txid in self.chain.pool or self.chain.find(txid) is not None for txid in txids]

    async def head_height(self) -> int:
        return self.chain.height

    async def token_state(self, asset_symbol: str, addresses: Sequence[str]) -> TokenState:
        return TokenState()

    async def is_contract(self, address: str) -> bool:
        return False

    async def confirmed_height(self) -> int:
        return self.chain.height - self._config.confirmations + 1

    async def aclose(self) -> None:
        """Nothing to close."""

    def _change(self, form: Mapping[str, Any]) -> list[list[object]]:
        """The output that returns to us, none where nothing is left."""
        change_raw = form["change_raw"]
        return [[address_of(self._config.xpub, 1, form["change_index"]), change_raw]] if change_raw else []


async def inspect(config: CoinConfig, next_height: int | None) -> list[NodeFinding]:
    """What the doctor is told of the node."""
    return [NodeFinding("ok", f"the node has block {CHAINS[config.genesis].height}")]


def fee_rate(raw: bytes, fee_raw: int) -> int:
    """The fee for 1,000 bytes."""
    return fee_raw * 1_000 // len(raw)


KIND = Kind(
    CoinConfig,
    lambda config, _, __: CoinReader(config),
    lambda config, _, __: CoinSender(config),
    inspect,
    fee_rate,
)


def draft_of(payments: tuple[Payment, ...], coins: Sequence[BookedCoin], change_index: int, rate: int) -> Draft:
    """A draft that spends these coins and returns what is left to an address of our change."""
    fee_raw = rate * FEE_RAW * (len(coins) + len(payments))
    left_raw = sum(coin.amount_raw for coin in coins) - sum(payment.amount_raw for payment in payments) - fee_raw
    form = {"coins": [c.claim for c in coins], "change_index": change_index, "change_raw": left_raw, "rate": rate}
    return Draft(
        payments=payments,
        claims=tuple(sorted(coin.claim for coin in coins)),
        fee_cap_raw=fee_raw,
        form=json.dumps(form).encode(),
    )


def raw_of(body: dict[str, Any], key: bytes = KEY) -> bytes:
    """A transaction's bytes, the same for the same body and key."""
    text = json.dumps(body, sort_keys=True)
    return json.dumps({**body, "signature": hmac.digest(key, text.encode(), "sha256").hex()}, sort_keys=True).encode()


def txid_of(raw: bytes) -> str:
    """The id that follows from the bytes."""
    return hashlib.sha256(raw).hexdigest()


def transaction_of(raw: bytes) -> Transaction:
    """The transaction that bytes of ours say."""
    body = json.loads(raw)
    outputs = tuple((address, amount_raw) for address, amount_raw in body["outputs"])
    return Transaction(txid_of(raw), tuple(body["spends"]), outputs, body["fee_raw"], raw=raw)


def claim_of(txid: str, vout: int) -> str:
    """The claim of whatever spends an output."""
    return f"coin:{txid}:{vout}"


def address_of(xpub: str, branch: int, index: int) -> str:
    """An address of an account: /branch/index."""
    return f"{PREFIX}{hash_of('address', xpub, branch, index)[:32]}"


def hash_of(*parts: object) -> str:
    """A name that follows from these parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _to_us(transactions: Sequence[Transaction], known: Collection[str]) -> list[tuple[Transaction, int]]:
    return [
        (each, index) for each in transactions for index, (address, _) in enumerate(each.outputs) if address in known
    ]


def _moves(transaction: Transaction) -> Iterator[Moved]:
    for index, (address, amount_raw) in enumerate(transaction.outputs):
        yield Moved(index=index, asset_symbol=SYMBOL, to_address=address, amount_raw=amount_raw)


def _moved(mined: Transaction) -> tuple[SentTransfer, ...]:
    """What a mined transaction has moved: nothing of it has a sender."""
    return tuple(SentTransfer(SYMBOL, None, address, amount_raw) for address, amount_raw in mined.outputs)


def networks_toml(genesis: str, *, asset_options: Mapping[str, object] | None = None, **options: object) -> str:
    """A networks file with `coin:test` on that chain, whose one asset is COIN; `options` are fields of the network."""
    fields = {"confirmations": 3, "expiry_grace_s": 0, "poll_interval_ms": 50, "address_mode": "fresh", **options}
    return f"""
        [[networks]]
        chain = "coin"
        mode = "test"
        kind = "coin"
        display_name = "Coin"
        genesis = "{genesis}"
        rpc_urls = ["http://127.0.0.1:1"]
        xpub = "{XPUB}"
        {_lines(fields)}

        [[networks.assets]]
        symbol = "{SYMBOL}"
        name = "Coin"
        kind = "native"
        decimals = {DECIMALS}
        {_lines(asset_options or {})}
        """


XPUB = "coinpub"
HOT_ADDRESS = address_of(XPUB, 1, 0)
"""Where operators' top-ups go: the first address of the account's change branch."""


def _lines(fields: Mapping[str, object]) -> str:
    return "\n".join(f"{name} = {_toml(value)}" for name, value in fields.items())


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
