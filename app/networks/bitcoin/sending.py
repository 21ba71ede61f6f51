"""Sending on Bitcoin: fees, drafts, signing, broadcasting, and the outcome of transactions.

Nothing here decides whether to send. The caller stores the bytes that `sign` returns before it calls `broadcast`.
Whether a transaction is in a block is decided by our own scan of the blocks: without an index a node finds a mined
transaction only if it is told the block, and its refusals mean several things each.
"""

from collections.abc import Collection, Sequence
from typing import TypeVar

from app.core.money import format_amount
from app.networks.bitcoin import estimates, fees, mined, signing, spending
from app.networks.bitcoin.account import Account
from app.networks.bitcoin.coins import INTERNAL_BRANCH, Coin, claim
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.fees import VB_PER_RATE, InPool, PoolRules
from app.networks.bitcoin.parameters import COIN_DECIMALS
from app.networks.bitcoin.rpc import BitcoinRpc
from app.networks.bitcoin.spending import CoinState
from app.networks.bitcoin.wire import (
    IN_WARM_UP,
    NOT_FOUND,
    Hash,
    Hex,
    WireOurEntry,
    WirePackage,
    WireSpending,
    satoshi,
)
from app.networks.http_node import NobodyAnswered
from app.networks.json_rpc import Call, RefusedByNode
from app.networks.port import MinedIn, NodeUnavailable, TokenState, UnreadableAnswer
from app.networks.sending import Broadcast, Draft, OnChain, Parsed, Payment, Receipt, Signed

T = TypeVar("T")

CALLS_PER_REQUEST = 100
OUTPOINTS_PER_CALL = 1_000

ALREADY_IN_CHAIN = -27  # RPC_VERIFY_ALREADY_IN_UTXO_SET
MISSING_INPUTS, TOO_LOW = ("missingorspent", "missing-inputs"), ("insufficient fee", "min relay fee", "mempool min fee")


class BitcoinSender:
    """`app.networks.sending.Sender` for one configured Bitcoin network."""

    def __init__(self, config: BitcoinConfig, mined_in: MinedIn) -> None:
        signing.check_library()
        self._config = config
        self._mined_in = mined_in
        self._rpc = BitcoinRpc(config)
        self._ceiling = config.max_fee_rate_sat_vb * VB_PER_RATE
        self._account = Account(config.xpub, config.bitcoin_network, config.address_type)

    async def check_identity(self) -> None:
        await self._rpc.ask([])

    async def fee_rate(self) -> int:
        """The rate to offer now, in satoshi per 1,000 vB. Raises FeeAboveCeiling, and NoEstimate where neither the node
        nor the configuration has one."""
        estimate, rules = await estimates.estimate(self._rpc, self._config.fee_target_blocks)
        fallback = self._config.fallback_fee_rate_sat_vb
        return fees.offered_rate(
            estimate,
            rules.floor,
            self._ceiling,
            None if fallback is None else fallback * VB_PER_RATE,
        )

    async def pool_rules(self) -> PoolRules:
        """What the node asks of transactions now."""
        return await estimates.pool_rules(self._rpc)

    async def in_pool(self, txids: Sequence[str]) -> dict[str, InPool]:
        """Those of these transactions that are in the node's pool, with their fees, ancestors and descendants."""
        found: dict[str, InPool] = {}
        for start in range(0, len(txids), CALLS_PER_REQUEST):
            some = txids[start : start + CALLS_PER_REQUEST]
            for txid, entry in zip(some, await self._rpc.ask([_entry_call(txid) for txid in some]), strict=True):
                if entry is not None:
                    found[txid] = _in_pool(entry)
        return found

    async def pool_spenders(self, claims: Sequence[str]) -> dict[str, str]:
        """Of these coins, given as claims, those that a transaction in the node's pool spends, with that one's id."""
        found: dict[str, str] = {}
        for start in range(0, len(claims), OUTPOINTS_PER_CALL):
            some = claims[start : start + OUTPOINTS_PER_CALL]
            (answers,) = await self._rpc.ask([_spending_call(some)])
            if len(answers) != len(some):
                raise UnreadableAnswer(f"the node answers for {len(answers)} of {len(some)} coins")
            for each, answer in zip(some, answers, strict=True):
                if answer.spendingtxid is not None:
                    found[each] = answer.spendingtxid
        return found

    def plan(self, payments: Sequence[Payment], state: CoinState) -> Draft:
        """The draft of a batch of payments; without any, one that only helps the ancestors of the required coins. Pure.
        Raises as `spending.plan`."""
        return spending.plan(self._account, payments, state, self._ceiling)

    def bump(self, draft: Draft, state: CoinState, replaced: Sequence[InPool], increment: int) -> Draft | None:
        """The same payments, spending the same coins and perhaps more, at a fee at which nodes replace `draft` and the
        rest of `replaced`. Pure. None where that is above the ceiling or the coins don't suffice."""
        return spending.bump(self._account, draft, state, replaced, increment, self._ceiling)

    def consolidate(self, state: CoinState, replaced: Sequence[InPool] = (), increment: int = 0) -> Draft:
        """The draft that sends the required coins to ourselves, as one coin; with `replaced`, one that nodes take in
        their place. Pure. Raises as `spending.consolidate`."""
        return spending.consolidate(self._account, self._config.coin.symbol, state, self._ceiling, replaced, increment)

    def change_address(self, index: int) -> str:
        """The address of the change branch with this number."""
        return self._account.address(INTERNAL_BRANCH, index)

    def as_drafted(self, on_chain: OnChain, spent: Sequence[Coin], change_index: int | None) -> Draft:
        """The draft that a transaction which `look_up` has found was signed from (`spending.as_drafted`). Pure."""
        return spending.as_drafted(self._account, on_chain.draft.payments, spent, change_index)

    def change_of(self, draft: Draft, txid: str) -> Coin | None:
        """The coin that a signed draft returns to us; None where it returns nothing. Pure."""
        return spending.change_of(self._account, draft, txid)

    def sign(self, draft: Draft, key: bytes) -> Signed:
        return signing.sign(self._account, draft, key, self._ceiling)

    def parse(self, raw: bytes, draft: Draft) -> Parsed:
        return signing.read(self._account, raw, draft, self._config.coin.symbol, self._ceiling)

    async def broadcast(self, signed: Signed) -> Broadcast:
        # The ceiling is the node's limit too; its own default is lower than some ceilings.
        limit = format_amount(fees.with_tolerance(self._ceiling), COIN_DECIMALS)
        answer = await self._submitted(Call[str]("sendrawtransaction", (signed.raw.hex(), limit), Hash))
        if isinstance(answer, Broadcast):
            return answer
        if answer != signed.txid:
            raise UnreadableAnswer(f"transaction {signed.txid}: the node answers with another one's id")
        return Broadcast.ACCEPTED

    async def broadcast_package(self, parent: Signed, child: Signed) -> Broadcast:
        """Send a parent whose own fee is below the floor of the node's pool, with the child that pays for it; always
        safe to repeat. Answers for both together. Raises as `broadcast`."""
        package = [parent.raw.hex(), child.raw.hex()]
        answer = await self._submitted(Call[WirePackage]("submitpackage", (package,), WirePackage))
        if isinstance(answer, Broadcast):
            return answer
        if answer.package_msg == "success":
            return Broadcast.ACCEPTED
        return _meaning_of_words(" ".join([answer.package_msg, *(each.error for each in answer.tx_results.values())]))

    async def receipts(self, txids: Collection[str]) -> dict[str, Receipt]:
        return await mined.receipts(self._rpc, self._account, self._config.coin.symbol, self._mined_in, txids)

    async def look_up(self, txid: str) -> OnChain | None:
        """The draft of the result has no form, and our change is among its payments: only the books know which output
        that is."""
        block_hash = (await self._mined_in([txid])).get(txid)
        params = (txid, 0) if block_hash is None else (txid, 0, block_hash)
        (digits,) = await self._rpc.ask([Call[str | None]("getrawtransaction", params, Hex, frozenset({NOT_FOUND}))])
        if digits is None:
            return None
        raw = bytes.fromhex(digits)
        transaction = mined.decoded(txid, digits)
        claims = sorted(claim(each.txid.hex(), each.vout) for each in transaction.vin)
        payments = signing.payments(self._account, transaction.vout, self._config.coin.symbol)
        draft = Draft(payments=tuple(payments), claims=tuple(claims), fee_cap_raw=0, form=b"{}")
        return OnChain(draft=draft, signed=Signed(txid, raw))

    async def pooled(self, txids: Sequence[str]) -> list[bool]:
        waiting, mined_ones = await self.in_pool(txids), await self._mined_in(txids)
        return [txid in waiting or txid in mined_ones for txid in txids]

    async def head_height(self) -> int:
        return (await self._rpc.best_chain()).blocks

    async def token_state(self, asset_symbol: str, addresses: Sequence[str]) -> TokenState:
        """Nothing is stopped: nobody issues the coin."""
        return TokenState()

    async def is_contract(self, address: str) -> bool:
        return False

    async def confirmed_height(self) -> int:
        return max(await self.head_height() - self._config.confirmations + 1, -1)

    async def aclose(self) -> None:
        await self._rpc.aclose()

    async def _submitted(self, call: Call[T]) -> T | Broadcast:
        """The answer to signed bytes, or what their refusal means. Raises NodeUnavailable where no node has looked at
        them."""
        try:
            (answer,) = await self._rpc.ask([call])
        except RefusedByNode as refusal:
            return _meaning([refusal])
        except NobodyAnswered as failure:
            # One node's refusal counts, even if another node doesn't answer: that one may be down for days.
            return _meaning(failure.failures)
        return answer


def _meaning(failures: Sequence[NodeUnavailable]) -> Broadcast:
    """What the first refusal of a transaction means, as far as that can be told. Raises the first failure where no node
    has looked at the transaction.

    None proves that it failed: the code for missing inputs is given for a transaction that conflicts with another, for
    one whose parent the node doesn't have, and for one that is mined and whose outputs are all spent.
    """
    refusals = [each for each in failures if isinstance(each, RefusedByNode) and each.code != IN_WARM_UP]
    if not refusals:
        raise failures[0]
    if refusals[0].code == ALREADY_IN_CHAIN:
        return Broadcast.CLAIM_USED
    return _meaning_of_words(str(refusals[0]))


def _meaning_of_words(words: str) -> Broadcast:
    if any(known in words for known in MISSING_INPUTS):
        return Broadcast.CLAIM_USED
    return Broadcast.UNDERPRICED if any(known in words for known in TOO_LOW) else Broadcast.REFUSED


def _in_pool(entry: WireOurEntry) -> InPool:
    return InPool(
        fee_raw=satoshi(entry.fees.base),
        vsize=entry.vsize,
        evicted_fee_raw=satoshi(entry.fees.descendant),
        ancestors=entry.ancestorcount,
        ancestors_vsize=entry.ancestorsize,
        ancestors_fee_raw=satoshi(entry.fees.ancestor),
    )


def _spending_call(claims: Sequence[str]) -> Call[list[WireSpending]]:
    outpoints = [each.split(":")[1:] for each in claims]
    listed = [{"txid": txid, "vout": int(vout)} for txid, vout in outpoints]
    return Call("gettxspendingprevout", (listed,), list[WireSpending])


def _entry_call(txid: str) -> Call[WireOurEntry | None]:
    return Call("getmempoolentry", (txid,), WireOurEntry, frozenset({NOT_FOUND}))
