"""A deployment on the kind of chain in coin.py: a merchant, an operator, the watcher and the signer of this process."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, cast

import msgspec

from app.core import clock, database
from app.core.database import Row
from app.core.money import format_amount
from app.deposits.watcher import Watcher
from app.events import sequencer
from app.ledger import repository as ledger_repository
from app.ledger.hashchain import ChainId, State
from app.merchants.terms import Terms
from app.networks.kinds import KINDS
from app.payouts.service import NewPayout
from app.refunds.service import NewRefund
from app.signer import kinds
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
from tests.fakes.coin import (
    CHAINS,
    DECIMALS,
    HOT_ADDRESS,
    KIND,
    PREFIX,
    SYMBOL,
    CoinChain,
    hash_of,
    networks_toml,
)
from tests.fakes.coin_funds import SIGNER_KIND, CoinFunds
from tests.invariants import assert_invariants
from tests.signer.crashing import KilledAt

NETWORK = "coin:test"
CONFIRMATIONS = 3
PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
"""BIP-39's own example. This kind of chain has keys of its own."""


@contextmanager
def coin_chain() -> Iterator[CoinChain]:
    """A chain of the kind `coin`, which the gateway knows inside."""
    chain = CoinChain(uuid.uuid4().hex)
    CHAINS[chain.name] = chain
    KINDS["coin"], kinds.KINDS["coin"] = KIND, SIGNER_KIND
    yield chain
    del KINDS["coin"], kinds.KINDS["coin"]
    del CHAINS[chain.name]


def write_networks_file(path: Path, chain: CoinChain, *, can_send: bool, **options: Any) -> None:
    """A networks file with `coin:test` on the chain; with `can_send` it has a hot wallet."""
    hot = {"hot_wallet_address": HOT_ADDRESS} if can_send else {}
    path.write_text(networks_toml(chain.name, **{"confirmations": CONFIRMATIONS, **hot, **options}))


@dataclass
class CoinWorld:
    """One merchant, one operator, the watcher and the signer."""

    services: Services
    chain: CoinChain
    watcher: Watcher
    terms: Terms
    operator: Operator
    made: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def open(cls, services: Services, chain: CoinChain) -> Self:
        (watcher,) = services.watchers()
        await watcher.tick()
        merchant_id = await merchant(service_fee_bps=0)
        await takes(merchant_id, SYMBOL, network=NETWORK)
        boss = await operator(services.settings.data_keys)
        return cls(services, chain, watcher, Terms(merchant_id, "test", 0, "merchant"), boss)

    @property
    def merchant_id(self) -> str:
        return self.terms.merchant_id

    def signer(self, point: str | None = None, batch: int = CoinFunds.batch) -> Signer:
        """The signer of a new process, which may die at a point."""
        crash = KilledAt(point) if point else CrashPoints(is_production=False, env={})
        (signer,) = signers_of(self.services.networks, self.services.withdrawals, SpendingKeys(PHRASE), crash)
        cast("CoinFunds", signer._funds).batch = batch
        return signer

    # Money in.

    async def invoice(self, amount_raw: int, **fields: Any) -> AskedInvoice:
        """A new invoice."""
        amount = format_amount(amount_raw, DECIMALS)
        return await invoice(self.services, self.terms, amount=amount, currency=SYMBOL, chain="coin", **fields)

    async def paid(self, *amounts_raw: int) -> list[AskedInvoice]:
        """Invoices that customers have paid, confirmed."""
        made = [await self.invoice(amount_raw) for amount_raw in amounts_raw]
        for each in made:
            self.chain.pay((each.pay_in.address, int(each.pay_in.amount_raw)))
        await self.confirm_blocks()
        return [await self.reread(each) for each in made]

    async def top_up(self, amount_raw: int) -> None:
        """An operator fills the hot wallet, confirmed."""
        self.chain.pay((HOT_ADDRESS, amount_raw))
        await self.confirm_blocks()

    async def confirm_blocks(self, blocks: int = CONFIRMATIONS) -> None:
        """Mine the pool and more blocks, and run the watcher."""
        self.chain.mine()
        self.chain.mine_empty(blocks - 1)
        await self.watcher.tick()

    async def reread(self, made: AskedInvoice) -> AskedInvoice:
        return await reread(self.services, made)

    # Money out.

    def somebody(self) -> str:
        """A new address, which is not ours."""
        self.made += 1
        return f"{PREFIX}{hash_of('somebody', self.chain.name, self.made)[:32]}"

    async def request_payout(self, amount_raw: int, destination: str | None = None) -> PayoutBody:
        """Request a payout, to a new address unless one is given."""
        new = NewPayout(
            amount=format_amount(amount_raw, DECIMALS),
            asset=SYMBOL,
            chain="coin",
            destination=destination or self.somebody(),
            requested_by="api_key:k",
        )
        body = await self.services.payouts.create(self.merchant_id, "test", new, None, clock.now())
        return msgspec.json.decode(body, type=PayoutBody)

    async def request_refund(self, made: AskedInvoice, amount_raw: int) -> RefundBody:
        """Request a refund of a part of an invoice, to a new address."""
        amount = format_amount(amount_raw, DECIMALS)
        new = NewRefund(amount=amount, refund_address=self.somebody(), requested_by="api_key:k")
        body = await self.services.refunds.create(self.merchant_id, "test", made.id, new, None, clock.now())
        return msgspec.json.decode(body, type=RefundBody)

    async def approve(self, withdrawal_id: str) -> None:
        """Approve with a new code: the clock moves by half a minute."""
        by = self.operator
        await self.services.approvals.approve(withdrawal_id, by.id, by.next_code(), clock.now())

    async def approved(self, amount_raw: int, destination: str | None = None) -> PayoutBody:
        """Request a payout and approve it."""
        requested = await self.request_payout(amount_raw, destination)
        await self.approve(requested.id)
        return requested

    async def rounds(self, signer: Signer, count: int = 1) -> None:
        """Run rounds of the signer, each followed by a block and a run of the watcher."""
        for _ in range(count):
            await signer.tick()
            self.chain.mine()
            await self.watcher.tick()

    # What can be seen.

    async def read(self, payout_id: str) -> PayoutBody:
        """The payout as the merchant sees it."""
        found = await self.services.withdrawal_reader.payout(self.merchant_id, "test", payout_id)
        assert found is not None
        return found

    async def statuses(self, payouts: list[PayoutBody]) -> list[str]:
        return [(await self.read(one.id)).status for one in payouts]

    async def attempts(self) -> list[Row]:
        """Every signed transaction, oldest first."""
        return list(await database.fetch_all("SELECT * FROM outgoing_transactions ORDER BY id"))

    async def alerts(self) -> Mapping[str, str]:
        """Open alerts: severity by kind."""
        rows = await database.fetch_all("SELECT kind, severity FROM alerts WHERE acknowledged_at IS NULL")
        return {row["kind"]: row["severity"] for row in rows}

    async def balance(self) -> tuple[int, int]:
        """The merchant's available and locked balance."""
        head = await ledger_repository.head(ChainId(owner=self.merchant_id, network=NETWORK, asset=SYMBOL))
        state = head.state if head else State()
        return state.available_raw, state.locked_raw

    def coin(self, amount_raw: int) -> str:
        """The claim of an unspent coin of that amount."""
        return next(coin.claim for coin in self.chain.unspent() if coin.amount_raw == amount_raw)

    async def check(self, *, with_chain: bool = True) -> None:
        """Check I1 to I7, with what the chain holds, and that any two attempts at a payment exclude each other."""
        await self.watcher.tick()
        await sequencer.number_events(fan_out_with(self.services.settings.data_keys))
        await assert_invariants(self.services, with_chain=with_chain)
        await assert_books()
        await assert_invoices()

    async def assert_paid_once(self, payouts: list[PayoutBody], *, with_chain: bool = True) -> None:
        """Each payout is confirmed and on chain once; the books agree."""
        assert await self.statuses(payouts) == ["confirmed"] * len(payouts)
        for destination in {one.destination for one in payouts}:
            wanted = sorted(int(one.amount_raw) for one in payouts if one.destination == destination)
            assert sorted(self.chain.paid_raw(destination)) == wanted
        await self.check(with_chain=with_chain)


BUMP_AFTER = timedelta(seconds=181)
"""A little more than the default of `fee_bump_after_s`."""
