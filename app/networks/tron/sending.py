"""Sending on Tron: costs, signing, broadcasting, and the outcome of transactions.

Nothing here decides whether to send. The caller stores the bytes that `sign` returns before it calls `broadcast`.
No answer to a broadcast proves anything: what was accepted may be dropped, and what was refused may be mined. Only our
own scan of the blocks says whether a transaction is in one.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from app.core import clock
from app.networks.config import Asset
from app.networks.port import (
    BlockRef,
    FeeAboveCeiling,
    MinedIn,
    NetworkError,
    NodeUnavailable,
    NotATransfer,
    TokenState,
    UnreadableAnswer,
)
from app.networks.sending import (
    Broadcast,
    Cost,
    Draft,
    OnChain,
    Parsed,
    Payment,
    Prices,
    Receipt,
    Reference,
    Resources,
    Signed,
    StakeMove,
    TimedState,
)
from app.networks.throttle import Throttle
from app.networks.tron import transactions
from app.networks.tron.blocks import block_ref
from app.networks.tron.chain import rules_of
from app.networks.tron.config import TronConfig
from app.networks.tron.contract_calls import Issuer
from app.networks.tron.holdings import TXID, final_block, held_raw
from app.networks.tron.node import TronNodes
from app.networks.tron.reading import check_age
from app.networks.tron.receipts import settlements
from app.networks.tron.resources import CONTRACT_TYPE, Costs
from app.networks.tron.transactions import Action, Body, CoinTransfer, TokenTransfer, block_reference
from app.networks.tron.wire import WireBlockHeader
from app.networks.tron.wire_sending import WireBroadcast, WireKnown, WireSigned

RESEND_S = 15.0
"""How long an accepted transaction is not sent again. Blocks come every three seconds."""

HEAD, FINAL = "wallet", "walletsolidity"
"""The roots of a node's paths: its newest state, and that of the newest final block."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A draft's `form`: what its bytes depend on besides its payment and sender. References are in hex."""

    ref_block_bytes: str
    ref_block_hash: str
    expiration_ms: int
    timestamp_ms: int
    fee_limit_raw: int
    move: StakeMove | None = None


class TronSender:
    """`app.networks.sending.TimedSender` for one configured Tron network."""

    def __init__(self, config: TronConfig, mined_in: MinedIn, throttle: Throttle) -> None:
        self._config = config
        self._mined_in = mined_in
        self._nodes = TronNodes(config, throttle)
        self._rules = rules_of(config)
        self._costs = Costs(config, self._nodes)
        self._tokens = {asset.contract: asset for asset in config.assets if asset.contract is not None}
        self._issuers = {contract: Issuer(self._nodes, contract) for contract in self._tokens}
        self._accepted: dict[str, _Acceptance] = {}
        self._head_time: datetime | None = None

    async def check_identity(self) -> None:
        await self._nodes.check_identity()

    def plan(self, payments: Sequence[Payment], state: TimedState) -> Draft:
        (payment,) = payments
        return self._planned(state, payment, None)

    def plan_stake(self, move: StakeMove, state: TimedState) -> Draft:
        return self._planned(state, None, move)

    def expires_at(self, draft: Draft) -> datetime:
        return _time(_form(draft).expiration_ms)

    def sign(self, draft: Draft, key: bytes) -> Signed:
        try:
            return transactions.sign(self._body(draft), key)
        except ValueError as error:
            raise NotATransfer(f"not a draft of {self._config.key}: {error}") from None

    def parse(self, raw: bytes, draft: Draft) -> Parsed:
        body = transactions.decode(raw)
        read = self._draft_of(body, draft.fee_cap_raw)
        if _form(read) != _form(draft):
            raise NotATransfer("its bytes have other times, references or limits than its form")
        if body.fee_limit_raw > min(draft.fee_cap_raw, self._config.max_fee_limit_sun):
            raise NotATransfer("it may cost more than is reserved for it, or than the ceiling")
        return Parsed(payments=read.payments, claims=read.claims, sender=read.sender, stake_move=_form(read).move)

    async def broadcast(self, signed: Signed) -> Broadcast:
        meaning = await self._broadcast(signed)
        if meaning is Broadcast.REFUSED and await self._is_in_block(signed.txid):
            return Broadcast.UNPROVEN  # a block took it after it was looked for, and its time may have passed since
        return meaning

    async def _broadcast(self, signed: Signed) -> Broadcast:
        expires_at = _time(transactions.decode(signed.raw).expiration_ms)
        if self._head_time is not None and self._head_time >= expires_at:
            return Broadcast.REFUSED  # no block may begin to hold it, so it is not sent any more
        meanings: list[Broadcast] = []
        failures: list[NetworkError] = []
        for number in self._order(signed.txid):
            try:
                meaning = await self._submitted(number, signed)
            except NetworkError as failure:
                failures.append(failure)
                continue
            if meaning is Broadcast.ACCEPTED:
                self._remember(signed.txid, number)
                return meaning
            meanings.append(meaning)
        if not meanings:
            raise failures[0]
        meaning = min(meanings, key=_BY_WEIGHT.index)
        if meaning is Broadcast.UNPROVEN and signed.txid in self._accepted:
            self._remember(signed.txid, self._accepted[signed.txid].node)  # it waits where it was accepted
        return meaning

    async def receipts(self, txids: Collection[str]) -> dict[str, Receipt]:
        blocks = await self._mined_in(txids)
        if not blocks:
            return {}
        head, final = await self.head_height(), await self.confirmed_height()
        found = await settlements(self._nodes, self._rules, blocks, HEAD)
        settled = {txid: blocks[txid] for txid, one in found.items() if one.height <= final}
        # Nothing is final by the word of a node that also has blocks which are not.
        confirmed = await settlements(self._nodes, self._rules, settled, FINAL) if settled else {}
        receipts: dict[str, Receipt] = {}
        for txid, one in {**found, **confirmed}.items():
            confirmations = max(head - one.height + 1, 1)
            if txid not in confirmed:
                confirmations = min(confirmations, self._config.confirmations - 1)
            receipts[txid] = Receipt(**msgspec.structs.asdict(one), confirmations=confirmations)
        return receipts

    async def look_up(self, txid: str) -> OnChain | None:
        if not TXID.fullmatch(txid):
            return None
        found = await self._nodes.find("wallet/gettransactionbyid", {"value": txid}, WireSigned)
        if found is None:
            return None
        raw_data = bytes.fromhex(found.raw_data_hex)
        # The id is the hash of the bytes: if the node changed one of them, the hash differs.
        if transactions.txid(raw_data) != txid or len(found.signature) != 1:
            raise NotATransfer(f"transaction {txid} is not made as we make ours")
        raw = transactions.joined(raw_data, bytes.fromhex(found.signature[0]))
        body = transactions.decode(raw)
        prices = await self.prices()
        cap_raw = body.fee_limit_raw + max(transactions.size(body) * prices.byte_raw, prices.activation_raw)
        return OnChain(draft=self._draft_of(body, cap_raw), signed=Signed(txid, raw))

    async def pooled(self, txids: Sequence[str]) -> list[bool]:
        """Where nothing is known of a transaction it is sent again, so one that was accepted counts for a while: nodes
        don't tell what waits in their pools."""
        mined = await self._mined_in(txids)
        known = []
        for txid in txids:
            accepted = self._accepted.get(txid)
            is_recent = accepted is not None and clock.monotonic_s() - accepted.at_s < RESEND_S
            known.append(is_recent or txid in mined or await self._is_in_block(txid))
        return known

    async def absent(self, txids: Sequence[str]) -> dict[str, bool]:
        absent: dict[str, bool] = {}
        for txid in txids:
            try:
                answers = [
                    answer
                    for at in (HEAD, FINAL)
                    for path in ("gettransactioninfobyid", "gettransactionbyid")
                    for answer in await self._nodes.find_at_each(f"{at}/{path}", {"value": txid}, dict)
                ]
            except NodeUnavailable:
                absent[txid] = False
            else:
                absent[txid] = all(answer is None for answer in answers)
        return absent

    async def reference(self) -> Reference:
        # What a node behind says would be over as soon as it is signed.
        head = await self._head(check=partial(check_age, self._config))
        return Reference(final=await final_block(self._nodes), head_time=head.time)

    async def prices(self) -> Prices:
        return await self._costs.prices()

    async def resources(self, address: str) -> Resources:
        return await self._costs.resources(address)

    async def cost(self, sender: str, payment: Payment) -> Cost:
        return await self._costs.of_payment(sender, self._asset(payment.asset_symbol), payment)

    async def stake_cost(self, move: StakeMove) -> Cost:
        return self._costs.of_stake(move)

    async def token_state(self, asset_symbol: str, addresses: Sequence[str]) -> TokenState:
        contract = self._asset(asset_symbol).contract
        return TokenState() if contract is None else await self._issuers[contract].state(addresses)

    async def is_contract(self, address: str) -> bool:
        account = await self._costs.account(address)
        return account is not None and account.type == CONTRACT_TYPE

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, *, final: bool = False) -> dict[str, int]:
        asset, root = self._asset(asset_symbol), FINAL if final else HEAD
        return {address: await held_raw(self._nodes, root, asset, address) for address in addresses}

    async def head_height(self) -> int:
        return (await self._head()).height

    async def confirmed_height(self) -> int:
        return (await final_block(self._nodes)).height

    async def aclose(self) -> None:
        await self._nodes.aclose()

    def _planned(self, state: TimedState, payment: Payment | None, move: StakeMove | None) -> Draft:
        """The draft of a payment or of a move. Raises FeeAboveCeiling."""
        if max(state.cap_raw, state.cost.fee_limit_raw) > self._config.max_fee_limit_sun:
            raise FeeAboveCeiling(f"{self._config.key}: it may cost more than {self._config.fee_ceiling}")
        block_bytes, block_hash = block_reference(state.reference.final.hash)
        expires_at = state.reference.head_time + timedelta(seconds=self._config.expires_after_s)
        form = Form(
            ref_block_bytes=block_bytes.hex(),
            ref_block_hash=block_hash.hex(),
            expiration_ms=_milliseconds(expires_at),
            timestamp_ms=state.salt,
            fee_limit_raw=state.cost.fee_limit_raw,
            move=move,
        )
        return _draft(form, () if payment is None else (payment,), state.sender, state.cap_raw)

    def _body(self, draft: Draft) -> Body:
        """What the bytes of a draft say. Raises NotATransfer, ValueError."""
        form = _form(draft)
        if draft.sender is None or len(draft.payments) != (form.move is None):
            raise NotATransfer("it has no sender, or does not just one thing")
        return Body(
            owner=draft.sender,
            action=form.move or self._transfer(draft.payments[0]),
            ref_block_bytes=bytes.fromhex(form.ref_block_bytes),
            ref_block_hash=bytes.fromhex(form.ref_block_hash),
            expiration_ms=form.expiration_ms,
            timestamp_ms=form.timestamp_ms,
            fee_limit_raw=form.fee_limit_raw,
        )

    def _transfer(self, payment: Payment) -> Action:
        asset = self._asset(payment.asset_symbol)
        if asset.contract is None:
            return CoinTransfer(payment.to_address, payment.amount_raw)
        return TokenTransfer(asset.contract, payment.to_address, payment.amount_raw)

    def _draft_of(self, body: Body, fee_cap_raw: int) -> Draft:
        """The draft that bytes were signed from. Raises NotATransfer."""
        action = body.action
        form = Form(
            ref_block_bytes=body.ref_block_bytes.hex(),
            ref_block_hash=body.ref_block_hash.hex(),
            expiration_ms=body.expiration_ms,
            timestamp_ms=body.timestamp_ms,
            fee_limit_raw=body.fee_limit_raw,
            move=action if isinstance(action, StakeMove) else None,
        )
        if isinstance(action, StakeMove):
            return _draft(form, (), body.owner, fee_cap_raw)
        asset = self._config.native if isinstance(action, CoinTransfer) else self._tokens.get(action.contract)
        if asset is None:
            raise NotATransfer(f"it is no transfer of an asset of {self._config.key}")
        payment = Payment(action.to_address, asset.symbol, action.amount_raw)
        return _draft(form, (payment,), body.owner, fee_cap_raw)

    def _order(self, txid: str) -> list[int]:
        """The numbers of the nodes in the order in which they are sent a transaction. One that has accepted it before
        comes last: it has lost it."""
        count, accepted = len(self._nodes.full), self._accepted.get(txid)
        first = 0 if accepted is None else accepted.node + 1
        return [(first + turn) % count for turn in range(count)]

    async def _submitted(self, number: int, signed: Signed) -> Broadcast:
        """What one node's answer to signed bytes means. Raises NodeUnavailable where that is nothing."""
        node = self._nodes.full[number]
        await node.check_identity()
        answer = await node.find("wallet/broadcasthex", {"transaction": signed.raw.hex()}, WireBroadcast)
        if answer is None:
            raise UnreadableAnswer(f"transaction {signed.txid}: an empty answer")
        meaning = _meaning(answer)
        if meaning is Broadcast.ACCEPTED and answer.txid != signed.txid:
            raise UnreadableAnswer(f"transaction {signed.txid}: the node answers with another one's id")
        return meaning

    def _remember(self, txid: str, node: int) -> None:
        now_s = clock.monotonic_s()
        forgotten_s = now_s - 2 * self._config.expires_after_s
        self._accepted = {each: one for each, one in self._accepted.items() if one.at_s > forgotten_s}
        self._accepted[txid] = _Acceptance(now_s, node)

    async def _is_in_block(self, txid: str) -> bool:
        return await self._nodes.find("wallet/gettransactioninfobyid", {"value": txid}, WireKnown) is not None

    async def _head(self, check: Callable[[str, WireBlockHeader], None] | None = None) -> BlockRef:
        head = block_ref(await self._nodes.ask("wallet/getblock", {"detail": False}, WireBlockHeader, check=check))
        self._head_time = head.time
        return head

    def _asset(self, symbol: str) -> Asset:
        asset = self._config.asset(symbol)
        if asset is None:
            raise LookupError(f"{symbol} on {self._config.key}")
        return asset


class _Acceptance(msgspec.Struct, frozen=True):
    """When a node has accepted a transaction, and which one."""

    at_s: float
    node: int


def _draft(form: Form, payments: tuple[Payment, ...], sender: str, fee_cap_raw: int) -> Draft:
    return Draft(
        payments=payments,
        claims=(f"until:{sender}:{form.expiration_ms}:{form.timestamp_ms}",),
        fee_cap_raw=fee_cap_raw,
        form=msgspec.json.encode(form),
        sender=sender,
    )


def _form(draft: Draft) -> Form:
    """A draft's form. Raises NotATransfer where it isn't one: a row of the database may have been edited."""
    try:
        return msgspec.json.decode(draft.form, type=Form)
    except msgspec.MsgspecError:
        raise NotATransfer("its form can't be read") from None


def _meaning(answer: WireBroadcast) -> Broadcast:
    """What an answer to signed bytes means. Raises NodeUnavailable where nothing follows from it."""
    if answer.result and answer.code in ("", "SUCCESS"):
        return Broadcast.ACCEPTED
    if not answer.code:
        raise UnreadableAnswer("an answer to signed bytes without a code")
    if answer.code in _NO_ANSWER:
        raise NodeUnavailable(f"a node takes no transactions now, or doesn't say whether it did: {answer.code}")
    if answer.code == "DUP_TRANSACTION_ERROR":
        return Broadcast.UNPROVEN
    is_short = answer.code in _OF_BALANCE and any(words in answer.message.lower() for words in _SHORT_WORDS)
    return Broadcast.SHORT if answer.code == "BANDWITH_ERROR" or is_short else Broadcast.REFUSED


_NO_ANSWER = frozenset(
    {"SERVER_BUSY", "NO_CONNECTION", "NOT_ENOUGH_EFFECTIVE_CONNECTION", "BLOCK_UNSOLIDIFIED", "OTHER_ERROR"}
)
"""Codes of a node that is busy or alone, or that may have put the transaction into its pool all the same."""

_OF_BALANCE = ("CONTRACT_VALIDATE_ERROR", "CONTRACT_EXE_ERROR")
_SHORT_WORDS = ("balance is not sufficient", "balance not sufficient", "balance is not enough", "not enough balance")

_BY_WEIGHT = (Broadcast.UNPROVEN, Broadcast.SHORT, Broadcast.REFUSED)
"""Of several nodes' answers, the first of these says most."""


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def _milliseconds(time: datetime) -> int:
    return (time - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
