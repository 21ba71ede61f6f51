"""One node's view of the chain, with its faults: several nodes can serve one chain, each wrong in another way."""

from collections.abc import Iterable
from typing import Any

import msgspec

from app.sandbox.tron_double.accounts import Account
from app.sandbox.tron_double.state import Block, State

Json = dict[str, Any]

CODES = (
    *("SUCCESS", "SIGERROR", "CONTRACT_VALIDATE_ERROR", "CONTRACT_EXE_ERROR", "BANDWITH_ERROR"),
    *("DUP_TRANSACTION_ERROR", "TAPOS_ERROR", "TOO_BIG_TRANSACTION_ERROR", "TRANSACTION_EXPIRATION_ERROR"),
    *("SERVER_BUSY", "NO_CONNECTION", "NOT_ENOUGH_EFFECTIVE_CONNECTION", "BLOCK_UNSOLIDIFIED", "OTHER_ERROR"),
)
"""What a broadcast can answer."""


class Refusal(msgspec.Struct, forbid_unknown_fields=True):
    """Broadcasts are answered with `code`, the next `times` of them; `keep` puts the transaction in the pool all the
    same, as after "P2P broadcast failed."."""

    code: str
    message: str = ""
    times: int = 1
    keep: bool = False


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """Requests whose path ends with `path` get this in place of a true answer, the next `times` of them.

    `body` is text or JSON. `delay_s` passes before it; with `hang_up` the connection is closed without an answer. With
    `status` None the true answer follows, after the delay.
    """

    path: str = ""
    status: int | None = 200
    body: Any = ""
    times: int = 1
    delay_s: float = 0
    hang_up: bool = False


class Faults(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is wrong with a node.

    `lag`: it is so many blocks behind; `solidity_lag`: its solid state is, beside that. `absent`: transactions that it
    denies, in blocks too. `hidden_infos`: transactions without a receipt. `missing_blocks`: it has none of these.
    `infos_of_fork`: receipts of a block are those of the newest one that a fork has removed. `lose`: so many
    transactions are accepted and forgotten. `id_cache`: it answers that it knows a transaction if it was sent before,
    even one that it refused. `without_internal`: it keeps no inner calls (vm.saveInternalTx off, as shipped).
    `without_constant`, `with_estimate`: vm.supportConstant off, vm.estimateEnergy on. `serves`: the APIs of its port.
    `key`: requests need it in TRON-PRO-API-KEY. `unsolidified`: it takes nothing, since blocks are not solid.
    """

    lag: int = 0
    solidity_lag: int = 0
    absent: list[str] = []
    hidden_infos: list[str] = []
    missing_blocks: list[int] = []
    infos_of_fork: bool = False
    lose: int = 0
    id_cache: bool = False
    without_internal: bool = False
    without_constant: bool = False
    with_estimate: bool = False
    serves: list[str] = msgspec.field(default_factory=lambda: ["wallet", "walletsolidity"])
    key: str | None = None
    refusals: list[Refusal] = []
    answers: list[Answer] = []


class Node:
    """A node by its name, with what it has been sent and how often each path was asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults = Faults()
        self.known_ids: set[str] = set()
        self.requests: dict[str, int] = {}

    def head(self, state: State, *, solid: bool) -> int:
        """The height of the newest block that it shows."""
        if solid:
            return max(min(state.solid, state.head.number - self.faults.lag) - self.faults.solidity_lag, 0)
        return max(state.head.number - self.faults.lag, 0)

    def block(self, state: State, number: int, *, solid: bool) -> Block | None:
        """A block, None where it shows none."""
        if not 0 <= number <= self.head(state, solid=solid) or number in self.faults.missing_blocks:
            return None
        return state.blocks[number]

    def account(self, state: State, address: str, *, solid: bool) -> Account | None:
        """An account as it knows it."""
        return state.account_at(address, self.head(state, solid=solid))

    def transaction(self, state: State, txid: str, *, solid: bool) -> Json | None:
        """A transaction in one of its blocks, as the API shows it."""
        info = state.infos.get(txid)
        if info is None or txid in self.faults.absent:
            return None
        if self.block(state, int(info["blockNumber"]), solid=solid) is None:
            return None
        return transaction_json(state, txid)

    def info(self, state: State, txid: str, *, solid: bool) -> Json | None:
        """A transaction's receipt."""
        info = state.infos.get(txid)
        if info is None or self.block(state, int(info["blockNumber"]), solid=solid) is None:
            return None
        return next(iter(self._shown([info])), None)

    def infos(self, state: State, number: int, *, solid: bool) -> list[Json]:
        """The receipts of a block; none where it has no such block, as for an empty one."""
        block = self.block(state, number, solid=solid)
        if block is None:
            return []
        if self.faults.infos_of_fork and number in state.removed_infos:
            return list(self._shown(state.removed_infos[number]))
        return list(self._shown(state.infos[txid] for txid in block.txids))

    def block_json(self, state: State, block: Block, *, detail: bool = True) -> Json:
        """A block as the API shows it; without `detail`, its header."""
        shown: Json = {"blockID": block.id, "block_header": block.header()}
        txids = [txid for txid in block.txids if txid not in self.faults.absent]
        if detail and txids:
            shown["transactions"] = [transaction_json(state, txid) for txid in txids]
        return shown

    def take_answer(self, path: str) -> Answer | None:
        """The answer that stands in place of the true one for a request."""
        for answer in self.faults.answers:
            if answer.times > 0 and path.endswith(answer.path):
                answer.times -= 1
                return answer
        return None

    def take_refusal(self) -> Refusal | None:
        """The refusal of the next broadcast."""
        for refusal in self.faults.refusals:
            if refusal.times > 0:
                refusal.times -= 1
                return refusal
        return None

    def _shown(self, infos: Iterable[Json]) -> Iterable[Json]:
        hidden = {*self.faults.absent, *self.faults.hidden_infos}
        for info in infos:
            if info["id"] not in hidden:
                if self.faults.without_internal:
                    info = {name: entry for name, entry in info.items() if name != "internal_transactions"}
                yield info


def transaction_json(state: State, txid: str) -> Json:
    """A transaction of a block as the API shows it."""
    tx, info = state.transactions[txid], state.infos[txid]
    return {
        "ret": [{"contractRet": info["receipt"].get("result", "SUCCESS")}],
        "signature": [signature.hex() for signature in tx.signatures],
        "txID": txid,
        "raw_data": tx.content,
        "raw_data_hex": tx.raw.hex(),
    }
