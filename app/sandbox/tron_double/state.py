"""The double's chain as data: blocks, transactions, accounts, the pool. Every block can be taken back.

A block keeps what its accounts were before it, so the state after an earlier block can be read (a solid node's, a
lagging node's) and restored (a fork). Changes that the control makes belong to the next block.
"""

import copy
import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from app.sandbox.tron_double import messages
from app.sandbox.tron_double.accounts import Account
from app.sandbox.tron_double.parameters import DEFAULTS

Json = dict[str, Any]

SOLID_BEHIND = 18
"""A block is solid once 18 others follow: 19 of the 27 producers have built on it."""

KEPT_BLOCKS = 200
"""The state after older blocks than this can't be read any more."""

WITNESSES = 27
GENESIS_ID = "00" * 8 + hashlib.sha256(b"swap-pay sandbox").hexdigest()[16:]
"""The id of block 0, by which a network with this chain is known."""

GENESIS_PARENT = hashlib.sha256(b"a chain of the sandbox begins").hexdigest()
RESULT_SIZE = 64
"""What java-tron adds to the size of a transaction for its result."""


class Transaction(msgspec.Struct, frozen=True, dict=True):
    """A transaction as it was broadcast."""

    raw: bytes
    signatures: tuple[bytes, ...]

    @cached_property
    def txid(self) -> str:
        """Its id."""
        return hashlib.sha256(self.raw).hexdigest()

    @cached_property
    def content(self) -> Json:
        """`raw_data` in the API's JSON. Raises ValueError."""
        return messages.decode("Raw", self.raw)

    @cached_property
    def encoded(self) -> bytes:
        """The whole transaction's bytes."""
        return messages.encode(
            "Transaction", {"raw_data": self.raw.hex(), "signature": [entry.hex() for entry in self.signatures]}
        )

    @property
    def size(self) -> int:
        """What it takes of bandwidth, in bytes."""
        return len(self.encoded) + RESULT_SIZE

    @property
    def kind(self) -> str:
        """Its contract's type, such as TransferContract."""
        return str(self.content["contract"][0]["parameter"]["type_url"]).removeprefix(messages.TYPE_URL)

    @property
    def value(self) -> Json:
        """Its contract's fields."""
        return dict(self.content["contract"][0]["parameter"]["value"])

    @property
    def permission_id(self) -> int:
        """The permission that it is signed under: 0 is the owner's."""
        return int(self.content["contract"][0].get("Permission_id", 0))


class Block(msgspec.Struct, array_like=True):
    """A block. `evm_height` is anvil's newest block at its end; `before` has the accounts that it changed."""

    number: int
    time_ms: int
    id: str
    parent_id: str
    witness: str
    root: str
    txids: tuple[str, ...] = ()
    evm_height: int = 0
    before: dict[str, Account | None] = {}

    def header(self) -> Json:
        """`block_header` of the API."""
        raw: Json = {"txTrieRoot": self.root, "witness_address": self.witness, "parentHash": self.parent_id}
        if self.number:
            raw |= {"number": self.number, "version": 34, "timestamp": self.time_ms}
        return {"raw_data": raw, "witness_signature": hashlib.sha512(self.id.encode()).hexdigest() + "00"}


class State(msgspec.Struct):
    """Everything that the chain is. `infos` has the receipts by txid, `removed_infos` those of blocks that a fork has
    removed, by height; `solid` the height of the newest solid block, which never goes down."""

    blocks: list[Block]
    accounts: dict[str, Account] = {}
    transactions: dict[str, Transaction] = {}
    infos: dict[str, Json] = {}
    pool: dict[str, Transaction] = {}
    contracts: dict[str, Json] = {}
    parameters: dict[str, int] = msgspec.field(default_factory=lambda: dict(DEFAULTS))
    penalties: dict[str, int] = {}
    free_bandwidth_is_used_up: bool = False
    removed_infos: dict[int, list[Json]] = {}
    solid: int = 0
    forks: int = 0
    changed: dict[str, Account | None] = {}
    """What accounts were before the changes since the newest block."""
    stale: set[str] = set()
    """Accounts of which anvil knows an old balance."""

    @classmethod
    def new(cls, genesis_id: str) -> "State":
        """A chain of one block, whose id is given."""
        root = hashlib.sha256(b"").hexdigest()
        return cls(blocks=[Block(0, 0, genesis_id, GENESIS_PARENT, witness(0), root)])

    @property
    def head(self) -> Block:
        """The newest block."""
        return self.blocks[-1]

    def copy(self) -> "State":
        """A copy that later changes leave as it is."""
        copied = copy.copy(self)
        for name in self.__struct_fields__:
            setattr(copied, name, copy.copy(getattr(self, name)))
        return copied

    def account(self, address: str) -> Account | None:
        """An account now; None if it was never activated."""
        return self.accounts.get(address)

    def account_at(self, address: str, number: int) -> Account | None:
        """An account after block `number`. Raises ValueError for a block that is too old."""
        if number < self.head.number - KEPT_BLOCKS:
            raise ValueError(f"the state after block {number} is gone")
        for block in self.blocks[number + 1 :]:
            if address in block.before:
                return block.before[address]
        return self.changed[address] if address in self.changed else self.accounts.get(address)

    def set(self, address: str, account: Account) -> None:
        """Change an account."""
        before = self.accounts.get(address)
        self.changed.setdefault(address, before)
        self.accounts[address] = account
        if before is None or before.balance_sun != account.balance_sun:
            self.stale.add(address)

    def append(self, time_ms: int, txids: tuple[str, ...], infos: Mapping[str, Json], evm_height: int) -> Block:
        """Add a block of transactions that have been applied; their receipts are `infos`."""
        number = self.head.number + 1
        root = hashlib.sha256("".join(txids).encode()).hexdigest()
        producer = witness(number + 7 * self.forks)  # a fork's blocks differ, empty ones too
        identity = hashlib.sha256(f"{number}{self.head.id}{time_ms}{root}{producer}".encode()).digest()
        block_id = number.to_bytes(8, "big").hex() + identity[8:].hex()
        block = Block(number, time_ms, block_id, self.head.id, producer, root, txids, evm_height, self.changed)
        self.blocks.append(block)
        self.infos.update(infos)
        self.changed = {}
        self.solid = max(self.solid, number - SOLID_BEHIND)
        if number > KEPT_BLOCKS:
            self.blocks[number - KEPT_BLOCKS].before = {}
        return block

    def remove_newest(self) -> list[Transaction]:
        """Take the newest block back, its accounts too. Returns its transactions."""
        block = self.blocks.pop()
        for before in (self.changed, block.before):
            for address, account in before.items():
                self.stale.add(address)
                if account is None:
                    self.accounts.pop(address, None)
                else:
                    self.accounts[address] = account
        self.changed = {}
        self.removed_infos[block.number] = [self.infos.pop(txid) for txid in block.txids]
        return [self.transactions.pop(txid) for txid in block.txids]


def witness(number: int) -> str:
    """The address of the producer whose turn it is."""
    return "41" + hashlib.sha256(b"producer %d" % (number % WITNESSES)).hexdigest()[:40]
