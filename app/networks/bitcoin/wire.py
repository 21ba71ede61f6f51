"""Bitcoin Core's answers as types. Members that we don't use are left out, so they may have any value.

Amounts are JSON numbers in bitcoin; they are read as decimals, never as floats.
"""

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from app.networks.bitcoin.parameters import COIN_DECIMALS
from app.networks.port import UnreadableAnswer

Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Hex = Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{2})*\Z")]
Count = Annotated[int, Meta(ge=0, le=2**32 - 1)]

# Error codes of Bitcoin Core's RPC (`rpc/protocol.h`).
MISC_ERROR = -1
NOT_FOUND = -5
INVALID_PARAMETER = -8
IN_WARM_UP = -28
INTERNAL_ERROR = -32603  # also where the estimation of fees is turned off, as with `-blocksonly`


class ChainInfo(msgspec.Struct, frozen=True):
    """`getblockchaininfo`: `blocks` is the height of the newest block. `chain_work` is hexadecimal. A pruned node has
    the blocks from `prune_height` on."""

    blocks: Count
    headers: Count
    chain_work: Hash = msgspec.field(name="chainwork")
    is_downloading: bool = msgspec.field(name="initialblockdownload")
    pruned: bool = False
    prune_height: Count | None = msgspec.field(name="pruneheight", default=None)


class WireNetworkInfo(msgspec.Struct, frozen=True):
    """`getnetworkinfo`: `version` is 250000 of Bitcoin Core 25.0, `subversion` has the program's name. `relays`: it
    takes others' transactions into its pool."""

    version: Annotated[int, Meta(ge=0)]
    subversion: str
    relays: bool = msgspec.field(name="localrelay")


class WirePoolState(msgspec.Struct, frozen=True):
    """`getmempoolinfo`: whether the pool of the last run has been read."""

    is_loaded: bool = msgspec.field(name="loaded")


class WireHeader(msgspec.Struct, frozen=True):
    """`getblockheader`. The first block has no previous one."""

    hash: Hash
    height: Count
    time: Count
    previousblockhash: Hash = 64 * "0"


class WirePool(msgspec.Struct, frozen=True):
    """`getrawmempool false true`: the ids of the pool's transactions. `mempool_sequence` grows with each change."""

    txids: list[str]
    mempool_sequence: int


class WireFees(msgspec.Struct, frozen=True):
    """The fee that a transaction pays itself, in bitcoin."""

    base: Decimal


class WirePoolEntry(msgspec.Struct, frozen=True):
    """`getmempoolentry`. `vsize` is in virtual bytes (BIP-141)."""

    vsize: Annotated[int, Meta(ge=1)]
    fees: WireFees


class WireSpending(msgspec.Struct, frozen=True):
    """`gettxspendingprevout`: the transaction in the pool that spends an output, if one does."""

    txid: Hash
    vout: Count
    spendingtxid: Hash | None = None


class WireCoin(msgspec.Struct, frozen=True):
    """`gettxout`: an output that is not spent."""

    value: Decimal


class WireUnspent(msgspec.Struct, frozen=True):
    """An output of a scan. `height`: the block that has it."""

    script: Hex = msgspec.field(name="scriptPubKey")
    amount: Decimal
    height: Count


class WireScan(msgspec.Struct, frozen=True):
    """`scantxoutset`: the unspent outputs of given scripts at the newest block."""

    success: bool
    height: Count
    bestblock: Hash
    unspents: list[WireUnspent]


class WireScript(msgspec.Struct, frozen=True):
    """An output's script."""

    hex: Hex


class WirePrevious(msgspec.Struct, frozen=True):
    """The output that an input spends. `height`: the block that has it."""

    height: Count
    value: Decimal
    script: WireScript = msgspec.field(name="scriptPubKey")


class WireInput(msgspec.Struct, frozen=True):
    """An input; a block's reward spends nothing."""

    prevout: WirePrevious | None = None


class WireSpender(msgspec.Struct, frozen=True):
    """A transaction with what it spends."""

    vin: list[WireInput]


class WireBlock(msgspec.Struct, frozen=True):
    """`getblock` with verbosity 3: what a block's transactions spend."""

    hash: Hash
    tx: list[WireSpender]


class WireOurFees(msgspec.Struct, frozen=True):
    """Fees of a transaction in the pool, in bitcoin: its own, with all that it comes from, with all that comes from
    it."""

    base: Decimal
    ancestor: Decimal
    descendant: Decimal


class WireOurEntry(msgspec.Struct, frozen=True):
    """`getmempoolentry` of a transaction of ours. The ancestors' counts and sizes include its own."""

    vsize: Annotated[int, Meta(ge=1)]
    ancestorcount: Count
    ancestorsize: Count
    fees: WireOurFees


class WirePoolRules(msgspec.Struct, frozen=True):
    """`getmempoolinfo`: the least rates, in bitcoin per 1,000 vB, that a full pool takes, that any pool takes, and that
    a replacement adds."""

    mempoolminfee: Decimal
    minrelaytxfee: Decimal
    incrementalrelayfee: Decimal


class WireEstimate(msgspec.Struct, frozen=True):
    """`estimatesmartfee`, in bitcoin per 1,000 vB. Without enough blocks to learn from there is no rate."""

    feerate: Decimal | None = None


class WireMinedHeader(msgspec.Struct, frozen=True):
    """`getblockheader`: `confirmations` is -1 of a block that is not in the chain."""

    height: Count
    confirmations: int


class WireMined(msgspec.Struct, frozen=True):
    """`getrawtransaction` with verbosity 2. A pruned node doesn't know the fee of older ones."""

    hex: Hex
    fee: Decimal | None = None


class WireFoundTransaction(msgspec.Struct, frozen=True):
    """`getrawtransaction` with verbosity 1: the block is there only where the node has an index, or was told it."""

    hex: Hex
    blockhash: Hash | None = None


class WireFoundCoin(msgspec.Struct, frozen=True):
    """`gettxout`: an output that is not spent, with the blocks from its own one to `bestblock`."""

    bestblock: Hash
    confirmations: Count
    value: Decimal
    script: WireScript = msgspec.field(name="scriptPubKey")


class WireSubmitted(msgspec.Struct, frozen=True):
    """One transaction of a package, with the reason why it was not taken."""

    error: str = ""


class WirePackage(msgspec.Struct, frozen=True):
    """`submitpackage`: "success", or what failed; the transactions by their witness ids."""

    package_msg: str
    tx_results: dict[str, WireSubmitted] = msgspec.field(name="tx-results")


def satoshi(amount: Decimal) -> int:
    """An amount of bitcoins in minor units. Raises UnreadableAnswer for one that isn't whole."""
    raw = amount.scaleb(COIN_DECIMALS)
    if not raw.is_finite() or raw != raw.to_integral_value():
        raise UnreadableAnswer(f"{amount} bitcoins are no whole number of satoshi")
    return int(raw)
