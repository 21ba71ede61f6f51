"""What a node says about fees now: its estimate for the next blocks, and the least that its pool takes."""

from typing import Any

from app.networks.bitcoin.fees import PoolRules
from app.networks.bitcoin.rpc import BitcoinRpc
from app.networks.bitcoin.wire import INTERNAL_ERROR, WireEstimate, WirePoolRules, satoshi
from app.networks.json_rpc import Call

_RULES: Call[WirePoolRules] = Call("getmempoolinfo", (), WirePoolRules)


async def estimate(rpc: BitcoinRpc, target_blocks: int) -> tuple[int | None, PoolRules]:
    """The rate with which a transaction should be mined within so many blocks, in satoshi per 1,000 vB, and the pool's
    rules. The rate is None where the node can't estimate: after its start, and on quiet chains."""
    calls: list[Call[Any]] = [estimate_call(target_blocks), _RULES]
    found, rules = await rpc.ask(calls)
    rate = None if found is None or found.feerate is None else satoshi(found.feerate)
    return rate, _rules(rules)


async def pool_rules(rpc: BitcoinRpc) -> PoolRules:
    """What the node asks of transactions now."""
    (rules,) = await rpc.ask([_RULES])
    return _rules(rules)


def estimate_call(target_blocks: int) -> Call[WireEstimate | None]:
    """The request for an estimate; it answers None where the node refuses one."""
    return Call("estimatesmartfee", (target_blocks,), WireEstimate, frozenset({INTERNAL_ERROR}))


def _rules(rules: WirePoolRules) -> PoolRules:
    floor = max(satoshi(rules.mempoolminfee), satoshi(rules.minrelaytxfee))
    return PoolRules(floor=floor, increment=satoshi(rules.incrementalrelayfee))
