"""A chain of coins in memory, with a sender and funds for the signer, in place of a kind that there is no adapter of.

It has what the signer must carry beyond accounts: transactions that spend coins and pay many recipients at once,
replacements that add a coin, and no sender. It has no scripts and no proof of work. Its blocks are those of the test's
EVM chain, so that heights and hashes are real; its coins stand for what the hot wallet holds there. The rules of its
pool follow BIP-125: a replacement must spend a common coin and pay more.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.core import database
from app.networks.config import NetworkConfig
from app.networks.port import (
    Broadcast,
    Chain,
    Draft,
    NotATransfer,
    OnChain,
    Parsed,
    Payment,
    Receipt,
    SentTransfer,
    Settlement,
    Signed,
)
from app.sandbox.chain_driver import AnvilDriver
from app.signer import repository
from app.signer.funds import NotNow, NotOurs, Standing
from app.signer.repository import Purpose, Stored
from app.withdrawals.digest import Intent

KEY = b"the key of every coin"
FEE_RAW = 1_000
"""What a payment or a coin adds to the fee at rate 1, in wei."""


@dataclass
class Mined:
    """A transaction in a block."""

    height: int
    block_hash: str
    succeeded: bool
    body: dict[str, Any]


@dataclass
class CoinChain:
    """The node. `coins` are all that ever were, by name, with their value in USDT."""

    driver: AnvilDriver
    coins: dict[str, int] = field(default_factory=dict)
    pool: dict[str, dict[str, Any]] = field(default_factory=dict)
    mined: dict[str, Mined] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)

    def spent_by(self, coin: str) -> str | None:
        """The mined transaction that has spent a coin."""
        return next((txid for txid, one in self.mined.items() if coin in one.body["coins"]), None)

    def submit(self, raw: bytes) -> Broadcast:
        """Take a transaction into the pool, in place of those that it replaces."""
        self.sent.append(raw)
        body, txid = json.loads(raw), txid_of(raw)
        if txid in self.mined or txid in self.pool:
            return Broadcast.ACCEPTED
        if any(self.spent_by(coin) for coin in body["coins"]):
            return Broadcast.CLAIM_USED
        rivals = {other for other, one in self.pool.items() if set(one["coins"]) & set(body["coins"])}
        if any(self.pool[rival]["fee_raw"] >= body["fee_raw"] for rival in rivals):
            return Broadcast.UNDERPRICED
        for rival in rivals:
            del self.pool[rival]
        self.pool[txid] = body
        return Broadcast.ACCEPTED

    async def mine(self, blocks: int = 1, *, succeeded: bool = True) -> None:
        """Mine the pool into one block, and empty blocks after it."""
        await self.driver.mine(1)
        height = await self.driver.height()
        block = await self.driver.call("eth_getBlockByNumber", hex(height), False)
        for txid, body in self.pool.items():
            self.mined[txid] = Mined(height, block["hash"].lower(), succeeded, body)
            paid_raw = sum(amount_raw for _, _, amount_raw in body["payments"]) if succeeded else 0
            change_raw = sum(self.coins[coin] for coin in body["coins"]) - paid_raw
            if change_raw:
                self.coins[f"{txid}:change"] = change_raw
        self.pool.clear()
        if blocks > 1:
            await self.driver.mine(blocks - 1)

    async def spend_as_stranger(self, coin: str) -> None:
        """Mine a transaction by somebody else who has the key, which moves a coin to another address of ours."""
        raw = raw_of({"coins": [coin], "payments": [], "fee_raw": 0})
        self.pool = {txid: body for txid, body in self.pool.items() if coin not in body["coins"]}
        self.submit(raw)
        await self.mine()

    def paid_raw(self, address: str) -> list[int]:
        """The amounts that mined transactions have paid to an address."""
        return [
            amount_raw
            for one in self.mined.values()
            if one.succeeded
            for to_address, _, amount_raw in one.body["payments"]
            if to_address == address
        ]


class CoinSender:
    """`app.networks.port.Sender` of the chain."""

    def __init__(self, chain: CoinChain) -> None:
        self.chain = chain

    async def check_identity(self) -> None:
        pass

    def sign(self, draft: Draft, key: bytes) -> Signed:
        form = json.loads(draft.form)
        payments = [[one.to_address, one.asset_symbol, one.amount_raw] for one in draft.payments]
        raw = raw_of({"coins": sorted(form["coins"]), "payments": payments, "fee_raw": draft.fee_cap_raw}, key)
        return Signed(txid_of(raw), raw)

    def parse(self, raw: bytes, draft: Draft) -> Parsed:
        body = json.loads(raw)
        if raw_of({name: value for name, value in body.items() if name != "signature"}) != raw:
            raise NotATransfer("not signed with our key, or with more in it")
        payments = tuple(Payment(*payment) for payment in body["payments"])
        return Parsed(payments=payments, claims=tuple(f"coin:{coin}" for coin in body["coins"]))

    async def broadcast(self, signed: Signed) -> Broadcast:
        return self.chain.submit(signed.raw)

    async def receipts(self, txids: Collection[str]) -> dict[str, Receipt]:
        head = await self.head_height()
        return {
            txid: Receipt(
                height=one.height,
                block_hash=one.block_hash,
                succeeded=one.succeeded,
                fee_raw=one.body["fee_raw"],
                transfers=transfers_of(one),
                confirmations=head - one.height + 1,
            )
            for txid in txids
            if (one := self.chain.mined.get(txid)) is not None
        }

    async def look_up(self, txid: str) -> OnChain | None:
        raise NotImplementedError

    async def pooled(self, txids: Sequence[str]) -> list[bool]:
        return [txid in self.chain.pool or txid in self.chain.mined for txid in txids]

    async def head_height(self) -> int:
        return await self.chain.driver.height()

    async def confirmed_height(self) -> int:
        return await self.head_height() - 2

    async def aclose(self) -> None:
        pass


class CoinFunds:
    """`app.signer.funds.Funds`: coins that no living transaction claims, the oldest first."""

    batch_window_s = 0

    def __init__(self, network: NetworkConfig, chain: CoinChain, batch: int = 5) -> None:
        self.batch = batch
        self._network = network
        self._chain = chain

    async def watch(self) -> None:
        pass

    async def begin_round(self, now: datetime) -> None:
        pass

    async def room(self) -> int:
        return 25

    def shortage(self, asset: str, amount_raw: int) -> str | None:
        held_raw = sum(raw for coin, raw in self._chain.coins.items() if self._chain.spent_by(coin) is None)
        return None if amount_raw <= held_raw else f"the hot wallet holds too little {asset}"

    async def plan(self, intents: Sequence[Intent]) -> Draft:
        payments = tuple(Payment(one.destination, one.asset, one.amount_raw) for one in intents)
        wanted_raw = sum(payment.amount_raw for payment in payments)
        chosen: list[str] = []
        for coin in await self._free():
            if sum(self._chain.coins[one] for one in chosen) >= wanted_raw:
                break
            chosen.append(coin)
        if sum(self._chain.coins[one] for one in chosen) < wanted_raw:
            raise NotNow("the hot wallet holds too little USDT", is_short=True)
        return draft_of(payments, chosen, rate=1)

    async def lock(self, draft: Draft) -> Draft:
        await database.fetch_value("SELECT pg_advisory_xact_lock(1)")
        if await repository.living_claims(self._network.key, draft.claims, None):
            raise NotNow("its coins are claimed by now", is_short=False)
        return draft

    async def record(self, stored: Stored) -> None:
        pass

    async def send(self, stored: Stored) -> Broadcast:
        return self._chain.submit(stored.signed_bytes)

    def reserve(self, draft: Draft) -> None:
        pass

    async def standings(self, lineages: Sequence[Sequence[Stored]]) -> list[Standing]:
        head, standings = await self._chain.driver.height(), []
        for lineage in lineages:
            spent = {self._chain.spent_by(claim.removeprefix("coin:")) for claim in lineage[-1].claims} - {None}
            final = [txid for txid in spent if txid and head - self._chain.mined[txid].height >= 2]
            standings.append(Standing(is_used=bool(final), used_by=final[0] if final else None))
        return standings

    async def bump(self, last: Stored) -> Draft:
        """The same payments at twice the rate, with one more coin."""
        form = json.loads(last.form)
        return draft_of(last.payments, [*form["coins"], (await self._free())[0]], rate=2 * form["rate"])

    async def _free(self) -> list[str]:
        unspent = [coin for coin in self._chain.coins if self._chain.spent_by(coin) is None]
        living = await repository.living_claims(self._network.key, [f"coin:{coin}" for coin in unspent], None)
        taken = {one.claim for one in living}
        return [coin for coin in unspent if f"coin:{coin}" not in taken]


class CoinKeys:
    """`app.signer.funds.Keys`: one key for every coin."""

    def __init__(self, chain: CoinChain) -> None:
        self._chain = chain

    async def key(self, draft: Draft) -> bytes:
        return KEY

    async def check_route(self, parsed: Parsed, purpose: Purpose) -> None:
        if any(claim.removeprefix("coin:") not in self._chain.coins for claim in parsed.claims):
            raise NotOurs("a coin is not ours")


class NoMoves:
    """`app.signer.funds.OwnMoves`: coins are spent where they are."""

    async def run(self) -> None:
        pass


class CoinReader:
    """`app.networks.port.Chain` for reconciliation: the EVM chain, less what coins have paid out of the hot wallet."""

    def __init__(self, evm: Chain, chain: CoinChain, hot_address: str) -> None:
        self._evm = evm
        self._chain = chain
        self._hot_address = hot_address

    def __getattr__(self, name: str) -> Any:
        return getattr(self._evm, name)

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, height: int) -> dict[str, int]:
        held = await self._evm.balances_raw(addresses, asset_symbol, height)
        for one in self._chain.mined.values():
            if one.height <= height and self._hot_address in held:
                paid = [payment for payment in transfers_of(one) if payment.asset_symbol == asset_symbol]
                fee_raw = one.body["fee_raw"] if asset_symbol == "ETH" else 0
                held[self._hot_address] -= sum(payment.amount_raw for payment in paid) + fee_raw
        return held

    async def settlements(self, txids: Collection[str]) -> dict[str, Settlement]:
        ours = await CoinSender(self._chain).receipts(txids)
        return {**await self._evm.settlements(txids), **ours}


def draft_of(payments: tuple[Payment, ...], coins: Sequence[str], rate: int) -> Draft:
    """A draft that spends these coins."""
    return Draft(
        payments=payments,
        claims=tuple(sorted(f"coin:{coin}" for coin in coins)),
        fee_cap_raw=rate * FEE_RAW * (len(coins) + len(payments)),
        form=json.dumps({"coins": list(coins), "rate": rate}).encode(),
    )


def raw_of(body: dict[str, Any], key: bytes = KEY) -> bytes:
    """A transaction's bytes, the same for the same body and key."""
    text = json.dumps(body, sort_keys=True)
    return json.dumps({**body, "signature": hmac.digest(key, text.encode(), "sha256").hex()}, sort_keys=True).encode()


def txid_of(raw: bytes) -> str:
    """The id that follows from the bytes."""
    return hashlib.sha256(raw).hexdigest()


def transfers_of(mined: Mined) -> tuple[SentTransfer, ...]:
    """What a mined transaction has moved: nothing of it has a sender."""
    if not mined.succeeded:
        return ()
    return tuple(SentTransfer(asset, None, to_address, raw) for to_address, asset, raw in mined.body["payments"])
