"""What a block's transactions have moved, read from the block and from the infos of its transactions. Pure.

A transaction's info says what its contracts did: events, inner calls, fees. The ids of both must be the same set, which
is the only sign that a node has the infos, and that they are of this block.

Addresses are as nodes write them, 42 digits from 41 on (addresses.py).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, TypeVar, cast

import msgspec

from app.networks.keccak import keccak
from app.networks.port import BlockRef, ChainMoved, UnreadableAnswer
from app.networks.tron.addresses import PREFIX
from app.networks.tron.wire import (
    CALL,
    CREATION,
    PERMISSION_CHANGE,
    SUCCESS,
    TRANSFER,
    WireBlockHeader,
    WireCreation,
    WireInfo,
    WireInternal,
    WireLog,
    WireOwner,
    WireTransaction,
    WireTransfer,
)

COIN_INDEX = -1
"""`Transfer.index` of the TRX that a transaction itself transfers."""

FIRST_INNER_INDEX = -2
"""That of the first inner call of a transaction; the next has one less. They are counted whether they carry TRX or
not, so the index of each stays the same."""

WORD_DIGITS = 64
TRANSFER_TOPICS = 3

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")


def topic(event: str) -> str:
    """The first topic of an event's logs."""
    return keccak(event.encode()).hex()


TRANSFER_TOPIC = topic("Transfer(address,address,uint256)")

AlarmKind = Literal["permission_changed", "frozen", "unfrozen", "destroyed", "paused", "unpaused", "replaced"]

ALARMS: dict[str, AlarmKind] = {
    topic("AddedBlackList(address)"): "frozen",
    topic("RemovedBlackList(address)"): "unfrozen",
    topic("DestroyedBlackFunds(address,uint256)"): "destroyed",
    topic("Deprecate(address)"): "replaced",
    topic("Pause()"): "paused",
    topic("Unpause()"): "unpaused",
    topic("Paused(address)"): "paused",
    topic("Unpaused(address)"): "unpaused",
    topic("Blacklisted(address)"): "frozen",
    topic("UnBlacklisted(address)"): "unfrozen",
}
"""Events of USDT's contract, and of USDC's kind and OpenZeppelin's, by their topic."""

ABOUT_AN_ADDRESS = frozenset({"frozen", "unfrozen", "destroyed"})


class Move(msgspec.Struct, frozen=True, gc=False):
    """An amount of an asset from one address to another. `index` is the log's place among those of its transaction,
    which is part of what a block decides; for TRX see COIN_INDEX and FIRST_INNER_INDEX."""

    txid: str
    index: int
    asset_symbol: str
    sender: str
    receiver: str
    amount_raw: int


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Who has signed a transaction, and what it took of its TRX beside what it transfers: fees, and what it has called
    a contract with, less a reward that it has paid out."""

    txid: str
    address: str
    spent_raw: int


class Alarm(msgspec.Struct, frozen=True, gc=False):
    """`app.networks.port.Danger`, of whichever address it is."""

    kind: AlarmKind
    txid: str
    address: str | None
    asset_symbol: str | None
    amount_raw: int


class ReadTransaction(msgspec.Struct, frozen=True):
    """One transaction: everything that it has done to configured assets."""

    succeeded: bool
    moves: list[Move]
    owner: Owner | None
    alarms: list[Alarm]


class ReadBlock(msgspec.Struct, frozen=True):
    """One block, the same for all its transactions."""

    ref: BlockRef
    moves: list[Move]
    owners: list[Owner]
    alarms: list[Alarm]

    def change_raw(self, addresses: Mapping[str, object], asset_symbol: str, *, is_coin: bool) -> dict[str, int]:
        """By how much the block changes what addresses hold of an asset; those without a change are left out."""
        changes: dict[str, int] = {}
        for move in self.moves:
            if move.asset_symbol == asset_symbol:
                for address, amount_raw in ((move.sender, -move.amount_raw), (move.receiver, move.amount_raw)):
                    if address in addresses:
                        changes[address] = changes.get(address, 0) + amount_raw
        for owner in self.owners if is_coin else ():
            if owner.address in addresses:
                changes[owner.address] = changes.get(owner.address, 0) - owner.spent_raw
        for alarm in self.alarms:
            taken_from = alarm.address if alarm.kind == "destroyed" and alarm.asset_symbol == asset_symbol else None
            if taken_from is not None and taken_from in addresses:
                changes[taken_from] = changes.get(taken_from, 0) - alarm.amount_raw
        return {address: change_raw for address, change_raw in changes.items() if change_raw}


class Rules(msgspec.Struct, frozen=True):
    """The configured assets: symbols of tokens by their contract's 40 digits, and the coin's symbol."""

    tokens: Mapping[str, str]
    coin: str | None


def block_ref(wire: WireBlockHeader) -> BlockRef:
    """A block's identity. Raises UnreadableAnswer where its id doesn't begin with its height, as ids do."""
    data = wire.block_header.raw_data
    if int(wire.block_id[:16], 16) != data.number:
        raise UnreadableAnswer(f"block {data.number}: its id says another height")
    try:
        time = EPOCH + timedelta(milliseconds=data.timestamp)
    except OverflowError:
        raise UnreadableAnswer(f"block {data.number}: its time is out of bounds") from None
    return BlockRef(data.number, wire.block_id, data.parent_hash, time)


def read_block(ref: BlockRef, transactions: bytes, infos: bytes, rules: Rules) -> ReadBlock:
    """A block's transactions with their infos, both as a node's JSON. Raises ChainMoved where they are not of the same
    block, and UnreadableAnswer."""
    at = f"block {ref.height}"
    read = _decoded(list[WireTransaction], transactions, at)
    by_id = {info.id: info for info in _decoded(list[WireInfo], infos, at)}
    ids = {transaction.txid for transaction in read}
    if len(ids) != len(read):
        raise UnreadableAnswer(f"{at}: it has a transaction twice")
    if by_id.keys() != ids or any(info.block_number != ref.height for info in by_id.values()):
        raise ChainMoved(f"{at}: the infos are not those of its transactions")
    block = ReadBlock(ref, [], [], [])
    for transaction in read:
        done = read_transaction(transaction, by_id[transaction.txid], rules)
        block.moves.extend(done.moves)
        block.alarms.extend(done.alarms)
        if done.owner is not None:
            block.owners.append(done.owner)
    return block


def read_transaction(transaction: WireTransaction, info: WireInfo, rules: Rules) -> ReadTransaction:
    """What a transaction has done to configured assets. Raises UnreadableAnswer where its parts contradict."""
    txid = transaction.txid
    at = f"transaction {txid}"
    if len(transaction.raw_data.contract) != 1 or len(transaction.ret) > 1:
        raise UnreadableAnswer(f"{at}: it has not exactly one action and one result")
    (contract,) = transaction.raw_data.contract
    succeeded = bool(transaction.ret) and transaction.ret[0].contract_ret == SUCCESS
    result, value = info.receipt.result, contract.parameter.value
    if result and (result == SUCCESS) != succeeded:
        raise UnreadableAnswer(f"{at}: its block and its info have different results")
    signed = _decoded(WireOwner, value, at)
    spent_raw = info.fee - info.withdraw_amount
    moves: list[Move] = []
    alarms: list[Alarm] = []
    if contract.type == TRANSFER:
        if not transaction.ret or not transaction.ret[0].contract_ret:
            raise UnreadableAnswer(f"{at}: a transfer without a result")
        if succeeded and rules.coin is not None:
            moves += _coin_move(txid, _decoded(WireTransfer, value, at), rules.coin)
    elif contract.type in (CALL, CREATION) and succeeded:
        created = _decoded(WireCreation, value, at).new_contract.call_value if contract.type == CREATION else 0
        spent_raw += signed.call_value + created
    elif contract.type == PERMISSION_CHANGE and succeeded:
        alarms.append(Alarm("permission_changed", txid, _address(signed.owner_address, at), None, 0))
    if succeeded and result == SUCCESS:
        for place, log in enumerate(info.log):
            symbol = rules.tokens.get(log.address.lower())
            if symbol is None or not log.topics:
                continue
            if log.topics[0] == TRANSFER_TOPIC:
                moves += _token_move(txid, place, symbol, log)
            elif log.topics[0] in ALARMS:
                alarms.append(_alarm(txid, symbol, log))
    if succeeded and rules.coin is not None:
        moves += _inner_moves(txid, info.internal_transactions, rules.coin)
    # Transfers from shielded addresses have no owner.
    owner = Owner(txid, _address(signed.owner_address, at), spent_raw) if signed.owner_address else None
    return ReadTransaction(succeeded, moves, owner, alarms)


def _coin_move(txid: str, transfer: WireTransfer, symbol: str) -> Iterator[Move]:
    at = f"transaction {txid}"
    if transfer.amount:
        sender, receiver = _address(transfer.owner_address, at), _address(transfer.to_address, at)
        yield Move(txid, COIN_INDEX, symbol, sender, receiver, transfer.amount)


def _token_move(txid: str, place: int, symbol: str, log: WireLog) -> Iterator[Move]:
    """The amount of a Transfer. With other indexed arguments it is that of an NFT, and no amount."""
    if len(log.topics) != TRANSFER_TOPICS or len(log.data) != WORD_DIGITS:
        return
    at = f"transaction {txid}"
    sender, receiver = (_word_address(word, at) for word in log.topics[1:])
    if amount_raw := _number(log.data, at):
        yield Move(txid, place, symbol, sender, receiver, amount_raw)


def _inner_moves(txid: str, inner: list[WireInternal], symbol: str) -> Iterator[Move]:
    """TRX that contracts have passed on. A reverted call is there too, and so are TRC-10 tokens, with an id."""
    for place, call in enumerate(inner):
        amount_raw = sum(value.raw for value in call.values if not value.token_id)
        if amount_raw and not call.rejected:
            at = f"transaction {txid}"
            sender, receiver = _address(call.caller, at), _address(call.receiver, at)
            yield Move(txid, FIRST_INNER_INDEX - place, symbol, sender, receiver, amount_raw)


def _alarm(txid: str, symbol: str, log: WireLog) -> Alarm:
    """An event of a token, whose arguments may be indexed or not."""
    kind, at = ALARMS[log.topics[0]], f"transaction {txid}"
    if kind not in ABOUT_AN_ADDRESS:
        return Alarm(kind, txid, None, symbol, 0)
    data = [log.data[start : start + WORD_DIGITS] for start in range(0, len(log.data), WORD_DIGITS)]
    words = [*log.topics[1:], *data]
    if len(words) < (2 if kind == "destroyed" else 1):
        raise UnreadableAnswer(f"{at}: an event of {symbol} without its arguments")
    amount_raw = _number(words[1], at) if kind == "destroyed" else 0
    return Alarm(kind, txid, _word_address(words[0], at), symbol, amount_raw)


_ADDRESS = re.compile(r"41[0-9a-f]{40}")
_WORD = re.compile(r"[0-9a-f]{64}")


def _address(digits: str, at: str) -> str:
    if not _ADDRESS.fullmatch(digits):
        raise UnreadableAnswer(f"{at}: not an address")
    return digits


def _word_address(word: str, at: str) -> str:
    """The address at the end of 32 bytes."""
    if not _WORD.fullmatch(word):
        raise UnreadableAnswer(f"{at}: not 32 bytes")
    return PREFIX + word[24:]


def _number(word: str, at: str) -> int:
    if not _WORD.fullmatch(word):
        raise UnreadableAnswer(f"{at}: not 32 bytes")
    return int(word, 16)


def _decoded(kind: type[T], answer: bytes | msgspec.Raw, at: str) -> T:
    try:
        return cast("T", _decoder(cast("Any", kind)).decode(answer))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UnreadableAnswer(f"{at}: {error}") from None


@lru_cache(maxsize=16)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
