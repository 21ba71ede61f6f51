"""Whether each node of a Bitcoin network is fit for its work, and whether they agree: for the doctor."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.estimates import estimate_call
from app.networks.bitcoin.fees import VB_PER_RATE
from app.networks.bitcoin.rpc import CHAIN_INFO, GENESIS, BitcoinRpc
from app.networks.bitcoin.wire import (
    INVALID_PARAMETER,
    ChainInfo,
    Hash,
    WireEstimate,
    WireNetworkInfo,
    WirePoolState,
    satoshi,
)
from app.networks.inspection import NodeFinding
from app.networks.json_rpc import Call
from app.networks.port import NetworkError

OLDEST_VERSION = 250_000
"""Bitcoin Core 25, as nodes number it: `submitpackage` and `getblock` with verbosity 3 work from there on."""

SMALL_LAG_BLOCKS = 2
"""Two nodes that are so far apart have perhaps just not heard of the newest blocks yet."""

METHOD_NOT_FOUND, FORBIDDEN = -32601, -32604
"""JSON-RPC 2.0, section 5.1: a node without a wallet, and one whose `rpcwhitelist` leaves the call out."""


async def inspect(config: BitcoinConfig, next_height: int | None) -> list[NodeFinding]:
    """See `app.networks.inspection.Inspect`."""
    rpc = BitcoinRpc(config)
    try:
        findings: list[NodeFinding] = []
        known: dict[int, ChainInfo] = {}
        labels = rpc.labels
        for number, label in enumerate(labels):
            try:
                chain = await _chain_info(rpc, number)
                findings += [_of(label, found) for found in await _examined(rpc, number, config, chain, next_height)]
            except NetworkError as error:
                # With another node the network still works.
                findings.append(NodeFinding("unsafe" if len(labels) == 1 else "warning", f"can't be used: {error}"))
                continue
            known[number] = chain
        for first, second in pairwise(known):
            findings += await _compared(rpc, (first, known[first]), (second, known[second]))
        return findings
    finally:
        await rpc.aclose()


async def _chain_info(rpc: BitcoinRpc, number: int) -> ChainInfo:
    calls: list[Call[Any]] = [GENESIS, CHAIN_INFO]
    genesis_hash, info = await rpc.ask_one(number, calls)
    rpc.check_genesis(number, genesis_hash)
    return cast("ChainInfo", info)


async def _examined(
    rpc: BitcoinRpc, number: int, config: BitcoinConfig, chain: ChainInfo, next_height: int | None
) -> list[NodeFinding]:
    calls: list[Call[Any]] = [_NETWORK_INFO, _POOL_STATE, _WALLETS, estimate_call(config.fee_target_blocks)]
    network, pool, wallets, estimate = await rpc.ask_one(number, calls)
    return [
        *_version(network),
        *_blocks(chain, next_height),
        *_pool(network, pool),
        *_fees(config, estimate),
        *_wallets(wallets),
    ]


def _version(network: WireNetworkInfo) -> Iterator[NodeFinding]:
    if network.version < OLDEST_VERSION:
        yield NodeFinding("unsafe", f"is {network.subversion}: Bitcoin Core 25 or newer is needed")
    else:
        yield NodeFinding("ok", f"is {network.subversion}")


def _blocks(chain: ChainInfo, next_height: int | None) -> Iterator[NodeFinding]:
    if chain.is_downloading:
        newest = max(chain.headers, chain.blocks)
        yield NodeFinding("unsafe", f"still downloads the chain (block {chain.blocks} of {newest}): nothing is read")
    if not chain.pruned:
        return
    first = chain.prune_height or 0
    if next_height is not None and next_height < first:
        yield NodeFinding(
            "unsafe",
            f"has deleted the blocks below {first}, and block {next_height} is the next to read: use a node that"
            " has it, and keep more blocks here (prune)",
        )
    else:
        yield NodeFinding("ok", f"is pruned, and has the blocks from {first} on")


def _pool(network: WireNetworkInfo, pool: WirePoolState) -> Iterator[NodeFinding]:
    if not network.relays:
        yield NodeFinding("warning", "accepts no transactions into its pool (blocksonly): payments are seen in blocks")
    if not pool.is_loaded:
        yield NodeFinding("warning", "still loads its pool")


def _fees(config: BitcoinConfig, estimate: WireEstimate | None) -> Iterator[NodeFinding]:
    ceiling = config.max_fee_rate_sat_vb * VB_PER_RATE
    fallback = config.fallback_fee_rate_sat_vb
    if estimate is None or estimate.feerate is None:
        if config.hot_wallet_address is None:
            return
        if fallback is None:
            yield NodeFinding(
                "warning", "has no estimate of fees: payouts wait, unless fallback_fee_rate_sat_vb is configured"
            )
        else:
            yield NodeFinding("ok", f"has no estimate of fees; fallback_fee_rate_sat_vb is {fallback} sat/vB")
        return
    rate = satoshi(estimate.feerate)
    words = f"estimates {config.fee_rate_in_words(rate)} for {config.fee_target_blocks} blocks"
    if rate > ceiling:
        yield NodeFinding(
            "warning", f"{words}, above max_fee_rate_sat_vb ({config.max_fee_rate_sat_vb} sat/vB): payouts wait"
        )
    else:
        yield NodeFinding("ok", words)


def _wallets(wallets: list[str] | None) -> Iterator[NodeFinding]:
    if wallets:
        yield NodeFinding(
            "advice", "has a wallet loaded, and Swap Pay needs none: disablewallet=1 removes what it can do"
        )


async def _compared(rpc: BitcoinRpc, first: tuple[int, ChainInfo], second: tuple[int, ChainInfo]) -> list[NodeFinding]:
    """Whether two nodes have the same blocks as far as both have any."""
    names = f"{rpc.labels[first[0]]} and {rpc.labels[second[0]]}"
    height = min(first[1].blocks, second[1].blocks)
    try:
        hashes = [(await rpc.ask_one(number, [_hash_call(height)]))[0] for number, _ in (first, second)]
    except NetworkError as error:
        return [NodeFinding("warning", f"{names} can't be compared: {error}")]
    if hashes[0] != hashes[1]:
        return [
            NodeFinding(
                "unsafe",
                f"{names} have different blocks at height {height}: one of them is cut off from the network, or on a"
                " fork. The longer chain is read",
            )
        ]
    apart = abs(first[1].blocks - second[1].blocks)
    if apart > SMALL_LAG_BLOCKS:
        return [NodeFinding("warning", f"{names} are {apart} blocks apart")]
    return [NodeFinding("ok", f"{names} agree at block {height}")]


def _of(label: str, finding: NodeFinding) -> NodeFinding:
    return NodeFinding(finding.severity, f"{label} {finding.message}")


_NETWORK_INFO: Call[WireNetworkInfo] = Call("getnetworkinfo", (), WireNetworkInfo)
_POOL_STATE: Call[WirePoolState] = Call("getmempoolinfo", (), WirePoolState)
_WALLETS: Call[Sequence[str] | None] = Call("listwallets", (), list[str], frozenset({METHOD_NOT_FOUND, FORBIDDEN}))


def _hash_call(height: int) -> Call[str | None]:
    return Call("getblockhash", (height,), Hash, frozenset({INVALID_PARAMETER}))
