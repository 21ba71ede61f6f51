"""A deployment on the Tron in memory (timed.py): a merchant, an operator, watcher and signer of this process."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from app.core import clock, database
from app.core.database import Row
from app.core.money import format_amount
from app.deposits.watcher import Watcher
from app.events import sequencer
from app.ledger import repository as ledger_repository
from app.ledger.hashchain import ChainId
from app.merchants.terms import Terms
from app.networks.kinds import KINDS
from app.payouts.service import NewPayout
from app.refunds.service import NewRefund
from app.signer.crash_points import CrashPoints
from app.signer.keystore import SpendingKeys
from app.signer.signing import Signer
from app.signer.start import signers_of
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from app.withdrawals.presentation import PayoutBody, RefundBody
from tests.books import assert_books, assert_invoices
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import merchant, takes
from tests.factories.operators import Operator, operator
from tests.factories.tron import somebody
from tests.fakes.timed import CHAINS, COIN, CONTRACT, FINAL_BEHIND, KIND, TOKEN, TimedChain, hash_of
from tests.invariants import assert_invariants
from tests.signer.crashing import KilledAt
from tests.signer.tron_under_test import EXPIRES_AFTER_S, NETWORK, write_tron_networks

PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
"""BIP-39's own example."""

FINAL = FINAL_BEHIND + 1
"""Blocks until a transaction in the first of them is final."""


@contextmanager
def timed_chain() -> Iterator[TimedChain]:
    """A chain in the place of Tron's adapters."""
    chain = TimedChain(hash_of(uuid.uuid4().hex))
    before, CHAINS[chain.name] = KINDS.get("tron"), chain
    KINDS["tron"] = KIND
    yield chain
    del CHAINS[chain.name], KINDS["tron"]
    if before is not None:
        KINDS["tron"] = before


def write_networks_file(path: Path, chain: TimedChain, **options: object) -> None:
    """A networks file with `tron:test` on the chain, and a hot wallet. A round of sweeps comes once in a minute."""
    fields = {"sweep_interval_s": 60, **options}
    write_tron_networks(path, ["http://127.0.0.1:1"], chain.name, CONTRACT, SpendingKeys(PHRASE), **fields)


@dataclass
class TimedWorld:
    """One merchant, one operator, the watcher and the signer."""

    services: Services
    chain: TimedChain
    watcher: Watcher
    signer: Signer
    terms: Terms
    operator: Operator
    made: int = 0

    @classmethod
    async def open(cls, services: Services, chain: TimedChain) -> Self:
        (watcher,) = services.watchers()
        await watcher.tick()
        merchant_id = await merchant(service_fee_bps=0)
        await takes(merchant_id, TOKEN, COIN, network=NETWORK)
        boss = await operator(services.settings.data_keys)
        signer = cls.new_signer(services)
        return cls(services, chain, watcher, signer, Terms(merchant_id, "test", 0, "merchant"), boss)

    @staticmethod
    def new_signer(services: Services, point: str | None = None) -> Signer:
        """The signer of a new process, which may die at a point."""
        crash = KilledAt(point) if point else CrashPoints(is_production=False, env={})
        (signer,) = signers_of(services.networks, services.withdrawals, SpendingKeys(PHRASE), crash)
        return signer

    @property
    def hot(self) -> str:
        return SpendingKeys(PHRASE).tron_hot_wallet_address

    # Money in.

    async def paid(self, amount_raw: int, asset: str = TOKEN) -> AskedInvoice:
        """An invoice that a customer has paid, credited."""
        amount = format_amount(amount_raw, 6)
        made = await invoice(self.services, self.terms, amount=amount, currency=asset, chain="tron")
        self.chain.pay(made.pay_in.address, asset, int(made.pay_in.amount_raw))
        await self.blocks(FINAL)
        return await reread(self.services, made)

    async def top_up(self, asset: str, amount_raw: int) -> None:
        """An operator fills the hot wallet, final."""
        self.chain.pay(self.hot, asset, amount_raw)
        await self.blocks(FINAL)

    async def blocks(self, count: int = 1) -> None:
        """Mine the pool and more blocks, and run the watcher."""
        self.chain.mine()
        self.chain.mine_empty(count - 1)
        await self.watcher.tick()

    # Money out.

    async def approved(self, amount_raw: int, asset: str = TOKEN, destination: str | None = None) -> PayoutBody:
        """Request a payout, to a new address unless one is given, and approve it."""
        requested = await self.requested(amount_raw, asset, destination)
        await self.approve(requested.id)
        return requested

    async def requested(self, amount_raw: int, asset: str = TOKEN, destination: str | None = None) -> PayoutBody:
        """Request a payout, to a new address unless one is given."""
        self.made += 1
        new = NewPayout(
            amount=format_amount(amount_raw, 6),
            asset=asset,
            chain="tron",
            destination=destination or somebody(self.made),
            requested_by="api_key:k",
        )
        body = await self.services.payouts.create(self.terms.merchant_id, "test", new, None, clock.now())
        return msgspec.json.decode(body, type=PayoutBody)

    async def approved_refund(self, made: AskedInvoice, amount_raw: int) -> RefundBody:
        """Request a refund of a part of an invoice, to a new address, and approve it."""
        self.made += 1
        new = NewRefund(
            amount=format_amount(amount_raw, 6), refund_address=somebody(self.made), requested_by="api_key:k"
        )
        body = await self.services.refunds.create(self.terms.merchant_id, "test", made.id, new, None, clock.now())
        requested = msgspec.json.decode(body, type=RefundBody)
        await self.approve(requested.id)
        return requested

    async def approve(self, withdrawal_id: str) -> None:
        """Approve with a new code: the clock moves by half a minute."""
        by = self.operator
        await self.services.approvals.approve(withdrawal_id, by.id, by.next_code(), clock.now())

    async def rounds(self, count: int = 1, signer: Signer | None = None) -> None:
        """Run rounds of the signer, each followed by a block and a run of the watcher."""
        for _ in range(count):
            await (signer or self.signer).tick()
            await self.blocks()

    async def expire(self, *, empty: bool = True) -> None:
        """Let the time of what is signed pass, with a block after it and so many that this one is final."""
        if empty:
            self.chain.pool.clear()
        self.chain.skip(EXPIRES_AFTER_S + 1)
        await self.blocks(FINAL)

    # What can be seen.

    async def read(self, payout_id: str) -> PayoutBody:
        """The payout as the merchant sees it."""
        found = await self.services.withdrawal_reader.payout(self.terms.merchant_id, "test", payout_id)
        assert found is not None
        return found

    async def waits_for(self, withdrawal_id: str) -> str | None:
        """Why nothing happens."""
        reason: str | None = await database.fetch_value(
            "SELECT waiting_reason FROM withdrawals WHERE id = $1", withdrawal_id
        )
        return reason

    async def is_held(self, withdrawal_id: str) -> bool:
        return bool(await database.fetch_value("SELECT held FROM withdrawals WHERE id = $1", withdrawal_id))

    async def attempts(self) -> list[Row]:
        """Every signed transaction, oldest first."""
        return list(await database.fetch_all("SELECT * FROM outgoing_transactions ORDER BY id"))

    async def statuses(self) -> list[str]:
        """The status of every signed transaction, oldest first."""
        return [row["status"] for row in await self.attempts()]

    async def alerts(self) -> Mapping[str, str]:
        """Open alerts: severity by kind."""
        rows = await database.fetch_all("SELECT kind, severity FROM alerts WHERE acknowledged_at IS NULL")
        return {row["kind"]: row["severity"] for row in rows}

    async def balance(self, asset: str = TOKEN, owner: str | None = None) -> tuple[int, int]:
        """The available and locked balance of the merchant, or of another owner."""
        chain = ChainId(owner=owner or self.terms.merchant_id, network=NETWORK, asset=asset)
        head = await ledger_repository.head(chain)
        return (0, 0) if head is None else (head.state.available_raw, head.state.locked_raw)

    async def check(self, *, with_chain: bool = True) -> None:
        """Check I1 to I7, with what the chain holds."""
        await self.watcher.tick()
        await sequencer.number_events(fan_out_with(self.services.settings.data_keys))
        await assert_invariants(self.services, with_chain=with_chain)
        await assert_books()
        await assert_invoices()

    async def assert_paid_once(self, *payouts: PayoutBody) -> None:
        """Each payout is confirmed and has arrived once; the books agree."""
        for one in payouts:
            assert (await self.read(one.id)).status == "confirmed"
        for destination in {one.destination for one in payouts}:
            wanted = sorted(int(one.amount_raw) for one in payouts if one.destination == destination)
            assert sorted(self.chain.arrived_raw(destination, payouts[0].asset)) == wanted
        await self.check()


def txids(rows: Sequence[Row]) -> list[str]:
    """Their ids."""
    return [row["txid"] for row in rows]
