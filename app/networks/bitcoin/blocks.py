"""Read raw blocks and transactions, and find in them what may be paid to us.

embit parses them. It accepts bytes that end too early or too late, so each transaction is checked against its id, and
each block against the hash that was asked for and, with all its transactions, against its Merkle root.
"""

from collections.abc import Iterator, Set
from datetime import UTC, datetime
from io import BytesIO
from itertools import chain

import msgspec
from embit import compact
from embit.hashes import double_sha256
from embit.transaction import Transaction

from app.networks.bitcoin.addresses import address_of
from app.networks.bitcoin.coins import claim
from app.networks.port import BlockRef, Spend, UnreadableAnswer

HEADER_BYTES = 80
NOTHING = bytes(32)
"""The id of the transaction that a block's reward spends: there is none."""

Outpoint = tuple[bytes, int]
"""An output of a transaction: the transaction's id, and the output's place in it."""


class Payment(msgspec.Struct, frozen=True):
    """An output to an address that may be ours. `is_reward`: it is a block's reward."""

    txid: str
    index: int
    address: str
    amount_raw: int
    is_reward: bool


class ReadBlock(msgspec.Struct, frozen=True):
    """A block's identity, its payments, and all that it spends. `spent`: which of the watched outputs are among that,
    with the transaction's id."""

    ref: BlockRef
    payments: list[Payment]
    spends: list[Spend]
    spent: dict[str, str]


class ReadTransaction(msgspec.Struct, frozen=True):
    """A transaction's payments, and what it spends."""

    txid: str
    payments: list[Payment]
    spends: list[str]


def read_block(digits: str, block_hash: str, height: int, hrp: str, watched: Set[Outpoint]) -> ReadBlock:
    """Read a block, given in hexadecimal digits. Takes up to a second of CPU: run it in a thread. Raises
    UnreadableAnswer."""
    raw = _from_hex(digits, f"block {height}")
    header = raw[:HEADER_BYTES]
    if len(header) != HEADER_BYTES or double_sha256(header)[::-1].hex() != block_hash:
        raise UnreadableAnswer(f"block {height}: another block than {block_hash}")
    transactions = _transactions(raw, height)
    txids = [transaction.txid() for transaction in transactions]
    # Some lists with repeated transactions have the root of the list without them (CVE-2012-2459).
    if len(set(txids)) != len(txids) or merkle_root([txid[::-1] for txid in txids]) != header[36:68]:
        raise UnreadableAnswer(f"block {height}: its transactions are not those of its header")
    ref = BlockRef(
        height=height,
        hash=block_hash,
        parent_hash=header[4:36][::-1].hex(),
        time=datetime.fromtimestamp(int.from_bytes(header[68:72], "little"), UTC),
    )
    spent = {
        outpoint_text(each.txid, each.vout): txid.hex()
        for transaction, txid in zip(transactions, txids, strict=True)
        for each in transaction.vin
        if (each.txid, each.vout) in watched
    }
    pairs = [(transaction, txid.hex()) for transaction, txid in zip(transactions, txids, strict=True)]
    payments = chain.from_iterable(_payments(transaction, txid, hrp) for transaction, txid in pairs)
    spends = chain.from_iterable(_spends(transaction, txid) for transaction, txid in pairs)
    return ReadBlock(ref, list(payments), list(spends), spent)


def read_transaction(digits: str, txid: str, hrp: str) -> ReadTransaction:
    """Read a transaction, given in hexadecimal digits. Raises UnreadableAnswer."""
    raw = _from_hex(digits, f"transaction {txid}")
    try:
        transaction = Transaction.read_from(BytesIO(raw))
        whole = transaction.serialize() == raw and transaction.txid().hex() == txid
    except Exception as error:  # embit raises many kinds
        raise UnreadableAnswer(f"transaction {txid}: can't be parsed: {type(error).__name__}") from None
    if not whole:
        raise UnreadableAnswer(f"transaction {txid}: another one, or not a whole one")
    spends = [outpoint_text(each.txid, each.vout) for each in transaction.vin]
    return ReadTransaction(txid, list(_payments(transaction, txid, hrp)), spends)


def outpoint_text(txid: bytes, index: int) -> str:
    """An output as `PoolTransaction.spends` names it."""
    return f"{txid.hex()}:{index}"


def outpoint(text: str) -> Outpoint:
    """The output of `outpoint_text`."""
    txid, _, index = text.partition(":")
    return bytes.fromhex(txid), int(index)


def merkle_root(hashes: list[bytes]) -> bytes:
    """The root that a block's header has of its transactions' hashes, in the order of bytes of the header."""
    while len(hashes) > 1:
        if len(hashes) % 2:
            hashes = [*hashes, hashes[-1]]
        hashes = [double_sha256(left + right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def _from_hex(digits: str, what: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise UnreadableAnswer(f"{what}: no hexadecimal digits") from None


def _transactions(raw: bytes, height: int) -> list[Transaction]:
    stream = BytesIO(raw)
    try:
        stream.seek(HEADER_BYTES)
        transactions = [Transaction.read_from(stream) for _ in range(compact.read_from(stream))]
        whole = bool(transactions) and stream.read(1) == b"" and raw.endswith(transactions[-1].serialize())
    except Exception as error:  # embit raises many kinds
        raise UnreadableAnswer(f"block {height}: can't be parsed: {type(error).__name__}") from None
    if not whole:
        raise UnreadableAnswer(f"block {height}: its bytes are more or fewer than its transactions")
    return transactions


def _spends(transaction: Transaction, txid: str) -> Iterator[Spend]:
    for index, each in enumerate(transaction.vin):
        if each.txid != NOTHING:
            yield Spend(claim(each.txid.hex(), each.vout), txid, index)


def _payments(transaction: Transaction, txid: str, hrp: str) -> Iterator[Payment]:
    is_reward = transaction.vin[0].txid == NOTHING if transaction.vin else False
    for index, output in enumerate(transaction.vout):
        address = address_of(output.script_pubkey.data, hrp) if output.value else None
        if address is not None:
            yield Payment(txid, index, address, output.value, is_reward)
