"""Money in and out in any order that Hypothesis thinks of, on a real chain and a real Postgres: invoices and every
kind of payment, reorganisations shallow and deep, time that passes, payouts, refunds, approvals, rejections, a signer
that dies at its named points, sweeps, reviews, holds, top-ups. I1 to I7 hold after each step.

The seed is printed; `MONEY_SEED=…` repeats a run. `SOAK=100` runs ten times as many steps.
"""

import asyncio
import base64
import os
import secrets
import sys
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from app.core import clock, redis
from app.core.money import format_amount
from app.core.settings import load
from app.gateway import running, wire
from app.invoices.presentation import InvoiceBody
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.postgres import Postgres
from app.withdrawals.crash_points import POINTS
from app.withdrawals.keystore import SpendingKeys
from tests.books import assert_books, assert_invoices
from tests.factories.networks import XPUB, networks_toml
from tests.invariants import assert_invariants
from tests.money.world import CONFIRMATIONS, DECIMALS, World
from tests.services import TEMPLATE, start_anvil_for_tests

SOAK = int(os.environ.get("SOAK", "10"))
RUNS = max(1, 8 * SOAK // 10)
STEPS = 50
SEED = int(os.environ.get("MONEY_SEED") or secrets.randbelow(10**9))

# BIP-39's own example: not the node's phrase, whose accounts hold coins that no ledger knows.
MNEMONIC = "legal winner thank year wave sausage worth useful legal winner thank yellow"

REFUSALS_OF_PAYOUTS = {"INSUFFICIENT_BALANCE"}
REFUSALS_OF_REFUNDS = {"INSUFFICIENT_BALANCE", "INVOICE_NOT_REFUNDABLE", "REFUND_EXCEEDS_NET"}


@dataclass(frozen=True)
class Place:
    """Where a run takes place: servers that all runs share, and the state of the chain that each begins from."""

    postgres: Postgres
    valkey_url: str
    anvil: Anvil
    keys: SpendingKeys
    token: str
    directory: Path

    def environment(self, database_url: str) -> dict[str, str]:
        """The environment of one run's deployment."""
        path = self.directory / "networks.toml"
        text = networks_toml(
            self.anvil.rpc_url,
            self.token,
            hot_wallet_address=self.keys.hot_wallet_address,
            confirmations=CONFIRMATIONS,
            pool_cap=5,
            cool_down_minutes=5,
            sweep_interval_s=1,
        ).replace(XPUB, self.keys.xpub)
        # USDT has a fee, and a threshold above which two operators must approve.
        path.write_text(
            text.replace("decimals = 6", "decimals = 6\napproval_threshold_raw = 3000000\npayout_fee_flat_raw = 10000")
        )
        key = base64.b64encode(bytes(range(32))).decode()
        return {
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


@pytest.fixture(scope="module")
def place(postgres: Postgres, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A chain of its own, with a token that four customers hold, which mines when it is told to."""
    directory = tmp_path_factory.mktemp("money")
    with start_anvil_for_tests(directory) as anvil:
        token = asyncio.run(_prepare(anvil))
        yield Place(postgres, valkey_url, anvil, SpendingKeys(MNEMONIC), token, directory)


async def _prepare(anvil: Anvil) -> str:
    driver = await AnvilDriver.connect(anvil.rpc_url)
    token = await driver.deploy_token(10**15)
    for account in driver.accounts[1:4]:
        await driver.transfer_token(token, account, 10**13)
    await driver.call("evm_setAutomine", False)
    await driver.aclose()
    return token


class Money(RuleBasedStateMachine):
    """Rules are what anybody may do at any time; each is refused or done, never half done."""

    place: Place

    invoices = Bundle("invoices")
    withdrawals = Bundle("withdrawals")

    merchants = st.integers(0, 1)
    operators = st.integers(0, 1)
    customers = st.integers(1, 3)
    assets = st.sampled_from(["USDT", "ETH"])

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.run = self.runner.run
        self.world = self.run(self._begin())

    async def _begin(self) -> World:
        name = f"money_{uuid.uuid4().hex}"
        self.admin = await asyncpg.connect(self.place.postgres.dsn())
        await self.admin.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        self.stack.push_async_callback(self.admin.close)
        self.stack.push_async_callback(self.admin.execute, f"DROP DATABASE {name} WITH (FORCE)")
        self.driver = await AnvilDriver.connect(self.place.anvil.rpc_url)
        self.stack.push_async_callback(self.driver.aclose)
        as_found = await self.driver.call("evm_snapshot")
        self.stack.push_async_callback(self.driver.call, "evm_revert", as_found)
        self.stack.push_async_callback(self.driver.call, "anvil_dropAllTransactions")
        settings = load(self.place.environment(self.place.postgres.dsn(name)))
        gateway = await self.stack.enter_async_context(running(wire(settings)))
        await redis.client().flushall()
        return await World.begin(gateway, self.driver, self.place.token, self.place.keys)

    @rule(target=invoices, merchant=merchants, asset=assets, units=st.integers(1, 9))
    def ask_for_money(self, merchant: int, asset: str, units: int) -> object:
        amount = f"{units}.00" if asset == "USDT" else f"0.0{units}"
        made = self.run(self.world.new_invoice(self.world.merchants[merchant], asset, amount))
        if made == "POOL_EXHAUSTED":
            return multiple()
        assert isinstance(made, InvoiceBody), made
        return made

    @rule(
        invoice=invoices,
        customer=customers,
        how=st.sampled_from(["exactly", "exactly", "exactly", "short", "over", "nearly", "wrong asset"]),
        then=st.sampled_from(["nothing", "mined", "settled"]),
    )
    def pay(self, invoice: InvoiceBody, customer: int, how: str, then: str) -> None:
        asset, asked_raw = invoice.pay_in.asset, int(invoice.pay_in.amount_raw)
        amount_raw = {"short": asked_raw // 2, "over": asked_raw * 2, "nearly": asked_raw - asked_raw // 200}.get(
            how, asked_raw
        )
        if how == "wrong asset":
            asset = "ETH" if asset == "USDT" else "USDT"
            amount_raw = 2 * 10 ** (DECIMALS[asset] - 2)
        self.run(self.world.send(asset, invoice.pay_in.address, amount_raw, customer))
        if then != "nothing":
            self.mine(1 if then == "mined" else CONFIRMATIONS)

    @rule(blocks=st.integers(1, CONFIRMATIONS))
    def mine(self, blocks: int) -> None:
        self.run(self.world.mine(blocks))
        self.run(self.world.watch())

    @rule(depth=st.one_of(st.integers(1, CONFIRMATIONS - 1), st.integers(CONFIRMATIONS, 12)), back=st.booleans())
    def reorganise(self, depth: int, back: bool) -> None:
        self.run(self.world.reorganise(depth))
        if back:
            self.come_back()

    @rule()
    def come_back(self) -> None:
        self.run(self.world.resubmit())

    @rule(minutes=st.sampled_from([1, 4, 11, 60]))
    def let_time_pass(self, minutes: int) -> None:
        clock.shift(timedelta(minutes=minutes))
        self.run(self.world.watch())

    @rule(invoice=invoices)
    def cancel_invoice(self, invoice: InvoiceBody) -> None:
        merchant = self.run(self.world.row("SELECT merchant FROM invoices WHERE id = $1", invoice.id))["merchant"]
        assert self.run(self.world.cancel_invoice(merchant, invoice.id)) in ("cancelled", "INVOICE_NOT_CANCELLABLE")

    @rule(target=withdrawals, merchant=merchants, asset=assets, share=st.sampled_from([1, 2, 3, 0.9]))
    def ask_for_payout(self, merchant: int, asset: str, share: float) -> object:
        merchant_id = self.world.merchants[merchant].merchant_id
        available_raw = self.run(self.world.available_raw(merchant_id, asset))
        amount_raw = max(available_raw * 10 // int(share * 10), 1)
        asker = f"account:{self.world.operators[0].id}" if share == 3 else "api_key:k"
        amount = format_amount(amount_raw, DECIMALS[asset])
        answer = self.run(self.world.ask_payout(merchant_id, asset, amount, asker))
        if answer in REFUSALS_OF_PAYOUTS:
            return multiple()
        assert share >= 1, "more than is available was promised"
        assert answer.startswith("PO-"), answer
        return answer

    @rule(withdrawal=withdrawals)
    def cancel_payout(self, withdrawal: str) -> None:
        found = self.run(self.world.row("SELECT merchant FROM withdrawals WHERE id = $1", withdrawal))
        if withdrawal.startswith("PO-"):
            answer = self.run(self.world.cancel_payout(found["merchant"], withdrawal))
            assert answer in ("cancelled", "PAYOUT_NOT_CANCELLABLE")

    @rule(target=withdrawals, invoice=invoices, share=st.sampled_from([1, 2, 3]))
    def ask_for_refund(self, invoice: InvoiceBody, share: int) -> object:
        merchant = self.run(self.world.row("SELECT merchant FROM invoices WHERE id = $1", invoice.id))["merchant"]
        amount = format_amount(int(invoice.net_raw) // share, DECIMALS[invoice.pay_in.asset])
        answer = self.run(self.world.ask_refund(merchant, invoice.id, amount))
        if answer in REFUSALS_OF_REFUNDS:
            return multiple()
        assert answer.startswith("RF-"), answer
        return answer

    @rule(withdrawal=withdrawals, first=operators, both=st.booleans())
    def approve(self, withdrawal: str, first: int, both: bool) -> None:
        self.run(self.world.approve(withdrawal, self.world.operators[first]))
        if both:
            self.run(self.world.approve(withdrawal, self.world.operators[1 - first]))

    @rule(withdrawal=withdrawals, by=operators)
    def reject(self, withdrawal: str, by: int) -> None:
        self.run(self.world.reject(withdrawal, self.world.operators[by]))

    @rule(crash_at=st.one_of(st.none(), st.sampled_from(POINTS)), mined=st.booleans())
    def sign(self, crash_at: str | None, mined: bool) -> None:
        self.run(self.world.sign(crash_at))
        if mined:
            self.mine(CONFIRMATIONS)

    @rule(
        target=withdrawals, by=operators, how=st.sampled_from(["credit", "credit", "return", "close"]), data=st.data()
    )
    def settle_review(self, by: int, how: str, data: st.DataObject) -> object:
        cases = self.run(self.world.open_cases())
        if not cases:
            return multiple()
        case = cases[data.draw(st.integers(0, len(cases) - 1))]
        operator = self.world.operators[by]
        if how == "return":
            answer = self.run(self.world.send_back(case, operator))
            return answer if answer.startswith("RF-") else multiple()
        self.run(self.world.credit(case, operator) if how == "credit" else self.world.close(case, operator))
        return multiple()

    @rule(by=operators)
    def release_holds(self, by: int) -> None:
        self.run(self.world.release_holds(self.world.operators[by]))

    @rule(asset=assets, mined=st.booleans())
    def top_up(self, asset: str, mined: bool) -> None:
        amount_raw = 10 ** DECIMALS[asset]
        self.run(self.world.send(asset, self.place.keys.hot_wallet_address, amount_raw))
        if mined:
            self.mine(1)

    @rule()
    def requests_grow_stale(self) -> None:
        self.run(self.world.expire_requests())

    @invariant()
    def books_are_right(self) -> None:
        self.run(self._check())

    async def _check(self) -> None:
        await assert_invariants(self.world.gateway)
        await assert_books()
        await assert_invoices()
        await self.world.assert_nothing_left_twice()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # else that is what to tell of
                self.run(self._end())
        finally:
            self.run(self.stack.aclose())
            self.runner.close()
            clock.unshift()

    async def _end(self) -> None:
        await self.world.come_to_rest()
        await self._check()
        await self.world.assert_everything_arrived()


@pytest.mark.timeout(120 * RUNS)
def test_money_is_right_whatever_happens_in_whatever_order(place: Place) -> None:
    print(f"MONEY_SEED={SEED} SOAK={SOAK}")
    machine = type("Money", (Money,), {"place": place})
    run_state_machine_as_test(
        seed(SEED)(machine),
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if os.environ.get("MONEY_SHRINK") else [Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
