"""Whether each node of a Tron network is fit for its work: for the doctor."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from app.core import clock
from app.networks.inspection import NodeFinding
from app.networks.port import NetworkError
from app.networks.throttle import LocalThrottle
from app.networks.tron.blocks import block_ref
from app.networks.tron.config import TronConfig
from app.networks.tron.node import KeyRejected, LimitReached, LiteNode, TronNode, TronNodes
from app.networks.tron.wire import CALL, WireBlock, WireBlockHeader, WireInfo, WireTransaction

MOST_BEHIND_BLOCKS = 60
"""Final blocks are 18 behind the head while all block producers work; three minutes are too long."""

LOOKED_AT_BLOCKS = 5
"""A minute has 20 blocks, and on the main network nearly each has calls that call further contracts."""

CALLS_THAT_TELL = 50
"""So many calls of contracts without one inner call are no chance."""

PROVIDER = "trongrid"


async def inspect(config: TronConfig, next_height: int | None) -> list[NodeFinding]:
    """See `app.networks.inspection.Inspect`."""
    nodes = TronNodes(config, LocalThrottle())
    findings = list(_urls(config))
    is_only = len(nodes.full) == 1
    heads: list[int] = []
    try:
        for node in nodes.full:
            try:
                head = await _head(node, config)
                heads.append(head.height)
                findings += [_of(node, finding) for finding in head.findings]
                findings += [_of(node, finding) for finding in await _examined(node, config, head.height, next_height)]
            except (NetworkError, msgspec.MsgspecError) as error:
                findings.append(_failed(error, is_only=is_only))
        for node in nodes.final:
            try:
                findings.append(_of(node, await _final(node, max(heads, default=None))))
            except (NetworkError, msgspec.MsgspecError) as error:
                findings.append(_failed(error, is_only=len(nodes.final) == 1))
    finally:
        await nodes.aclose()
    return findings


class _Head(msgspec.Struct):
    """A node's newest block."""

    height: int
    findings: list[NodeFinding]


def _urls(config: TronConfig) -> Iterator[NodeFinding]:
    for url in dict.fromkeys(url.label for url in config.node_urls):
        host = urlsplit(url).hostname or ""
        if PROVIDER in host and config.api_key is None:
            yield NodeFinding("warning", f"{url} is asked without an api_key: it soon answers no more")
        if PROVIDER in host and config.requests_per_second is None:
            yield NodeFinding("advice", f"{url} counts requests: set requests_per_second (15 with a free key)")


async def _head(node: TronNode, config: TronConfig) -> _Head:
    await node.check_identity()
    wire = await node.find("wallet/getnowblock", {}, WireBlockHeader)
    if wire is None:
        return _Head(0, [NodeFinding("unsafe", "has no newest block")])
    ref = block_ref(wire)
    age_s = (clock.unshifted_now() - ref.time).total_seconds()
    if age_s > config.max_head_age_s:
        words = f"is behind: its newest block, {ref.height}, is {age_s:.0f} s old; nothing is read from it"
        return _Head(ref.height, [NodeFinding("unsafe", words)])
    return _Head(ref.height, [NodeFinding("ok", f"has block {ref.height}, {max(age_s, 0):.0f} s old")])


async def _examined(node: TronNode, config: TronConfig, head: int, next_height: int | None) -> list[NodeFinding]:
    """What the node keeps of old and of recent blocks."""
    findings: list[NodeFinding] = []
    if next_height is not None and 0 < next_height <= head:
        findings += await _has_infos(node, next_height)
    calls = inner = 0
    for height in range(max(1, head - LOOKED_AT_BLOCKS), head):
        infos = await node.find("wallet/gettransactioninfobyblocknum", {"num": height}, list[WireInfo])
        block = await node.find("wallet/getblockbynum", {"num": height}, WireBlock)
        if block is None:
            continue
        transactions = msgspec.json.decode(block.transactions, type=list[WireTransaction])
        if transactions and not infos:
            return [*findings, _no_infos(height)]
        calls += sum(each.raw_data.contract[0].type == CALL for each in transactions if each.raw_data.contract)
        inner += sum(bool(info.internal_transactions) for info in infos or ())
    if config.native is None:
        return findings
    if inner:
        words = "keeps internal transactions"
        if config.internal_transactions:
            findings.append(NodeFinding("ok", f"{words}: TRX that contracts pay is read from blocks"))
        else:
            findings.append(NodeFinding("advice", f"{words}: if all nodes do, set internal_transactions = true"))
    elif config.internal_transactions and calls >= CALLS_THAT_TELL:
        findings.append(
            NodeFinding(
                "unsafe",
                f"keeps no internal transactions (none in {calls} calls), and internal_transactions is set: TRX that"
                " contracts pay is not seen. Set vm.saveInternalTx = true at the node, or take the setting away",
            )
        )
    return findings


async def _has_infos(node: TronNode, height: int) -> list[NodeFinding]:
    """Whether the node has the next block to read, whole."""
    block = await node.find("wallet/getblockbynum", {"num": height}, WireBlock)
    if block is None:
        return [NodeFinding("unsafe", f"doesn't have block {height}, which is the next to read")]
    infos = await node.find("wallet/gettransactioninfobyblocknum", {"num": height}, list[WireInfo])
    if msgspec.json.decode(block.transactions) and not infos:
        return [_no_infos(height)]
    return []


def _no_infos(height: int) -> NodeFinding:
    return NodeFinding(
        "unsafe", f"has no infos of the transactions of block {height}: set storage.transHistory.switch = on there"
    )


async def _final(node: TronNode, head: int | None) -> NodeFinding:
    await node.check_identity()
    wire = await node.find("walletsolidity/getblock", {"detail": False}, WireBlockHeader)
    if wire is None:
        return NodeFinding("unsafe", "has no final block")
    final = block_ref(wire).height
    if head is None:
        return NodeFinding("ok", f"has final block {final}")
    if head - final > MOST_BEHIND_BLOCKS:
        words = f"its newest final block, {final}, is {head - final} blocks behind the head: payments wait for it"
        return NodeFinding("warning", words)
    return NodeFinding("ok", f"has final block {final}, {max(head - final, 0)} behind the head")


def _failed(error: Exception, *, is_only: bool) -> NodeFinding:
    """A node that can't be used. With another one the network still works."""
    advice = ""
    if isinstance(error, KeyRejected):
        advice = "; check api_key"
    elif isinstance(error, LimitReached):
        advice = "; a key with a higher limit, or a node of your own, is needed if that lasts"
    elif isinstance(error, LiteNode):
        advice = "; a full node is needed"
    return NodeFinding("unsafe" if is_only else "warning", f"can't be used: {error}{advice}")


def _of(node: TronNode, finding: NodeFinding) -> NodeFinding:
    return NodeFinding(finding.severity, f"{node.label} {finding.message}")
