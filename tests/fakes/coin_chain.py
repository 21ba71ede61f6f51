"""A kind of chain that exists nowhere, in memory: what is above the port must work with it as it does with any other.

It differs from EVM chains in all that the port leaves open: addresses of another form, no chain number, transactions
without a sender and with several transfers, a pool whose transactions can be replaced or dropped, transfers that
mature. A fake, since no real chain does all of that on request.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.core import clock
from app.networks.config import NetworkConfig
from app.networks.port import (
    Block,
    BlockRef,
    ChainMoved,
    OurAddresses,
    OurCoins,
    Pool,
    PoolTransaction,
    PoolTransfer,
    Settlement,
    Transfer,
)

PREFIX = "coin1"
MATURES_AFTER = 5
"""Blocks after which a block's own reward counts."""


class CoinConfig(NetworkConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="coin"):
    """A network of this kind. `genesis` finds its chain in `CHAINS`."""

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

    def check_xpub(self) -> None:
        if not self.xpub.startswith("coinpub"):
            raise ValueError("is not a public key of this chain")


@dataclass(frozen=True)
class Transaction:
    """A transaction: what it spends, and what it sends to whom."""

    txid: str
    spends: tuple[str, ...]
    outputs: tuple[tuple[str, int], ...]
    fee_rate_raw: int
    is_reward: bool = False


@dataclass
class CoinChain:
    """The chain itself: a customer's wallet, the pool and the blocks."""

    name: str
    blocks: list[tuple[BlockRef, tuple[Transaction, ...]]] = field(default_factory=list)
    pool: dict[str, Transaction] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        self.mine()

    def pay(self, *outputs: tuple[str, int], fee_rate_raw: int = 1_000) -> str:
        """Send a payment into the pool; return its transaction's id."""
        self.made += 1
        return self._enter((f"coin:{self.made}",), outputs, fee_rate_raw)

    def replace(self, txid: str, *outputs: tuple[str, int]) -> str:
        """Replace a transaction of the pool by one that spends the same, with a higher fee."""
        old = self.pool.pop(txid)
        self.made += 1
        return self._enter(old.spends, outputs, old.fee_rate_raw * 2)

    def drop(self, txid: str) -> Transaction:
        """Let the node forget a transaction of the pool."""
        return self.pool.pop(txid)

    def enter(self, transaction: Transaction) -> None:
        """Send a known transaction into the pool again."""
        self.pool[transaction.txid] = transaction

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
            mined.insert(0, Transaction(_hash("reward", self.name, self.made), (), (reward,), 0, is_reward=True))
        height = len(self.blocks)
        parent = self.blocks[-1][0].hash if self.blocks else ""
        ref = BlockRef(height, _hash("block", self.name, self.made), parent, at or clock.now())
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

    def _enter(self, spends: tuple[str, ...], outputs: tuple[tuple[str, int], ...], fee_rate_raw: int) -> str:
        transaction = Transaction(_hash("tx", self.name, self.made), spends, outputs, fee_rate_raw)
        self.pool[transaction.txid] = transaction
        return transaction.txid


CHAINS: dict[str, CoinChain] = {}
"""Every chain of this kind by its genesis."""


class CoinReader:
    """`app.networks.port.Chain` of this kind."""

    def __init__(self, config: CoinConfig) -> None:
        self._config = config
        self._chain = CHAINS[config.genesis]
        native = config.native
        assert native is not None
        self._symbol = native.symbol

    async def check_identity(self) -> None:
        """The chain is found by its identity."""

    async def head_height(self) -> int:
        return len(self._chain.blocks) - 1

    async def block_ref(self, height: int) -> BlockRef | None:
        return self._chain.blocks[height][0] if height < len(self._chain.blocks) else None

    async def blocks(self, first: int, last: int, ours: OurAddresses, our_coins: OurCoins | None = None) -> list[Block]:
        if last >= len(self._chain.blocks):
            raise ChainMoved(f"there is no block {last}")
        found = self._chain.blocks[first : last + 1]
        known = await ours({address for _, mined in found for each in mined for address, _ in each.outputs})
        return [
            Block(ref, tuple(self._transfer(each, index, ref) for each, index in _to_us(mined, known)))
            for ref, mined in found
        ]

    async def pool(self, ours: OurAddresses) -> Pool | None:
        waiting = list(self._chain.pool.values())
        known = await ours({address for each in waiting for address, _ in each.outputs})
        return Pool(
            self._chain.blocks[-1][0].hash,
            tuple(
                PoolTransaction(each.txid, transfers, each.spends, each.fee_rate_raw, is_replaceable=True)
                for each in waiting
                if (
                    transfers := tuple(
                        PoolTransfer(index, self._symbol, *each.outputs[index]) for _, index in _to_us([each], known)
                    )
                )
            ),
        )

    async def replaced(self, spends: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
        everything = [*self._chain.pool.values(), *(each for _, mined in self._chain.blocks for each in mined)]
        by = {spent: each.txid for each in everything for spent in each.spends}
        return {
            txid: next(by[spent] for spent in spent_ones if spent in by)
            for txid, spent_ones in spends.items()
            if any(spent in by for spent in spent_ones)
        }

    async def finality(self) -> int:
        return max(len(self._chain.blocks) - self._config.confirmations, -1)

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, height: int) -> dict[str, int]:
        held = dict.fromkeys(addresses, 0)
        for _, mined in self._chain.blocks[: height + 1]:
            for address, amount_raw in (output for each in mined for output in each.outputs):
                if address in held:
                    held[address] += amount_raw
        return held

    async def settlements(self, txids: Collection[str]) -> dict[str, Settlement]:
        return {}

    async def traces_native(self) -> bool:
        return True

    def payment_uri(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        return f"bitcoin:{address}?amount={amount_raw}"

    def qr_text(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        return self.payment_uri(address, asset_symbol, amount_raw)

    def derive_address(self, index: int) -> str:
        return f"{PREFIX}{_hash('address', self._config.xpub, index)[:32]}"

    async def aclose(self) -> None:
        """Nothing to close."""

    def _transfer(self, transaction: Transaction, index: int, ref: BlockRef) -> Transfer:
        address, amount_raw = transaction.outputs[index]
        return Transfer(
            txid=transaction.txid,
            index=index,
            asset_symbol=self._symbol,
            to_address=address,
            from_address=None,
            amount_raw=amount_raw,
            block=ref,
            matures_at=ref.height + MATURES_AFTER if transaction.is_reward else None,
        )


def _to_us(transactions: Sequence[Transaction], known: Collection[str]) -> list[tuple[Transaction, int]]:
    return [
        (each, index) for each in transactions for index, (address, _) in enumerate(each.outputs) if address in known
    ]


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def networks_toml(genesis: str, **options: object) -> str:
    """A networks file with `coin:test` on that chain, whose one asset is COIN."""
    fields = {"confirmations": 3, "expiry_grace_s": 0, "poll_interval_ms": 50, "address_mode": "fresh", **options}
    settings = "\n".join(f"{name} = {_toml(value)}" for name, value in fields.items())
    return f"""
        [[networks]]
        chain = "coin"
        mode = "test"
        kind = "coin"
        display_name = "Coin"
        genesis = "{genesis}"
        rpc_urls = ["http://127.0.0.1:1"]
        xpub = "coinpub"
        {settings}

        [[networks.assets]]
        symbol = "COIN"
        name = "Coin"
        kind = "native"
        decimals = 8
        """


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
