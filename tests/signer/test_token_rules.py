"""Tokens whose issuer stops them: payouts wait or are refused, a frozen deposit address is a case and no loop, and what
arrives less a fee is what counts."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from app.core import clock, database
from app.ledger.service import SUSPENSE
from app.reconciliation import repository as reconciliation
from app.sandbox.chain_driver import AnvilDriver
from app.signer import previews, token_rules
from app.signer.keystore import SpendingKeys
from app.wiring import Services
from tests.factories.invoices import invoice
from tests.factories.tampering import as_superuser
from tests.factories.withdrawals import balance
from tests.signer.signer_under_test import SignerUnderTest, new_address

MIN_USDT_RAW = 1_000_000


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"sweep_interval_s": 1}


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    return {"USDT": {"sweep_min_raw": MIN_USDT_RAW}, "ETH": {"sweep_min_raw": 10**30}}


@pytest.fixture
async def token(driver: AnvilDriver) -> str:
    return await driver.deploy_stablecoin(10**15)


@pytest.fixture
async def at_work(services: Services, driver: AnvilDriver, token: str, keys: SpendingKeys) -> SignerUnderTest:
    """A merchant with 1,000 USDT that a customer has paid, and a hot wallet with 500 USDT and coins for gas."""
    setup = await SignerUnderTest.open(services, driver, token, keys)
    await setup.receive_payment("USDT", "1000.00")
    await setup.top_up("ETH", 10**18)
    await setup.top_up("USDT", 500_000_000)
    await setup.confirm_blocks()
    return setup


async def rounds(setup: SignerUnderTest, count: int = 3) -> None:
    """Rounds with a block each, in which sweeps and tokens that were stopped are looked at again."""
    for _ in range(count):
        setup.signer._swept_at = None
        clock.shift(token_rules.STOPPED_FOR)
        await setup.rounds(blocks=1)


async def waiting_reason(withdrawal_id: str) -> tuple[str | None, bool]:
    row = await database.fetch_one("SELECT waiting_reason, held FROM withdrawals WHERE id = $1", withdrawal_id)
    assert row is not None
    return row["waiting_reason"], row["held"]


async def occurrences(kind: str) -> int:
    return int(await database.fetch_value("SELECT coalesce(sum(occurrences), 0) FROM alerts WHERE kind = $1", kind))


@pytest.mark.parametrize(
    ("stop", "go_on", "reason", "kind", "severity"),
    [
        (("pause()",), ("unpause()",), "USDT is paused by its issuer", "token_paused", "warning"),
        (
            ("setParams(uint256,uint256)", 10, 1),
            ("setParams(uint256,uint256)", 0, 0),
            "USDT keeps a fee of each transfer now: less would arrive",
            "token_fee",
            "warning",
        ),
    ],
)
async def test_a_stopped_token_waits_with_its_reason(
    at_work: SignerUnderTest, stop: tuple[object, ...], go_on: tuple[object, ...], reason: str, kind: str, severity: str
) -> None:
    await at_work.driver.call_contract(at_work.token, str(stop[0]), *stop[1:])
    requested = await at_work.approved("20.00")
    await rounds(at_work)
    assert await waiting_reason(requested.id) == (reason, False)
    assert await at_work.transactions() == await at_work.transactions(purpose="gas") == []
    assert (await at_work.alerts())[kind] == severity
    assert await occurrences(kind) == 1  # not once a round
    # Then the issuer lets it go on; the sweep, which waited an hour, too.
    await at_work.driver.call_contract(at_work.token, str(go_on[0]), *go_on[1:])
    await rounds(at_work)
    assert (await at_work.read(requested.id)).status != "approved"
    assert await at_work.transactions(purpose="gas") == []
    clock.shift(timedelta(hours=1))
    await rounds(at_work, 8)
    assert len(await at_work.transactions(purpose="sweep")) == 1
    assert (await at_work.read(requested.id)).status == "confirmed"
    await at_work.check()


async def test_a_frozen_hot_wallet_pays_nothing_and_sweeps_nothing(at_work: SignerUnderTest) -> None:
    await at_work.driver.call_contract(at_work.token, "addBlackList(address)", at_work.hot)
    requested = await at_work.approved("20.00")
    await rounds(at_work)
    assert await waiting_reason(requested.id) == ("the issuer of USDT has frozen the hot wallet", False)
    assert (await at_work.alerts())["wallet_frozen"] == "critical"
    assert await at_work.transactions() == await at_work.transactions(purpose="gas") == []
    # It holds for a signer that knows nothing yet as well.
    at_work.signer = at_work.new_signer()
    await rounds(at_work, 1)
    assert await at_work.transactions() == []
    await at_work.check()


async def test_a_frozen_destination_is_held(at_work: SignerUnderTest) -> None:
    frozen = new_address()
    await at_work.driver.call_contract(at_work.token, "addBlackList(address)", frozen)
    held, paid = await at_work.approved("20.00", destination=frozen), await at_work.approved("21.00")
    await rounds(at_work, 6)
    assert await waiting_reason(held.id) == ("the issuer of USDT has frozen the destination", True)
    assert (await at_work.alerts())["signer_refused_frozen_destination"] == "warning"
    assert (await at_work.read(paid.id)).status == "confirmed"
    assert await at_work.sent_to(frozen) == []


async def test_a_frozen_deposit_address_is_a_case_until_its_issuer_lets_it_go(at_work: SignerUnderTest) -> None:
    # Given a deposit address that the issuer has frozen, and another one,
    frozen = await database.fetch_value(
        "SELECT a.address FROM deposits d JOIN deposit_addresses a ON a.id = d.deposit_address"
    )
    await at_work.driver.call_contract(at_work.token, "addBlackList(address)", frozen)
    other = await at_work.receive_payment("USDT", "30.00")
    await at_work.confirm_blocks()
    # when sweeps go on for hours,
    for _ in range(4):
        clock.shift(timedelta(hours=1))
        await rounds(at_work, 3)
    # then the other one is swept, and of the frozen one nothing was tried: neither gas nor a sweep.
    assert await at_work.driver.balance_of(other.pay_in.address, at_work.token) == 0
    assert {row["to_address"] for row in await at_work.transactions(purpose="gas")} == {other.pay_in.address}
    (case,) = await database.fetch_all("SELECT * FROM frozen_addresses")
    assert (case["address"], case["amount_raw"], case["ended_at"]) == (
        frozen,
        await at_work.driver.balance_of(frozen, at_work.token),
        None,
    )
    assert case["checked_at"] == case["found_at"], "it was looked at once, and is no candidate any more"
    assert (await at_work.alerts())["deposit_address_frozen"] == "critical"
    assert await occurrences("deposit_address_frozen") == 1
    # Once a day it is looked at again.
    clock.shift(timedelta(days=1))
    await rounds(at_work, 1)
    (later,) = await database.fetch_all("SELECT * FROM frozen_addresses")
    assert later["checked_at"] - case["checked_at"] >= timedelta(days=1)
    await at_work.driver.call_contract(at_work.token, "removeBlackList(address)", frozen)
    await rounds(at_work, 2)
    assert await at_work.driver.balance_of(frozen, at_work.token) > 0
    clock.shift(timedelta(days=1))
    await rounds(at_work, 8)
    assert await database.fetch_value("SELECT ended_at IS NOT NULL FROM frozen_addresses")
    assert await at_work.driver.balance_of(frozen, at_work.token) == 0
    await at_work.check()


async def test_what_arrived_less_a_fee_is_what_counts(at_work: SignerUnderTest) -> None:
    # Given a token that keeps 0.1 % of each transfer, at most 1 USDT, and sends it to its issuer,
    customer = at_work.driver.accounts[4]
    await at_work.driver.transfer_token(at_work.token, customer, 100_000_000)
    await at_work.driver.call_contract(at_work.token, "setParams(uint256,uint256)", 10, 1)
    # when a customer, who is not the issuer, pays an invoice,
    new = await invoice(at_work.services, at_work.terms, amount="50.00", currency="USDT")
    asked_raw = int(new.pay_in.amount_raw)
    await at_work.driver.transfer_token(at_work.token, new.pay_in.address, asked_raw, sender=customer)
    await at_work.confirm_blocks()
    # then what is in review is what has arrived, once: the second log is the issuer's.
    arrived_raw = asked_raw - asked_raw * 10 // 10_000
    rows = await database.fetch_all("SELECT amount_raw, verdict FROM deposits WHERE invoice = $1", new.id)
    assert [(row["amount_raw"], row["verdict"]) for row in rows] == [(arrived_raw, "underpaid")]
    assert (await balance(SUSPENSE, "USDT"))[0] == arrived_raw
    assert await database.fetch_value("SELECT status FROM invoices WHERE id = $1", new.id) == "manual_review"
    run = await reconciliation.run(await at_work.services.reconciliation.run(clock.now(), full=True))
    assert run is not None
    assert run.status == "clean"
    await at_work.check()


async def test_previews_of_what_waits(at_work: SignerUnderTest) -> None:
    # Given payouts that wait for approval: to a person, to a contract, to a frozen address, and more than there is,
    frozen = new_address()
    await at_work.driver.call_contract(at_work.token, "addBlackList(address)", frozen)
    contract = await at_work.driver.deploy_token(1)
    amounts = {"20.00": None, "21.00": contract, "22.00": frozen, "600.00": None}
    ids = [(await at_work.request_payout(amount, destination=to)).id for amount, to in amounts.items()]
    edited = (await at_work.request_payout("5.00")).id
    await as_superuser(f"UPDATE withdrawals SET destination = '0xnobody' WHERE id = '{edited}'")
    await rounds(at_work, 2)
    seen = {row["withdrawal"]: row for row in await database.fetch_all("SELECT * FROM withdrawal_previews")}
    plain, to_contract, to_frozen, too_much = (seen[one] for one in ids)
    assert plain["cost_in_words"].startswith("about 0.00")
    assert plain["cost_in_words"].endswith(" ETH at today's fee")
    flags = ("is_contract", "is_new_account", "is_frozen", "is_paused")
    assert [[row[flag] for flag in flags] for row in (plain, to_contract, to_frozen)] == [
        [False, False, False, False],
        [True, False, False, False],
        [False, False, True, False],
    ]
    assert too_much["cost_in_words"] == "not known now: the hot wallet holds too little USDT"
    assert (too_much["cost_raw"], too_much["is_contract"]) == (None, False)
    assert seen[edited]["cost_in_words"] == "not known: the signer will refuse it"
    # A preview is near what the payment costs then,
    await at_work.approve(ids[0])
    await at_work.until_confirmed(ids[0])
    (sent,) = await at_work.transactions(ids[0])
    assert sent["fee_raw"] <= plain["cost_raw"] * 3 // 2
    assert plain["cost_raw"] <= sent["fee_raw"] * 3 // 2
    # is written anew after ten minutes, and not once something is signed.
    clock.shift(previews.RENEWED_AFTER)
    await rounds(at_work, 4)
    again = {row["withdrawal"]: row for row in await database.fetch_all("SELECT * FROM withdrawal_previews")}
    assert again[ids[0]] == seen[ids[0]]
    assert [again[one]["looked_at"] > seen[one]["looked_at"] for one in ids[1:]] == [True] * 3


@pytest.mark.parametrize(
    ("raw", "decimals", "words"),
    [(2_110_400, 9, "0.00212"), (13_398_210, 6, "13.40"), (0, 6, "0.00"), (1_239_000_001, 6, "1240.00"), (7, 0, "7")],
)
def test_a_cost_in_words(raw: int, decimals: int, words: str) -> None:
    assert previews.about(raw, decimals) == words
