"""Where a transaction is, for a customer, a merchant or an operator (contract, section 12).

What is stored is read first, then nodes are asked, with no database transaction open. A question takes a few requests
to nodes and LIMIT_S at the most; what nodes don't say in that time is left to the books.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from app.core import redis
from app.core.logging import get_logger
from app.lookups import repository
from app.lookups.asking import txid_in
from app.lookups.facts import Facts, HeldAddress, StoredDeposit, Viewer
from app.lookups.judging import Finding, Verdict, judge
from app.lookups.token_names import cleaned
from app.networks.config import NetworkConfig
from app.networks.port import NetworkError, TransactionState
from app.networks.registry import Networks
from app.web.rate_limits import RateLimiter

LIMIT_S = 3.0
"""The longest that nodes are waited for in one question."""

MOST_NETWORKS = 6
"""Networks on which one transaction is looked for: the one that was named, and others of its kind and mode."""

MOST_TOKENS = 3
"""Contracts of unknown tokens that are asked for their name in one question."""

AT_ONCE = 8
"""Questions that ask nodes at the same time in one process; others wait, within their time."""

QUESTIONS_PER_MINUTE = 300
"""Questions that one network's nodes are asked, by everybody together: providers count requests, and the watcher needs
them. Further ones are answered from the books."""

REMEMBERED_S = 14 * 86_400
"""How long it is remembered what a transaction in the pool would use up. Nodes forget one sooner."""

log = get_logger(__name__)


class _Said(msgspec.Struct, frozen=True):
    """What nodes say: the state of the transaction on the network that has it; `state` is None where none answered."""

    network: str
    state: TransactionState | None
    is_replaced: bool = False
    replaced_by: str | None = None


class LookupService:
    """Looks transactions up. Belongs to one event loop."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._limiter = RateLimiter()

    async def find(self, network: NetworkConfig, txid: str, viewer: Viewer) -> Finding:
        """Where a transaction is, as far as the viewer may know. `txid` is in canonical form. Not inside a transaction.

        Raises only DatabaseUnavailable: where nodes don't answer, the books do.
        """
        until_s = asyncio.get_running_loop().time() + LIMIT_S
        twins = self._twins(network)
        keys = [each.key for each in twins]
        deposits = await repository.deposits(keys, txid, viewer)
        visible = [deposit for deposit in deposits if deposit.is_visible]
        said = await self._said(twins, txid, visible, until_s)
        found = visible[0].network if visible else said.network
        state = said.state if found == said.network else None
        moved = () if state is None else state.moved
        addresses = await repository.addresses(keys, {move.to_address for move in moved}, viewer) if moved else []
        config = self._networks.get(found)
        return judge(
            Facts(
                viewer=viewer,
                asked=network.key,
                found=found,
                state=state,
                confirmations=config.confirmations,
                deposits=tuple(deposit for deposit in deposits if deposit.network == found),
                addresses=tuple(addresses),
                is_replaced=said.is_replaced,
                replaced_by=said.replaced_by,
                token_names=await self._token_names(found, state, addresses, until_s),
                symbols=frozenset(asset.symbol for asset in config.assets),
            )
        )

    async def find_anywhere(self, text: str, mode: str | None, viewer: Viewer) -> tuple[str, Finding] | None:
        """Where the transaction is whose id a text holds, on whatever network of the mode (None: of any), with its
        canonical id; None where the text holds no id of any of them. Else as `find`."""
        # One network of each kind and mode: `find` asks the others.
        asked: dict[tuple[str, str], tuple[NetworkConfig, str]] = {}
        for network in self._networks:
            if mode in (None, network.mode) and (network.kind, network.mode) not in asked:
                with suppress(ValueError):
                    asked[network.kind, network.mode] = (network, txid_in(text, network))
        if not asked:
            return None
        found = await asyncio.gather(*(self.find(network, txid, viewer) for network, txid in asked.values()))
        told = [(txid, finding) for (_, txid), finding in zip(asked.values(), found, strict=True)]
        return min(told, key=lambda one: _SAYS_LITTLE.get(one[1].verdict, 0))

    def _twins(self, network: NetworkConfig) -> list[NetworkConfig]:
        """The network, and others of its kind and mode, on which the same address may be ours."""
        others = [
            each
            for each in self._networks
            if each.kind == network.kind and each.mode == network.mode and each.key != network.key
        ]
        return [network, *others][:MOST_NETWORKS]

    async def _said(
        self, networks: Sequence[NetworkConfig], txid: str, visible: Sequence[StoredDeposit], until_s: float
    ) -> _Said:
        """What nodes say in time. The network of a deposit that the viewer sees is asked first."""
        stored_on = {deposit.network: deposit.block_hash for deposit in visible}
        ordered = sorted(networks, key=lambda each: each.key not in stored_on)  # else as they are given
        first = ordered[0].key
        if (await self._limiter.take(f"lookups-on:{first}", QUESTIONS_PER_MINUTE)).is_exceeded:
            return _Said(first, None)
        try:
            async with asyncio.timeout_at(until_s), self._gate:
                state = await self._state(first, txid, stored_on.get(first))
                if state is not None and state.state != "unknown":
                    await _remember(first, txid, state)
                    return _Said(first, state)
                if not stored_on:
                    others = [each.key for each in ordered[1:]]
                    for key, other in zip(others, await self._states(others, txid), strict=True):
                        if other is not None and other.state != "unknown":
                            await _remember(key, txid, other)
                            return _Said(key, other)
                if state is None:
                    return _Said(first, None)
                return await self._gone(first, txid, state, is_stored=bool(stored_on))
        except TimeoutError:
            return _Said(first, None)
        except NetworkError as error:
            log.warning("lookup_failed", network=first, error=str(error))
            return _Said(first, None)

    async def _gone(self, key: str, txid: str, state: TransactionState, *, is_stored: bool) -> _Said:
        """What became of a transaction that the node doesn't know, where it was seen in the pool before."""
        claims = (await repository.spends(key, txid) if is_stored else ()) or await _remembered(key, txid)
        if not claims:
            return _Said(key, state)
        replaced = await self._networks.chain(key).replaced({txid: claims})
        other = replaced.get(txid)
        # Without an index, a node of a chain of coins also forgets a transaction that was mined and whose outputs are
        # spent: what it would use up is then used by itself. So the other one must be named there.
        is_replaced = txid in replaced and (other is not None or not self._networks.get(key).has_coins)
        return _Said(key, state, is_replaced=is_replaced, replaced_by=other)

    async def _states(self, keys: Sequence[str], txid: str) -> list[TransactionState | None]:
        return list(await asyncio.gather(*(self._state(key, txid) for key in keys)))

    async def _state(self, key: str, txid: str, block_hash: str | None = None) -> TransactionState | None:
        """What the nodes of one network say; None where they don't answer."""
        try:
            return await self._networks.chain(key).transaction(txid, block_hash)
        except NetworkError as error:
            log.warning("lookup_failed", network=key, error=str(error))
            return None

    async def _token_names(
        self, key: str, state: TransactionState | None, addresses: Sequence[HeldAddress], until_s: float
    ) -> Mapping[str, str]:
        """What unknown tokens that come to these addresses call themselves, by contract."""
        ours = {held.address for held in addresses}
        moved = () if state is None else state.moved
        unknown = [move.contract for move in moved if move.asset_symbol is None and move.to_address in ours]
        contracts = list(dict.fromkeys(filter(None, unknown)))[:MOST_TOKENS]
        if not contracts:
            return {}
        chain = self._networks.chain(key)
        try:
            async with asyncio.timeout_at(until_s):
                names = [await chain.token_name(contract) for contract in contracts]
        except (TimeoutError, NetworkError):
            return {}
        return {contract: cleaned(name or "") for contract, name in zip(contracts, names, strict=True)}


_SAYS_LITTLE = {Verdict.UNKNOWN: 1, Verdict.UNAVAILABLE: 2}
"""Verdicts that give way to one of another network."""


def _key(network: str, txid: str) -> str:
    return f"claims:{network}:{txid}"


async def _remember(network: str, txid: str, state: TransactionState) -> None:
    """Keep what a transaction in the pool would use up. A hint: without Redis, it is not known later that another one
    took its place."""
    if state.state == "pooled" and state.claims:
        packed = msgspec.json.encode(state.claims)
        try:
            await redis.ask(lambda client: client.set(_key(network, txid), packed, ex=REMEMBERED_S))
        except redis.RedisAway:
            return


async def _remembered(network: str, txid: str) -> tuple[str, ...]:
    try:
        packed = await redis.ask(lambda client: client.get(_key(network, txid)))
    except redis.RedisAway:
        return ()
    return () if packed is None else msgspec.json.decode(packed, type=tuple[str, ...])
