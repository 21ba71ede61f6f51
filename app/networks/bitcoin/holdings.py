"""What addresses hold, for reconciliation: a scan of all unspent outputs, taken back to an earlier block.

The node knows unspent outputs at its newest block alone. What they were some blocks ago follows from the blocks
since: outputs of these don't count yet, and outputs that these spend still do.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from app.networks.bitcoin.rpc import BitcoinRpc
from app.networks.bitcoin.wire import INVALID_PARAMETER, Hash, WireBlock, WireScan, satoshi
from app.networks.json_rpc import Call
from app.networks.port import ChainMoved, NodeUnavailable

MAX_BLOCKS_BACK = 100
"""How far below the node's newest block a balance can be told; each block on the way is read with all that it
spends, up to 12 MB."""

SCRIPTS_PER_SCAN = 100_000
"""A scan reads all unspent outputs whatever it looks for. Its answer has 300 bytes for each that it finds."""

SCAN_TIMEOUT_S = 900.0


async def balances_raw(rpc: BitcoinRpc, addresses: Mapping[bytes, str], height: int) -> dict[str, int]:
    """What each address, given by its script, holds at the end of block `height`, in satoshi. Raises as `Chain`."""
    held = dict.fromkeys(addresses.values(), 0)
    scripts = list(addresses)
    for start in range(0, len(scripts), SCRIPTS_PER_SCAN):
        some = scripts[start : start + SCRIPTS_PER_SCAN]
        for script, amount_raw in (await _held_by_scripts(rpc, some, height)).items():
            held[addresses[script]] += amount_raw
    return held


async def _held_by_scripts(rpc: BitcoinRpc, scripts: Sequence[bytes], height: int) -> dict[bytes, int]:
    (scan,) = await rpc.ask([_scan_call(scripts)], timeout_s=SCAN_TIMEOUT_S)
    if scan is None:
        raise NodeUnavailable("the node is scanning its unspent outputs for somebody else")
    if not scan.success or not 0 <= scan.height - height <= MAX_BLOCKS_BACK:
        raise NodeUnavailable(f"the node is at block {scan.height}, too far from {height} to tell what was held there")
    wanted, held = set(scripts), defaultdict[bytes, int](int)
    for unspent in scan.unspents:
        if unspent.height <= height:
            held[bytes.fromhex(unspent.script)] += satoshi(unspent.amount)
    hashes = await rpc.ask([_hash_call(at) for at in range(height, scan.height + 1)])
    if hashes[-1] != scan.bestblock:
        raise ChainMoved(f"block {scan.height} was replaced during a scan")
    for block_hash in hashes[1:]:
        (block,) = await rpc.ask_any([_block_call(block_hash)])
        spent = [each.prevout for transaction in block.tx for each in transaction.vin if each.prevout is not None]
        for output in spent:
            script = bytes.fromhex(output.script.hex)
            if output.height <= height and script in wanted:
                held[script] += satoshi(output.value)
    return held


def _scan_call(scripts: Sequence[bytes]) -> Call[WireScan | None]:
    # The node answers -8 while another scan runs.
    descriptors = [f"raw({script.hex()})" for script in scripts]
    return Call("scantxoutset", ("start", descriptors), WireScan, frozenset({INVALID_PARAMETER}))


def _hash_call(height: int) -> Call[str]:
    return Call("getblockhash", (height,), Hash)


def _block_call(block_hash: str) -> Call[WireBlock]:
    return Call("getblock", (block_hash, 3), WireBlock)
