"""The node's answers as types, as strict as the specification of `eth_*` (ethereum/execution-apis).

An answer that doesn't fit fails to decode as a whole. Members that we don't use are left out, so they may have any
value.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

# "0x0", or hex without leading zeros; at most 256 bits.
Quantity = Annotated[str, Meta(pattern=r"\A0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})\Z")]
Hash = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{64}\Z")]
Address = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{40}\Z")]
Data = Annotated[str, Meta(pattern=r"\A0x(?:[0-9a-fA-F]{2})*\Z")]

# keccak256("Transfer(address,address,uint256)"), ERC-20's event.
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


class WireHeader(msgspec.Struct, frozen=True, rename="camel"):
    """A block without its transactions."""

    number: Quantity
    hash: Hash
    parent_hash: Hash
    timestamp: Quantity


class WireTransaction(msgspec.Struct, frozen=True, rename="camel"):
    """A transaction within a block. `to` is null where it creates a contract."""

    hash: Hash
    block_hash: Hash
    to: Address | None
    from_: Address = msgspec.field(name="from")
    value: Quantity


class WireBlock(WireHeader, frozen=True, rename="camel"):
    """A block with its transactions in full."""

    transactions: list[WireTransaction]


class WireLog(msgspec.Struct, frozen=True, rename="camel"):
    """An event of a contract. `removed` marks one of a block that a reorganisation has taken back."""

    address: Address
    topics: Annotated[list[Hash], Meta(max_length=4)]
    data: Data
    block_number: Quantity
    block_hash: Hash
    transaction_hash: Hash
    log_index: Quantity
    removed: bool = False


class WireReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """The outcome of a transaction: `status` is 0x1 for success (EIP-658)."""

    transaction_hash: Hash
    block_hash: Hash
    status: Quantity


class WireFeeHeader(msgspec.Struct, frozen=True, rename="camel"):
    """The newest block's price of gas (EIP-1559)."""

    base_fee_per_gas: Quantity


class WireSettledReceipt(WireReceipt, frozen=True, rename="camel"):
    """A receipt with its logs and what was paid. `l1_fee` is there only on rollups of the OP stack."""

    block_number: Quantity
    logs: list[WireLog]
    gas_used: Quantity
    effective_gas_price: Quantity
    l1_fee: Quantity | None = msgspec.field(name="l1Fee", default=None)


class WireSent(msgspec.Struct, frozen=True):
    """The sender, recipient and native coin of a transaction. `to` is null where it creates a contract."""

    to: Address | None
    from_: Address = msgspec.field(name="from")
    value: Quantity


class WireSigned(msgspec.Struct, frozen=True, rename="camel"):
    """A transaction with its signature. Those of other types than 2 (EIP-1559) lack some of the members."""

    hash: Hash
    type: Quantity
    nonce: Quantity
    gas: Quantity
    to: Address | None
    value: Quantity
    input: Data
    v: Quantity
    r: Quantity
    s: Quantity
    max_fee_per_gas: Quantity | None = None
    max_priority_fee_per_gas: Quantity | None = None


class WireKnown(msgspec.Struct, frozen=True, rename="camel"):
    """A transaction that the node knows of, waiting or in a block."""

    hash: Hash


class WireNonceTransaction(msgspec.Struct, frozen=True, rename="camel"):
    """A transaction with its sender and nonce."""

    hash: Hash
    nonce: Quantity
    from_: Address = msgspec.field(name="from")


class WireNonceBlock(msgspec.Struct, frozen=True):
    """A block's transactions by sender and nonce."""

    transactions: list[WireNonceTransaction]


class WireCall(msgspec.Struct, frozen=True):
    """A frame of geth's callTracer. `error` means that it and all below it were undone."""

    type: str
    from_: Address = msgspec.field(name="from")
    to: Address | None = None
    value: Quantity | None = None
    error: str | None = None
    calls: list["WireCall"] = []


class WireTracedTransaction(msgspec.Struct, frozen=True, rename="camel"):
    """One transaction of debug_traceBlockBy…; older nodes leave its hash out: then its position counts."""

    result: WireCall
    tx_hash: Hash | None = None


class WireTraceAction(msgspec.Struct, frozen=True, rename="camel"):
    """What a trace of `trace_block` did: a call, a creation, or a contract that ended itself."""

    call_type: str | None = None
    from_: Address | None = msgspec.field(name="from", default=None)
    to: Address | None = None
    value: Quantity | None = None
    address: Address | None = None
    refund_address: Address | None = None
    balance: Quantity | None = None


class WireTraceResult(msgspec.Struct, frozen=True):
    """The result of a trace; `address` is a created contract's."""

    address: Address | None = None


class WireTrace(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of `trace_block`. Rewards of blocks belong to no transaction."""

    type: str
    action: WireTraceAction
    block_hash: Hash
    trace_address: list[int]
    transaction_hash: Hash | None = None
    result: WireTraceResult | None = None
    error: str | None = None


class WireAnyTransaction(msgspec.Struct, frozen=True, rename="camel"):
    """Any transaction that the node knows, of any type. `block_hash` is null while it waits."""

    hash: Hash
    nonce: Quantity
    to: Address | None
    value: Quantity
    input: Data
    from_: Address = msgspec.field(name="from")
    block_hash: Hash | None = None
    gas_price: Quantity | None = None
    max_fee_per_gas: Quantity | None = None


class WireAnyReceipt(WireReceipt, frozen=True, rename="camel"):
    """Any transaction's receipt, with all its logs."""

    block_number: Quantity
    logs: list[WireLog]
