"""Money in and out in any order that Hypothesis thinks of, on real chains and a real Postgres: invoices and every kind
of payment; prices whose customers choose and choose again while rates move, and pay quotes that have ended too;
replacements, reorganisations shallow and deep, a pool that is lost, time that passes, payouts, refunds, approvals,
rejections, a signer that dies at its named points, fee bumps, attempts that expire, nodes that lie, sweeps, reviews,
holds, top-ups. After each step I1 to I7 hold, any two attempts at a payment exclude each other, and our coins are what
the node says.

A run or two of fifty steps on each chain, or `SOAK` runs. The seed is printed; `MONEY_SEED=…` repeats it,
`MONEY_SHRINK=1` cuts it down.
"""

import asyncio
import base64
import os
import secrets
import sys
import uuid
from collections import Counter
from collections.abc import Sequence
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

from app.core import clock
from app.core.money import format_amount
from app.core.settings import Settings, load
from app.networks.tron.addresses import ACCOUNT_PATH as TRON_ACCOUNT
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.postgres import Postgres
from app.sandbox.tron_driver import TronDriver
from app.signer.crash_points import POINTS
from app.signer.keystore import SpendingKeys
from app.wiring import running, wire
from tests.books import assert_books, assert_invoices, assert_quotes
from tests.factories.bitcoin import bitcoin_networks_toml, hot_wallet
from tests.factories.invoices import AskedInvoice
from tests.factories.networks import XPUB, networks_toml
from tests.factories.tron import tron_networks_toml
from tests.invariants import assert_invariants
from tests.money.chains import CONFIRMATIONS, NODES, AccountChain, CoinChain, MoneyChain, TimedChain
from tests.money.world import World
from tests.services import (
    bitcoind_or_skip,
    clone_template,
    empty_redis,
    start_anvil_for_tests,
    start_bitcoind_for_tests,
    start_tron_node_for_tests,
)
from tests.signer.bitcoin_under_test import ACCOUNT_PATH
from tests.signer.tron_under_test import SOLID

SOAK = int(os.environ.get("SOAK", "0"))
RUNS = {"evm": SOAK or 2, "bitcoin": SOAK or 1, "tron": SOAK or 1}
STEPS = 50
REACHED: Counter[str] = Counter()
SEED = int(os.environ.get("MONEY_SEED") or secrets.randbelow(10**9))

# BIP-39's own example: not the node's phrase, whose accounts hold coins that no ledger knows.
MNEMONIC = "legal winner thank year wave sausage worth useful legal winner thank yellow"

NOT_CHOSEN = ("INVOICE_NOT_QUOTABLE", "PAY_IN_ASSET_NOT_ALLOWED", "POOL_EXHAUSTED", "RATE_UNAVAILABLE")

Round = tuple[str | None, int] | None
"""Rounds of the signer, the point at which each dies, and blocks mined in between; or none."""


@dataclass(frozen=True)
class Place:
    """The servers of all runs. Each run has a database and a chain of its own."""

    postgres: Postgres
    valkey_url: str
    keys: SpendingKeys
    directory: Path

    def on_evm(self, database_url: str, rpc_url: str, token: str) -> Settings:
        """One run's settings: few addresses, so that they serve many; USDT has a fee, and above 3.00 two approve."""
        text = networks_toml(
            rpc_url,
            token,
            hot_wallet_address=self.keys.hot_wallet_address,
            confirmations=CONFIRMATIONS,
            pool_cap=7,
            cool_down_minutes=5,
            sweep_interval_s=1,
        ).replace(XPUB, self.keys.xpub)
        usdt = "decimals = 6\napproval_threshold_raw = 3000000\npayout_fee_flat_raw = 10000"
        return self._deployment(database_url, text.replace("decimals = 6", usdt))

    def on_bitcoin(self, database_url: str, rpc_url: str) -> Settings:
        """One run's settings: fees are raised and batches made soon, ten coins are many, above 0.03 two approve."""
        xpub = self.keys.account(ACCOUNT_PATH).xpub
        text = bitcoin_networks_toml(
            rpc_url,
            xpub,
            hot_wallet_address=f'"{hot_wallet(xpub)}"',
            confirmations=CONFIRMATIONS,
            batch_window_s=1,
            fee_bump_after_s=180,
            fallback_fee_rate_sat_vb=5,
            sweep_interval_s=1,
            consolidate_above_coins=10,
            consolidate_max_fee_rate_sat_vb=20,
        )
        return self._deployment(database_url, text + "approval_threshold_raw = 3000000\npayout_fee_flat_raw = 10000")

    def on_tron(self, database_url: str, urls: Sequence[str], genesis_id: str, token: str) -> Settings:
        """One run's settings: few addresses, attempts that are soon over; USDT has a fee, above 3.00 two approve."""
        text = tron_networks_toml(
            urls,
            token,
            genesis_id,
            xpub=self.keys.account(TRON_ACCOUNT).xpub,
            asset_options={"USDT": {"sweep_min_raw": 1}, "TRX": {"sweep_min_raw": 1}},
            hot_wallet_address=self.keys.tron_hot_wallet_address,
            confirmations=CONFIRMATIONS,
            expires_after_s=60,
            pool_cap=5,
            cool_down_minutes=5,
            sweep_interval_s=1,
        )
        usdt = "decimals = 6\napproval_threshold_raw = 3000000\npayout_fee_flat_raw = 10000"
        return self._deployment(database_url, text.replace("decimals = 6", usdt, 1))

    def _deployment(self, database_url: str, networks: str) -> Settings:
        path = self.directory / "networks.toml"
        path.write_text(networks)
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
    kind: str

    invoices = Bundle("invoices")
    priced = Bundle("priced")
    withdrawals = Bundle("withdrawals")

    merchants = st.integers(0, 1)
    operators = st.integers(0, 1)
    customers = st.integers(1, 3)
    assets = st.integers(0, 1)
    chances = st.integers(0, 99)
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
        dsn, directory = self.place.postgres.dsn(name), self.place.directory / name
        start = {"evm": self._on_evm, "bitcoin": self._on_bitcoin, "tron": self._on_tron}[self.kind]
        settings, chain = await start(dsn, directory)
        services = await self.stack.enter_async_context(running(wire(settings)))
        await empty_redis()
        world = await World.begin(services, chain, self.place.keys)
        if self.kind == "bitcoin":
            by = world.operators[0]
            await services.consolidation.approve(chain.network, by.id, by.next_code(), clock.now())
        return world

    async def _on_evm(self, dsn: str, directory: Path) -> tuple[Settings, MoneyChain]:
        node = self.stack.enter_context(start_anvil_for_tests(directory))
        driver = await AnvilDriver.connect(node.rpc_url)
        self.stack.push_async_callback(driver.aclose)
        token = await driver.deploy_token(10**15)
        for customer in driver.accounts[1:4]:
            await driver.transfer_token(token, customer, 10**13)
        await driver.call("evm_setAutomine", False)
        settings = self.place.on_evm(dsn, node.rpc_url, token)
        return settings, AccountChain(driver, token, self.place.keys.hot_wallet_address)

    async def _on_bitcoin(self, dsn: str, directory: Path) -> tuple[Settings, MoneyChain]:
        node = self.stack.enter_context(start_bitcoind_for_tests(directory))
        driver = await BitcoinDriver.connect(node.rpc_url)
        self.stack.push_async_callback(driver.aclose)
        settings = self.place.on_bitcoin(dsn, node.rpc_url)
        return settings, CoinChain(driver, hot_wallet(self.place.keys.account(ACCOUNT_PATH).xpub))

    async def _on_tron(self, dsn: str, directory: Path) -> tuple[Settings, MoneyChain]:
        node = self.stack.enter_context(start_tron_node_for_tests(directory))
        driver = await TronDriver.connect(node.api_url)
        self.stack.push_async_callback(driver.aclose)
        token = await driver.deploy_stablecoin(10**15)
        await driver.mine(SOLID)
        urls = [driver.node_url(name) for name in NODES]
        settings = self.place.on_tron(dsn, urls, node.genesis_id, token)
        return settings, TimedChain(driver, token, self.place.keys.tron_hot_wallet_address)

    @initialize(target=invoices)
    def both_have_sold_something(self) -> object:
        assets = range(len(self.world.chain.decimals))
        sold = [self._create_invoice(merchant, asset, 9) for merchant in (0, 1) for asset in assets]
        for made in sold:
            assert made is not None
            self._pay(made, 1)
        self._mine(CONFIRMATIONS)
        return multiple(*sold)

    @rule(target=invoices, merchant=merchants, asset=assets, units=units)
    def create_invoice(self, merchant: int, asset: int, units: int) -> object:
        return self._create_invoice(merchant, asset, units) or multiple()

    @rule(target=invoices, merchant=merchants, asset=assets, units=units, customer=customers, blocks=blocks)
    def sell(self, merchant: int, asset: int, units: int, customer: int, blocks: int) -> object:
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
    def pay(self, invoice: AskedInvoice, customer: int, how: str, blocks: int) -> None:
        """A first payment, a second, late, after cancellation, or to an address that another invoice has by then."""
        self._pay(invoice, customer, how)
        self._mine(blocks)

    @rule(target=priced, merchant=merchants, units=units, named=st.one_of(st.none(), assets), chosen=st.booleans())
    def sell_for_a_price(self, merchant: int, units: int, named: int | None, chosen: bool) -> object:
        """A price in euros; at once with a quote where the invoice names the one asset, or the customer chooses it."""
        asset = None if named is None else self._symbol(named)
        made = self.run(self.world.new_price(self.world.merchants[merchant], f"{units}.90", asset))
        if not made.startswith("INV-"):
            assert made in ("POOL_EXHAUSTED", "RATE_UNAVAILABLE"), made
            return multiple()
        if chosen and asset is None:
            self.choose(made, units)
        return made

    @rule(invoice=priced, asset=assets)
    def choose(self, invoice: str, asset: int) -> None:
        """A first choice, another one, or the same again."""
        answer = self.run(self.world.choose(invoice, self._symbol(asset)))
        assert answer in ("chosen", *NOT_CHOSEN), answer

    @rule(
        invoice=priced,
        chance=chances,
        customer=customers,
        how=st.sampled_from(["exactly", "exactly", "exactly", "short", "half", "half", "over", "nearly", "dust"]),
        blocks=blocks,
    )
    def pay_a_quote(self, invoice: str, chance: int, customer: int, how: str, blocks: int) -> None:
        """Pay the present quote or an earlier one, in time or late."""
        self.run(self.world.pay_quote(invoice, chance, how, customer))
        self._mine(blocks)

    @rule(asset=assets, per_cent=st.sampled_from([None, 90, 98, 102, 120]))
    def move_rate(self, asset: int, per_cent: int | None) -> None:
        """The rate of an asset moves, or there is none for a while."""
        self.run(self.world.move_rate(self._symbol(asset), per_cent))

    @rule(invoice=priced, seconds=st.sampled_from([-30, 30, 300]))
    def reach_the_end_of_a_quote(self, invoice: str, seconds: int) -> None:
        self.run(self.world.pass_quotes_end(invoice, timedelta(seconds=seconds)))
        self.run(self.world.watch())

    @rule(invoice=priced)
    def cancel_price(self, invoice: str) -> None:
        assert self.run(self.world.cancel_invoice(invoice)) in ("cancelled", "INVOICE_NOT_CANCELLABLE")

    @rule(target=withdrawals, invoice=priced, share=st.sampled_from([1, 2]), approvals=approvals, rounds=rounds)
    def refund_price(self, invoice: str, share: int, approvals: int, rounds: Round) -> object:
        answer = self.run(self.world.refund_price(invoice, share))
        if answer in ("INSUFFICIENT_BALANCE", "INVOICE_NOT_REFUNDABLE", "REFUND_EXCEEDS_NET", "INVALID_INPUT"):
            return multiple()
        assert answer.startswith("RF-"), answer
        return self._go_on(answer, approvals, rounds)

    @rule(blocks=blocks)
    def mine(self, blocks: int) -> None:
        self._mine(blocks)

    @rule()
    def look_at_pool(self) -> None:
        self.run(self.world.watch())

    @rule(chance=st.integers(0, 99), share=st.sampled_from([1, 1, 0.5, 2, 0]), blocks=blocks)
    def replace_payment(self, chance: int, share: float, blocks: int) -> None:
        """A customer raises the fee of a payment that waits, pays another amount, or takes it back."""
        if self.run(self.world.chain.replace(chance, share)):
            self.run(self.world.watch())
        self._mine(blocks)

    @rule(depth=st.one_of(st.integers(1, CONFIRMATIONS - 1), st.integers(CONFIRMATIONS, 12)), back=st.booleans())
    def reorganise(self, depth: int, back: bool) -> None:
        self.run(self.world.reorganise(depth))
        if back:
            self.come_back(1)

    @rule(blocks=blocks)
    def come_back(self, blocks: int) -> None:
        """Transactions that a reorganisation removed are in blocks again."""
        self.run(self.world.chain.resubmit())
        self._mine(blocks)

    @rule()
    def node_forgets(self) -> None:
        self.run(self.world.chain.forget_waiting())

    @rule(chance=st.integers(0, 23), blocks=blocks)
    def nodes_lie(self, chance: int, blocks: int) -> None:
        """Or say the truth again."""
        self.run(self.world.chain.lie(chance))
        self.run(self.world.sign())
        self._mine(blocks)

    @rule(minutes=st.sampled_from([1, 4, 11, 60, 7 * 24 * 60]))
    def let_time_pass(self, minutes: int) -> None:
        clock.shift(timedelta(minutes=minutes))
        self.run(self.world.watch())
        self.run(self.world.expire_requests())

    @rule(invoice=invoices)
    def cancel_invoice(self, invoice: AskedInvoice) -> None:
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
    def request_payout(self, merchant: int, asset: int, share: float, approvals: int, rounds: Round) -> object:
        merchant_id, symbol = self.world.merchants[merchant].merchant_id, self._symbol(asset)
        available_raw = self.run(self.world.available_raw(merchant_id, symbol))
        amount = format_amount(max(available_raw * 10 // int(share * 10), 1), self._decimals(symbol))
        asker = f"account:{self.world.operators[0].id}" if share == 3 else "api_key:k"
        answer = self.run(self.world.request_payout(merchant_id, symbol, amount, asker))
        if answer in ("INSUFFICIENT_BALANCE", "AMOUNT_TOO_SMALL"):
            return multiple()
        assert share >= 1, "more than the available balance was locked"
        assert answer.startswith("PO-"), answer
        return self._go_on(answer, approvals, rounds)

    @rule(target=withdrawals, invoice=invoices, share=st.sampled_from([1, 2, 3]), approvals=approvals, rounds=rounds)
    def request_refund(self, invoice: AskedInvoice, share: int, approvals: int, rounds: Round) -> object:
        amount = format_amount(int(invoice.net_raw) // share, self._decimals(invoice.pay_in.asset))
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

    @rule(times=st.integers(1, 3), lost=st.booleans(), blocks=blocks)
    def be_stuck(self, times: int, lost: bool, blocks: int) -> None:
        """No block comes, so the signer raises its fees; the node may have lost its pool meanwhile."""
        for _ in range(times):
            self.run(self.world.sign())
            if lost:
                self.node_forgets()
            clock.shift(timedelta(minutes=4))
            self.run(self.world.watch())
            self.run(self.world.sign())
        self._mine(blocks)

    @rule(by=operators)
    def release_holds(self, by: int) -> None:
        self.run(self.world.release_holds(self.world.operators[by]))

    @rule(asset=assets, blocks=blocks)
    def top_up(self, asset: int, blocks: int) -> None:
        symbol, chain = self._symbol(asset), self.world.chain
        self.run(chain.send(symbol, chain.hot_address, 10 ** self._decimals(symbol)))
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
        await assert_invariants(self.world.services, with_chain=not self.world.chain.is_lying)
        await assert_books()
        await assert_invoices()
        await assert_quotes()
        await self.world.assert_nothing_left_twice()
        await self.world.assert_scanned_chain()

    async def _come_to_rest(self) -> None:
        REACHED.update(await self.world.reached())
        await self.world.come_to_rest()
        await self._check()
        await self.world.assert_everything_arrived()

    def _symbol(self, asset: int) -> str:
        symbols = list(self.world.chain.decimals)
        return symbols[asset % len(symbols)]

    def _decimals(self, symbol: str) -> int:
        return self.world.chain.decimals[symbol]

    def _create_invoice(self, merchant: int, asset: int, units: int) -> AskedInvoice | None:
        symbol = self._symbol(asset)
        amount = f"{units}.00" if symbol == "USDT" else f"0.0{units}"
        made = self.run(self.world.new_invoice(self.world.merchants[merchant], symbol, amount))
        if made == "POOL_EXHAUSTED":
            return None
        assert isinstance(made, AskedInvoice), made
        return made

    def _pay(self, invoice: AskedInvoice, customer: int, how: str = "exactly") -> None:
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
        others = [symbol for symbol in self.world.chain.decimals if symbol != asset]
        if how == "in another asset" and others:
            (asset,) = others
            amount_raw = 2 * 10 ** (self._decimals(asset) - 2)
        self.run(self.world.chain.send(asset, invoice.pay_in.address, amount_raw, customer))

    def _mine(self, blocks: int) -> None:
        if blocks:
            self.run(self.world.chain.mine(blocks))
            self.run(self.world.watch())

    def _go_on(self, withdrawal: str, approvals: int, round: Round) -> str:
        """Continue a new withdrawal by some steps."""
        for by in self.world.operators[:approvals]:
            self.run(self.world.approve(withdrawal, by))
        if round is not None:
            self.sign(round)
        return withdrawal


@pytest.mark.timeout(120 * max(RUNS.values()))
@pytest.mark.parametrize("kind", RUNS)
def test_money_is_right_whatever_happens_in_whatever_order(place: Place, kind: str) -> None:
    print(f"MONEY_SEED={SEED} SOAK={SOAK}")
    if kind == "bitcoin":
        bitcoind_or_skip()
    REACHED.clear()
    machine = type("Money", (Money,), {"place": place, "kind": kind})
    run_state_machine_as_test(
        seed(SEED)(machine),
        settings=runs(
            max_examples=RUNS[kind],
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if os.environ.get("MONEY_SHRINK") else [Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
    print(*(f"{count:5} {what}" for what, count in sorted(REACHED.items())), sep="\n")
