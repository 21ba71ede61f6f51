"""Money in and out in any order that Hypothesis thinks of, on a real chain and a real Postgres: invoices and every
kind of payment, reorganisations shallow and deep, time that passes, payouts, refunds, approvals, rejections, a signer
that dies at its named points, sweeps, reviews, holds, top-ups. I1 to I7 hold after each step.

Five runs of fifty steps, or `SOAK` runs. The seed is printed; `MONEY_SEED=…` repeats it, `MONEY_SHRINK=1` cuts it down.
"""

import asyncio
import base64
import os
import secrets
import sys
import uuid
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, seed
from hypothesis import settings as runs
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from app.core import clock, redis
from app.core.money import format_amount
from app.core.settings import Settings, load
from app.invoices.presentation import InvoiceBody
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.postgres import Postgres
from app.signer.crash_points import POINTS
from app.signer.keystore import SpendingKeys
from app.wiring import running, wire
from tests.books import assert_books, assert_invoices
from tests.factories.networks import XPUB, networks_toml
from tests.invariants import assert_invariants
from tests.money.world import CONFIRMATIONS, DECIMALS, World
from tests.services import clone_template, start_anvil_for_tests

SOAK = int(os.environ.get("SOAK", "5"))
RUNS = max(1, SOAK)
STEPS = 50
REACHED: Counter[str] = Counter()
SEED = int(os.environ.get("MONEY_SEED") or secrets.randbelow(10**9))

# BIP-39's own example: not the node's phrase, whose accounts hold coins that no ledger knows.
MNEMONIC = "legal winner thank year wave sausage worth useful legal winner thank yellow"

Round = tuple[str | None, int] | None
"""Rounds of the signer, the point at which each dies, and blocks mined in between; or none."""


@dataclass(frozen=True)
class Place:
    """The servers of all runs. Each run has a database and a chain of its own."""

    postgres: Postgres
    valkey_url: str
    keys: SpendingKeys
    directory: Path

    def deployment(self, database_url: str, rpc_url: str, token: str) -> Settings:
        """One run's settings: few addresses, so that they serve many; USDT has a fee, and above 3.00 two approve."""
        path = self.directory / "networks.toml"
        text = networks_toml(
            rpc_url,
            token,
            hot_wallet_address=self.keys.hot_wallet_address,
            confirmations=CONFIRMATIONS,
            pool_cap=5,
            cool_down_minutes=5,
            sweep_interval_s=1,
        ).replace(XPUB, self.keys.xpub)
        usdt = "decimals = 6\napproval_threshold_raw = 3000000\npayout_fee_flat_raw = 10000"
        path.write_text(text.replace("decimals = 6", usdt))
        key = base64.b64encode(bytes(range(32))).decode()
        return load(
            {
                "SWAP_PAY_ENV": "test",
                "DATABASE_URL": database_url,
                "REDIS_URL": self.valkey_url,
                "PUBLIC_URL": "https://pay.example.test",
                "NETWORKS_FILE": str(path),
                "API_KEY_PEPPERS": f"1:{key}",
                "DATA_KEYS": f"k1:{key}",
                "LINK_SECRET": key,
                "EMAIL_HASH_SECRET": key,
            }
        )


@pytest.fixture
def place(postgres: Postgres, valkey_url: str, tmp_path: Path) -> Place:
    return Place(postgres, valkey_url, SpendingKeys(MNEMONIC), tmp_path)


class Money(RuleBasedStateMachine):
    """Each rule is an action that is possible at any time; it is refused or carried out, never partly.
    Chance alone would rarely produce many steps in one order, so some rules carry out several steps."""

    place: Place

    invoices = Bundle("invoices")
    withdrawals = Bundle("withdrawals")

    merchants = st.integers(0, 1)
    operators = st.integers(0, 1)
    customers = st.integers(1, 3)
    assets = st.sampled_from(["USDT", "ETH"])
    units = st.integers(1, 9)
    blocks = st.integers(0, CONFIRMATIONS)
    approvals = st.integers(0, 2)
    rounds = st.one_of(st.none(), st.tuples(st.one_of(st.none(), st.sampled_from(POINTS)), blocks))

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.run = self.runner.run
        self.world = self.run(self._begin())

    async def _begin(self) -> World:
        name = f"money_{uuid.uuid4().hex}"
        admin = await asyncpg.connect(self.place.postgres.dsn())
        await clone_template(admin, name)
        self.stack.push_async_callback(admin.close)
        self.stack.push_async_callback(admin.execute, f"DROP DATABASE {name} WITH (FORCE)")
        node = self.stack.enter_context(start_anvil_for_tests(self.place.directory / name))
        driver = await AnvilDriver.connect(node.rpc_url)
        self.stack.push_async_callback(driver.aclose)
        token = await driver.deploy_token(10**15)
        for customer in driver.accounts[1:4]:
            await driver.transfer_token(token, customer, 10**13)
        await driver.call("evm_setAutomine", False)
        settings = self.place.deployment(self.place.postgres.dsn(name), node.rpc_url, token)
        services = await self.stack.enter_async_context(running(wire(settings)))
        await redis.client().flushall()
        return await World.begin(services, driver, token, self.place.keys)

    @initialize(target=invoices)
    def both_have_sold_something(self) -> object:
        sold = [self._create_invoice(merchant, asset, 9) for merchant in (0, 1) for asset in DECIMALS]
        for made in sold:
            assert made is not None
            self._pay(made, 1)
        self._mine(CONFIRMATIONS)
        return multiple(*sold)

    @rule(target=invoices, merchant=merchants, asset=assets, units=units)
    def create_invoice(self, merchant: int, asset: str, units: int) -> object:
        return self._create_invoice(merchant, asset, units) or multiple()

    @rule(target=invoices, merchant=merchants, asset=assets, units=units, customer=customers, blocks=blocks)
    def sell(self, merchant: int, asset: str, units: int, customer: int, blocks: int) -> object:
        made = self._create_invoice(merchant, asset, units)
        if made is None:
            return multiple()
        self._pay(made, customer)
        self._mine(blocks)
        return made

    @rule(
        invoice=invoices,
        customer=customers,
        how=st.sampled_from(["exactly", "exactly", "short", "the rest", "over", "nearly", "dust", "in another asset"]),
        blocks=blocks,
    )
    def pay(self, invoice: InvoiceBody, customer: int, how: str, blocks: int) -> None:
        """A first payment, a second, late, after cancellation, or to an address that another invoice has by then."""
        self._pay(invoice, customer, how)
        self._mine(blocks)

    @rule(blocks=blocks)
    def mine(self, blocks: int) -> None:
        self._mine(blocks)

    @rule(depth=st.one_of(st.integers(1, CONFIRMATIONS - 1), st.integers(CONFIRMATIONS, 12)), back=st.booleans())
    def reorganise(self, depth: int, back: bool) -> None:
        self.run(self.world.reorganise(depth))
        if back:
            self.come_back(1)

    @rule(blocks=blocks)
    def come_back(self, blocks: int) -> None:
        """Transactions that a reorganisation removed are in blocks again."""
        self.run(self.world.resubmit())
        self._mine(blocks)

    @rule()
    def node_forgets(self) -> None:
        self.run(self.world.forget_waiting())

    @rule(minutes=st.sampled_from([1, 4, 11, 60, 7 * 24 * 60]))
    def let_time_pass(self, minutes: int) -> None:
        clock.shift(timedelta(minutes=minutes))
        self.run(self.world.watch())
        self.run(self.world.expire_requests())

    @rule(invoice=invoices)
    def cancel_invoice(self, invoice: InvoiceBody) -> None:
        answer = self.run(self.world.cancel_invoice(invoice.id))
        assert answer in ("cancelled", "INVOICE_NOT_CANCELLABLE")

    @rule(
        target=withdrawals,
        merchant=merchants,
        asset=assets,
        share=st.sampled_from([1, 2, 3, 0.9]),
        approvals=approvals,
        rounds=rounds,
    )
    def request_payout(self, merchant: int, asset: str, share: float, approvals: int, rounds: Round) -> object:
        merchant_id = self.world.merchants[merchant].merchant_id
        available_raw = self.run(self.world.available_raw(merchant_id, asset))
        amount = format_amount(max(available_raw * 10 // int(share * 10), 1), DECIMALS[asset])
        asker = f"account:{self.world.operators[0].id}" if share == 3 else "api_key:k"
        answer = self.run(self.world.request_payout(merchant_id, asset, amount, asker))
        if answer == "INSUFFICIENT_BALANCE":
            return multiple()
        assert share >= 1, "more than the available balance was locked"
        assert answer.startswith("PO-"), answer
        return self._go_on(answer, approvals, rounds)

    @rule(target=withdrawals, invoice=invoices, share=st.sampled_from([1, 2, 3]), approvals=approvals, rounds=rounds)
    def request_refund(self, invoice: InvoiceBody, share: int, approvals: int, rounds: Round) -> object:
        amount = format_amount(int(invoice.net_raw) // share, DECIMALS[invoice.pay_in.asset])
        answer = self.run(self.world.request_refund(invoice.id, amount))
        if answer in ("INSUFFICIENT_BALANCE", "INVOICE_NOT_REFUNDABLE", "REFUND_EXCEEDS_NET"):
            return multiple()
        assert answer.startswith("RF-"), answer
        return self._go_on(answer, approvals, rounds)

    @rule(
        target=withdrawals,
        by=operators,
        how=st.sampled_from(["credit", "credit", "return", "close"]),
        chance=st.integers(0, 99),
        approvals=approvals,
        rounds=rounds,
    )
    def settle_review(self, by: int, how: str, chance: int, approvals: int, rounds: Round) -> object:
        open_reviews = self.run(self.world.open_reviews())
        if not open_reviews:
            return multiple()
        review, operator = open_reviews[chance % len(open_reviews)], self.world.operators[by]
        if how == "return":
            answer = self.run(self.world.send_back(review, operator))
            return self._go_on(answer, approvals, rounds) if answer.startswith("RF-") else multiple()
        self.run(self.world.credit(review, operator) if how == "credit" else self.world.close(review, operator))
        return multiple()

    @rule(withdrawal=withdrawals, first=operators, both=st.booleans())
    def approve(self, withdrawal: str, first: int, both: bool) -> None:
        self.run(self.world.approve(withdrawal, self.world.operators[first]))
        if both:
            self.run(self.world.approve(withdrawal, self.world.operators[1 - first]))

    @rule(withdrawal=withdrawals, by=operators)
    def reject(self, withdrawal: str, by: int) -> None:
        self.run(self.world.reject(withdrawal, self.world.operators[by]))

    @rule(withdrawal=withdrawals)
    def cancel_payout(self, withdrawal: str) -> None:
        if withdrawal.startswith("PO-"):
            assert self.run(self.world.cancel_payout(withdrawal)) in ("cancelled", "PAYOUT_NOT_CANCELLABLE")

    @rule(round=rounds)
    def sign(self, round: Round) -> None:
        crash_at, blocks = round or (None, 0)
        self.run(self.world.sign(crash_at))
        self._mine(blocks)
        self.run(self.world.sign(crash_at))

    @rule(by=operators)
    def release_holds(self, by: int) -> None:
        self.run(self.world.release_holds(self.world.operators[by]))

    @rule(asset=assets, blocks=blocks)
    def top_up(self, asset: str, blocks: int) -> None:
        self.run(self.world.send(asset, self.place.keys.hot_wallet_address, 10 ** DECIMALS[asset]))
        self._mine(blocks)

    @invariant()
    def books_are_right(self) -> None:
        self.run(self._check())

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # else report the earlier failure
                self.run(self._come_to_rest())
        finally:
            self.run(self.stack.aclose())
            self.runner.close()
            clock.unshift()

    async def _check(self) -> None:
        await self.world.number_events()
        await assert_invariants(self.world.services)
        await assert_books()
        await assert_invoices()
        await self.world.assert_nothing_left_twice()

    async def _come_to_rest(self) -> None:
        REACHED.update(await self.world.reached())
        await self.world.come_to_rest()
        await self._check()
        await self.world.assert_everything_arrived()

    def _create_invoice(self, merchant: int, asset: str, units: int) -> InvoiceBody | None:
        amount = f"{units}.00" if asset == "USDT" else f"0.0{units}"
        made = self.run(self.world.new_invoice(self.world.merchants[merchant], asset, amount))
        if made == "POOL_EXHAUSTED":
            return None
        assert isinstance(made, InvoiceBody), made
        return made

    def _pay(self, invoice: InvoiceBody, customer: int, how: str = "exactly") -> None:
        asset, asked_raw = invoice.pay_in.asset, int(invoice.pay_in.amount_raw)
        amounts_raw = {
            "short": asked_raw // 2,
            "over": asked_raw * 2,
            "nearly": asked_raw * 199 // 200,
            "dust": asked_raw // 200,
        }
        amount_raw = amounts_raw.get(how, asked_raw)
        if how == "the rest":
            amount_raw = self.run(self.world.missing_raw(invoice.id))
        if how == "in another asset":
            asset = "ETH" if asset == "USDT" else "USDT"
            amount_raw = 2 * 10 ** (DECIMALS[asset] - 2)
        self.run(self.world.send(asset, invoice.pay_in.address, amount_raw, customer))

    def _mine(self, blocks: int) -> None:
        if blocks:
            self.run(self.world.mine(blocks))
            self.run(self.world.watch())

    def _go_on(self, withdrawal: str, approvals: int, round: Round) -> str:
        """Continue a new withdrawal by some steps."""
        for by in self.world.operators[:approvals]:
            self.run(self.world.approve(withdrawal, by))
        if round is not None:
            self.sign(round)
        return withdrawal


@pytest.mark.timeout(120 * RUNS)
def test_money_is_right_whatever_happens_in_whatever_order(place: Place) -> None:
    print(f"MONEY_SEED={SEED} SOAK={SOAK}")
    machine = type("Money", (Money,), {"place": place})
    run_state_machine_as_test(
        seed(SEED)(machine),
        settings=runs(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if os.environ.get("MONEY_SHRINK") else [Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
    print(*(f"{count:5} {what}" for what, count in sorted(REACHED.items())), sep="\n")
