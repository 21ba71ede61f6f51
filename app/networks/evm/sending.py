"""Sending on an EVM chain: fees, signing, broadcasting, and the outcome of transactions.

Nothing here decides whether to send. The caller stores the bytes that `sign` returns before it calls `broadcast`.
Broadcasting the same bytes again is always safe, and is what to do when the outcome is unknown.
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from app.networks.config import Asset
from app.networks.contract_abi import encode
from app.networks.evm import holdings, rollup
from app.networks.evm.address import with_checksum
from app.networks.evm.config import EvmConfig
from app.networks.evm.holdings import CALLS_PER_REQUEST, TXID
from app.networks.evm.issuer import TokenIssuers
from app.networks.evm.rpc import EvmRpc
from app.networks.evm.wire import Data, Hash, Quantity, WireFeeHeader, WireHeader, WireKnown, WireNonceBlock, WireSigned
from app.networks.http_node import NobodyAnswered
from app.networks.json_rpc import Call, RefusedByNode
from app.networks.keccak import keccak
from app.networks.port import FeeAboveCeiling, NotATransfer, TokenState, UnreadableAnswer, WouldFail, WrongChain
from app.networks.sending import AccountState, Broadcast, Draft, FeeRate, OnChain, Parsed, Payment, Receipt, Signed

TRANSFER_SELECTOR = bytes.fromhex("a9059cbb")  # keccak256("transfer(address,uint256)"), its first four bytes
TRANSFER_LENGTH = 4 + 2 * 32  # the selector, and two words
BALANCE_OF_SELECTOR = bytes.fromhex("70a08231")  # keccak256("balanceOf(address)")
PLAIN_TRANSFER_GAS = 21_000  # a transfer of native coin to an address without code (yellow paper, G_transaction)
GAS_MARGIN = (5, 4)  # the state may differ when the transaction runs; what isn't used isn't paid
MAX_GAS_LIMIT = 2_000_000  # a token whose transfer needs more is suspicious
BASE_FEE_HEADROOM = 2  # the base fee may double (six full blocks, EIP-1559) before a transaction is stuck
MIN_PRIORITY_FEE_WEI = 1

DELEGATION = "0xef0100"
"""How the code of a person's account begins that runs a contract's code (EIP-7702): its key still spends from it."""

BUMP = (9, 8)
"""How much more a replacement pays. Nodes keep the first of two transactions with one nonce unless the second pays at
least a tenth more (geth's --txpool.pricebump); an eighth leaves room for nodes that ask a little more."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A draft's `form`: what its bytes depend on besides payment and sender, and the reserve for a rollup's data."""

    nonce: int
    gas_limit: int
    max_fee_raw: int
    priority_fee_raw: int
    data_fee_raw: int = 0


class EvmSender:
    """`app.networks.sending.AccountSender` for one configured EVM network."""

    def __init__(self, config: EvmConfig) -> None:
        self._config = config
        self._rpc = EvmRpc(config.rpc_urls, config.chain_id)
        self._issuers = TokenIssuers(self._rpc)
        self._tokens = {asset.contract.lower(): asset for asset in config.assets if asset.contract}

    async def check_identity(self) -> None:
        stated = await self._rpc.chain_id()
        if stated != self._config.chain_id:
            raise WrongChain(f"{self._config.key}: the node is on chain {stated}, not {self._config.chain_id}")

    async def fee_rate(self) -> FeeRate:
        calls: list[Call[Any]] = [
            Call("eth_getBlockByNumber", ("latest", False), WireFeeHeader),
            Call("eth_maxPriorityFeePerGas", (), Quantity),
        ]
        head, tip = await self._rpc.ask(calls)
        base_raw, ceiling_raw = int(head.base_fee_per_gas, 16), self._config.max_fee_per_gas_wei
        priority_raw = max(int(tip, 16), MIN_PRIORITY_FEE_WEI)
        if base_raw + priority_raw > ceiling_raw:
            raise FeeAboveCeiling(f"{self._config.key}: gas costs more than the ceiling of {ceiling_raw} wei")
        return FeeRate(base_raw, min(BASE_FEE_HEADROOM * base_raw + priority_raw, ceiling_raw), priority_raw)

    async def gas_limit(self, from_address: str, payment: Payment) -> int:
        to, value_raw, data = self._transfer(payment)
        transaction = {"from": from_address, "to": to, "value": hex(value_raw), "data": "0x" + data.hex()}
        try:
            (estimate,) = await self._rpc.ask([Call[str]("eth_estimateGas", (transaction,), Quantity)])
        except RefusedByNode as refusal:
            raise WouldFail(str(refusal)) from None
        gas = int(estimate, 16)
        if gas > MAX_GAS_LIMIT:
            raise WouldFail(f"{self._config.key}: a transfer of {payment.asset_symbol} would take {gas} gas")
        # Native sweeps count on a plain transfer's gas being exact.
        return gas if gas == PLAIN_TRANSFER_GAS else gas * GAS_MARGIN[0] // GAS_MARGIN[1]

    async def data_fee_raw(self, draft: Draft) -> int:
        if self._config.rollup is None:
            return 0
        # Three bytes longer than the unsigned form: the shortest signature that can be written down.
        unsigned = _encoded({**self._fields(draft), "v": 1, "r": 1, "s": 1})
        return await rollup.data_fee_raw(self._rpc, unsigned)

    def plan(self, payments: Sequence[Payment], state: AccountState) -> Draft:
        (payment,) = payments
        form = Form(
            nonce=state.nonce,
            gas_limit=state.gas_limit,
            max_fee_raw=state.max_fee_raw,
            priority_fee_raw=state.priority_fee_raw,
            data_fee_raw=state.data_fee_raw,
        )
        return _draft(payment, state.sender, form)

    def with_nonce(self, draft: Draft, nonce: int) -> Draft:
        return _draft(_payment(draft), _sender(draft), msgspec.structs.replace(_form(draft), nonce=nonce))

    def bump(self, draft: Draft, rate: FeeRate, data_fee_raw: int, *, fee_from_amount: bool) -> Draft | None:
        (more, of), last, payment = BUMP, _form(draft), _payment(draft)
        priority_raw = max(rate.priority_raw, -(-last.priority_fee_raw * more // of))
        max_raw = max(rate.max_raw, -(-last.max_fee_raw * more // of), priority_raw)
        data_fee_raw = max(data_fee_raw, last.data_fee_raw)
        if fee_from_amount:
            priority_raw = max_raw
            dearer_raw = last.gas_limit * (max_raw - last.max_fee_raw) + data_fee_raw - last.data_fee_raw
            payment = msgspec.structs.replace(payment, amount_raw=payment.amount_raw - dearer_raw)
        if payment.amount_raw <= 0 or max_raw > self._config.max_fee_per_gas_wei:
            return None
        raised = msgspec.structs.replace(
            last, max_fee_raw=max_raw, priority_fee_raw=priority_raw, data_fee_raw=data_fee_raw
        )
        return _draft(payment, _sender(draft), raised)

    def sign(self, draft: Draft, key: bytes) -> Signed:
        signed = _account().sign_transaction(self._fields(draft), key)
        return Signed(txid="0x" + bytes(signed.hash).hex(), raw=bytes(signed.raw_transaction))

    def parse(self, raw: bytes, draft: Draft | None = None) -> Parsed:
        draft = self._decoded(raw)
        return Parsed(payments=draft.payments, claims=draft.claims, sender=draft.sender, nonce=_form(draft).nonce)

    async def broadcast(self, signed: Signed) -> Broadcast:
        call: Call[str] = Call("eth_sendRawTransaction", ("0x" + signed.raw.hex(),), Hash)
        try:
            (txid,) = await self._rpc.ask([call])
        except RefusedByNode as refusal:
            return _meaning(str(refusal))
        except NobodyAnswered as failure:
            # One node's refusal counts, even if another node doesn't answer: that one may be down for days.
            refusals = [str(each) for each in failure.failures if isinstance(each, RefusedByNode)]
            if not refusals:
                raise
            return _meaning(refusals[0])
        if txid.lower() != signed.txid:
            raise UnreadableAnswer(f"transaction {signed.txid}: the node answers with another one's id")
        return Broadcast.ACCEPTED

    async def receipts(self, txids: Collection[str]) -> dict[str, Receipt]:
        (head,) = await self._rpc.ask([Call[str]("eth_blockNumber", (), Quantity)])
        settled = await holdings.settlements(self._rpc, self._config.native, self._tokens, txids)
        hashes = await self._hashes(sorted({settlement.height for settlement in settled.values()}))
        return {
            txid: Receipt(
                **msgspec.structs.asdict(settlement), confirmations=max(int(head, 16) - settlement.height + 1, 1)
            )
            for txid, settlement in settled.items()
            if hashes.get(settlement.height) == settlement.block_hash  # otherwise its block is not in the current chain
        }

    async def look_up(self, txid: str) -> OnChain | None:
        if not TXID.fullmatch(txid):
            return None
        call: Call[WireSigned | None] = Call("eth_getTransactionByHash", (txid,), WireSigned | None)
        (found,) = await self._rpc.ask([call])
        if found is None:
            return None
        if found.type != "0x2" or found.to is None or not found.max_fee_per_gas or not found.max_priority_fee_per_gas:
            raise NotATransfer(f"transaction {txid} is not made as we make ours")
        numbers = {
            "nonce": found.nonce,
            "value": found.value,
            "gas": found.gas,
            "maxFeePerGas": found.max_fee_per_gas,
            "maxPriorityFeePerGas": found.max_priority_fee_per_gas,
            "v": found.v,
            "r": found.r,
            "s": found.s,
        }
        fields = {
            "type": 2,
            "chainId": self._config.chain_id,
            "to": with_checksum(found.to.lower()),
            "data": found.input,
        }
        raw = _encoded(fields | {name: int(number, 16) for name, number in numbers.items()})
        # The id is the hash of the bytes: if the node changed one of the fields, the hash differs.
        if keccak(raw) != bytes.fromhex(found.hash[2:]) or found.hash.lower() != txid.lower():
            raise NotATransfer(f"transaction {txid} is not made as we make ours")
        return OnChain(draft=self._decoded(raw), signed=Signed(found.hash.lower(), raw))

    async def pooled(self, txids: Sequence[str]) -> list[bool]:
        known: list[bool] = []
        for start in range(0, len(txids), CALLS_PER_REQUEST):
            some = txids[start : start + CALLS_PER_REQUEST]
            calls = [Call[WireKnown | None]("eth_getTransactionByHash", (t,), WireKnown | None) for t in some]
            known += [answer is not None for answer in await self._rpc.ask(calls)]
        return known

    async def token_state(self, asset_symbol: str, addresses: Sequence[str]) -> TokenState:
        contract = self._asset(asset_symbol).contract
        return TokenState() if contract is None else await self._issuers.state(contract, addresses)

    async def is_contract(self, address: str) -> bool:
        (code,) = await self._rpc.ask([Call[str]("eth_getCode", (address, "latest"), Data)])
        return code != "0x" and not code.lower().startswith(DELEGATION)

    async def confirmed_height(self) -> int:
        return max(await self.head_height() - self._config.confirmations + 1, -1)

    async def head_height(self) -> int:
        (head,) = await self._rpc.ask([Call[str]("eth_blockNumber", (), Quantity)])
        return int(head, 16)

    async def next_nonces(self, addresses: Sequence[str], height: int | None = None) -> dict[str, int]:
        counts: dict[str, int] = {}
        for start in range(0, len(addresses), CALLS_PER_REQUEST):
            some = addresses[start : start + CALLS_PER_REQUEST]
            answers = await self._rpc.ask([_count_call(address, height) for address in some])
            counts.update(zip(some, (int(answer, 16) for answer in answers), strict=True))
        return counts

    async def who_used(self, address: str, nonce: int, height: int) -> str | None:
        """Search the blocks for where the count of transactions passes the nonce: back in doubling steps from
        `height`, then halving. The node must still have the states of those blocks."""
        try:
            return await self._search(address, nonce, height)
        except RefusedByNode:
            return None

    async def balances_raw(
        self, addresses: Sequence[str], asset_symbol: str, height: int | None = None
    ) -> dict[str, int]:
        return await holdings.balances_raw(self._rpc, self._asset(asset_symbol), addresses, height)

    async def aclose(self) -> None:
        await self._rpc.aclose()

    async def _search(self, address: str, nonce: int, height: int) -> str | None:
        if await self._next_nonce(address, height) <= nonce:
            return None
        step, after = 1, height
        before = height - step
        while before >= 0 and await self._next_nonce(address, before) > nonce:
            step, after = step * 2, before
            before = after - step
        before = max(before, -1)
        while after - before > 1:
            middle = (before + after) // 2
            if await self._next_nonce(address, middle) > nonce:
                after = middle
            else:
                before = middle
        call: Call[WireNonceBlock | None] = Call("eth_getBlockByNumber", (hex(after), True), WireNonceBlock | None)
        (block,) = await self._rpc.ask([call])
        for transaction in block.transactions if block is not None else ():
            if transaction.from_.lower() == address.lower() and int(transaction.nonce, 16) == nonce:
                return transaction.hash.lower()
        return None

    async def _next_nonce(self, address: str, height: int) -> int:
        return (await self.next_nonces([address], height))[address]

    async def _hashes(self, heights: Sequence[int]) -> dict[int, str]:
        """The hashes of the blocks that are now at these heights."""
        hashes: dict[int, str] = {}
        for start in range(0, len(heights), CALLS_PER_REQUEST):
            some = heights[start : start + CALLS_PER_REQUEST]
            calls = [Call[WireHeader | None]("eth_getBlockByNumber", (hex(h), False), WireHeader | None) for h in some]
            for height, header in zip(some, await self._rpc.ask(calls), strict=True):
                if header is not None:
                    hashes[height] = header.hash.lower()
        return hashes

    def _fields(self, draft: Draft) -> dict[str, Any]:
        """The fields of the unsigned transaction of a draft (EIP-1559)."""
        form = _form(draft)
        to, value_raw, data = self._transfer(_payment(draft))
        return {
            "type": 2,
            "chainId": self._config.chain_id,
            "nonce": form.nonce,
            "to": to,
            "value": value_raw,
            "data": data,
            "gas": form.gas_limit,
            "maxFeePerGas": form.max_fee_raw,
            "maxPriorityFeePerGas": form.priority_fee_raw,
        }

    def _decoded(self, raw: bytes) -> Draft:
        """The draft that was signed. Raises NotATransfer, also where signing it anew could not give these bytes."""
        try:
            fields = _fields_of(raw)
            sender = str(_account().recover_transaction(raw))
            draft = self._draft_of(fields, sender)
            signature = {name: fields[name] for name in ("v", "r", "s")}
            same = _encoded({**self._fields(draft), **signature}) == raw
        except NotATransfer:
            raise
        except Exception as error:
            raise NotATransfer(f"not the bytes of a transfer of {self._config.key}: {error}") from None
        if not same:
            raise NotATransfer(f"bytes with more in them than a transfer of {self._config.key}")
        return draft

    def _draft_of(self, fields: dict[str, Any], sender: str) -> Draft:
        """The transfer that a transaction makes. Raises NotATransfer."""
        to, data = bytes(fields["to"]), bytes(fields["data"])
        token = self._tokens.get("0x" + to.hex())
        if token is not None and data.startswith(TRANSFER_SELECTOR) and len(data) == TRANSFER_LENGTH:
            symbol, recipient, amount_raw = token.symbol, data[16:36], int.from_bytes(data[36:])
        elif token is None and not data and self._config.native is not None:
            symbol, recipient, amount_raw = self._config.native.symbol, to, int(fields["value"])
        else:
            raise NotATransfer(f"it is no transfer of an asset of {self._config.key}")
        form = Form(
            nonce=int(fields["nonce"]),
            gas_limit=int(fields["gas"]),
            max_fee_raw=int(fields["maxFeePerGas"]),
            priority_fee_raw=int(fields["maxPriorityFeePerGas"]),
        )
        return _draft(Payment(with_checksum("0x" + recipient.hex()), symbol, amount_raw), sender, form)

    def _transfer(self, payment: Payment) -> tuple[str, int, bytes]:
        """The address to call, the native coin to send, and the call's data."""
        asset = self._asset(payment.asset_symbol)
        if asset.contract is None:
            return payment.to_address, payment.amount_raw, b""
        arguments = encode(["address", "uint256"], [payment.to_address, payment.amount_raw])
        return asset.contract, 0, TRANSFER_SELECTOR + arguments

    def _asset(self, symbol: str) -> Asset:
        asset = self._config.asset(symbol)
        if asset is None:
            raise LookupError(f"{symbol} on {self._config.key}")
        return asset


def _draft(payment: Payment, sender: str, form: Form) -> Draft:
    return Draft(
        payments=(payment,),
        claims=(f"nonce:{sender}:{form.nonce}",),
        fee_cap_raw=form.gas_limit * form.max_fee_raw + form.data_fee_raw,
        form=msgspec.json.encode(form),
        sender=sender,
    )


def _form(draft: Draft) -> Form:
    """A draft's form. Raises NotATransfer where it isn't one: a row of the database may have been edited."""
    try:
        return msgspec.json.decode(draft.form, type=Form)
    except msgspec.MsgspecError:
        raise NotATransfer("its form can't be read") from None


def _payment(draft: Draft) -> Payment:
    if len(draft.payments) != 1:
        raise NotATransfer(f"it has {len(draft.payments)} payments, and a transaction here makes one")
    return draft.payments[0]


def _sender(draft: Draft) -> str:
    if draft.sender is None:
        raise NotATransfer("it has no sender")
    return draft.sender


def _meaning(refusal: str) -> Broadcast:
    """The meaning of a refusal, found by its words, since nodes have no common error codes: the words of geth, reth,
    nethermind, besu, erigon and anvil. Any other refusal is REFUSED, which proves no failure."""
    text = refusal.lower()
    for meaning, words in _WORDS:
        if any(word in text for word in words):
            return meaning
    return Broadcast.REFUSED


_WORDS = (
    (
        Broadcast.ACCEPTED,
        ("already known", "alreadyknown", "known transaction", "already imported", "already in", "already exists"),
    ),
    (Broadcast.CLAIM_USED, ("nonce too low", "nonce is too low", "oldnonce", "nonce below")),
    (Broadcast.SHORT, ("insufficient funds", "insufficientfunds", "upfront cost", "insufficient balance")),
    (
        Broadcast.UNDERPRICED,
        ("underpriced", "less than block base fee", "fee too low", "feetoolow", "gas price below", "fee cap"),
    ),
)


def _count_call(address: str, height: int | None) -> Call[str]:
    return Call("eth_getTransactionCount", (address, "latest" if height is None else hex(height)), Quantity)


def _account() -> Any:
    """eth-account's class, imported at its first use: that takes most of a second, and only the signer signs."""
    from eth_account import Account  # noqa: PLC0415

    return Account


def _encoded(fields: dict[str, Any]) -> bytes:
    """A typed transaction (EIP-2718) with its signature, as bytes."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction  # noqa: PLC0415

    return bytes(TypedTransaction.from_dict(fields).encode())


def _fields_of(raw: bytes) -> dict[str, Any]:
    """The fields of an EIP-1559 transaction with its signature. Raises whatever the decoders raise."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction  # noqa: PLC0415
    from hexbytes import HexBytes  # noqa: PLC0415 - eth-account's own type of bytes

    return dict(TypedTransaction.from_bytes(HexBytes(raw)).as_dict())
