"""Every flow of the product on a kind of chain that only the tests have (tests/fakes/coin.py): nothing above the port
asks which kind a network has."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.api_keys.scopes import Scope
from app.cli.doctor import examine
from app.core import clock, database, redis
from app.core.settings import Settings, load
from app.deposits import reviews
from app.events import sequencer
from app.ledger.service import SUSPENSE, TREASURY
from app.merchants import service as merchants
from app.merchants.terms import Terms
from app.networks import customer_fees
from app.reconciliation import repository as reconciliation
from app.web.edge import Edge
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services, running, wire
from tests.factories.api_keys import api_key
from tests.factories.operators import operator
from tests.factories.webhooks import make_endpoint
from tests.factories.withdrawals import event_types
from tests.fakes.coin import FEE_RAW, HOT_ADDRESS, CoinChain
from tests.fakes.coin_world import BUMP_AFTER, CONFIRMATIONS, CoinWorld, coin_chain, write_networks_file
from tests.identity.browsing import Browser, an_account
from tests.identity.conftest import app, browser
from tests.services import empty_redis

__all__ = ["app", "browser"]

NETWORK = "coin:test"
EXPLORER = "https://coins.example.test/tx/{txid}"
PAID_RAW = 50_000_000


@pytest.fixture
def chain() -> Iterator[CoinChain]:
    with coin_chain() as chain:
        yield chain


@pytest.fixture
def settings(environment: dict[str, str], tmp_path: Path, chain: CoinChain) -> Settings:
    write_networks_file(tmp_path / "networks.toml", chain, can_send=True, explorer_tx_url=EXPLORER)
    return load(environment)


@pytest.fixture
async def services(settings: Settings, steady_clock: None) -> AsyncIterator[Services]:
    async with running(wire(settings)) as services:
        await empty_redis()
        yield services


@pytest.fixture
async def world(services: Services, chain: CoinChain) -> CoinWorld:
    return await CoinWorld.open(services, chain)


async def assert_no_drift(world: CoinWorld) -> None:
    """A full run of reconciliation has compared the chain, and finds nothing."""
    run_id = await world.services.reconciliation.run(clock.now(), full=True)
    (run,) = [run for run in await reconciliation.runs(None, 1) if run.id == run_id]
    assert run.status == "clean"
    assert run.figures[f"holdings:{NETWORK}"]["COIN.drift_raw"] == "0"


async def held_raw(owner: str) -> int:
    """What a ledger has, locked money included."""
    return int(
        await database.fetch_value(
            "SELECT coalesce(sum(available_raw + locked_raw), 0) FROM ledger_heads WHERE owner = $1 AND network = $2",
            owner,
            NETWORK,
        )
    )


async def test_what_a_payment_costs_a_customer_is_stored(services: Services) -> None:
    await services.customer_fee_watch().look()
    (look,) = (await customer_fees.current(clock.now())).values()
    assert (look.network, look.asset, look.fee_raw, look.coin) == (NETWORK, "COIN", 2 * FEE_RAW, "COIN")


async def test_a_payment_from_the_invoice_to_the_webhook(world: CoinWorld, chain: CoinChain) -> None:
    data_keys = world.services.settings.data_keys
    await make_endpoint(
        merchant_id=world.merchant_id, mode="test", url="https://shop.example.test/", keys=data_keys, now=clock.now()
    )
    made = await world.invoice(PAID_RAW)
    assert made.pay_in.payment_uri == f"bitcoin:{made.pay_in.address}?amount={PAID_RAW}"
    txid = chain.pay((made.pay_in.address, PAID_RAW))
    await world.watcher.tick()
    assert (await world.reread(made)).status == "confirming"
    await world.confirm_blocks()
    paid = await world.reread(made)
    assert (paid.status, [deposit.txid for deposit in paid.deposits]) == ("paid", [txid])
    assert await world.balance() == (PAID_RAW, 0)

    await sequencer.number_events(fan_out_with(data_keys))
    bodies = await database.fetch_all(
        "SELECT e.body FROM webhook_deliveries d JOIN events e ON e.id = d.event ORDER BY d.seq"
    )
    events = [json.loads(row["body"]) for row in bodies]
    assert [event["type"] for event in events] == ["invoice.created", "invoice.confirming", "invoice.paid"]
    told = events[-1]["data"]
    assert told["pay_in"]["chain"] == "coin"
    assert told["deposits"][0]["txid"] == txid
    await world.check()
    await assert_no_drift(world)


async def test_parts_and_dust(world: CoinWorld, chain: CoinChain) -> None:
    world = replace(world, terms=Terms(world.merchant_id, "test", 0, "merchant", accept_parts=True))
    made = await world.invoice(PAID_RAW)
    address = made.pay_in.address
    for amount_raw in (30_000_000, 100_000, 20_000_000 - 100_000):
        chain.pay((address, amount_raw))
    await world.confirm_blocks()
    now = await world.reread(made)
    assert (now.status, now.received_raw, now.needs_review) == ("paid", str(PAID_RAW), False)
    assert [deposit.status for deposit in now.deposits] == ["credited"] * 3
    await world.check()
    await assert_no_drift(world)


async def test_a_late_payment_is_credited_and_another_one_is_returned(world: CoinWorld, chain: CoinChain) -> None:
    await world.top_up(1_000_000)
    made = await world.invoice(PAID_RAW, expires_in=timedelta(minutes=10))
    clock.shift(timedelta(minutes=11))
    await world.confirm_blocks()
    assert (await world.reread(made)).status == "expired"
    for amount_raw in (PAID_RAW, 7_000_000):
        chain.pay((made.pay_in.address, amount_raw))
        await world.confirm_blocks()
    late, second = sorted(await reviews.list_reviews(), key=lambda review: -review.amount_raw)
    assert (late.verdict, second.verdict) == ("late", "underpaid")
    await world.services.reviews.credit(late.deposit_id, world.operator.id, "as good as paid", clock.now())
    back_to = world.somebody()
    refund = await world.services.returns.send_back(
        second.deposit_id, back_to, world.operator.id, "to its sender", clock.now()
    )
    other = await operator(world.services.settings.data_keys, "second@example.test")
    await world.services.approvals.approve(refund, other.id, other.next_code(), clock.now())
    await world.rounds(world.signer(), CONFIRMATIONS + 1)
    assert chain.paid_raw(back_to) == [7_000_000]
    assert (await world.reread(made)).credited_raw == str(PAID_RAW)
    assert (await held_raw(world.merchant_id), await held_raw(SUSPENSE)) == (PAID_RAW, 0)
    await world.check()
    await assert_no_drift(world)


async def test_a_payout_and_a_refund_leave_together_and_are_paid_at_a_higher_fee(
    world: CoinWorld, chain: CoinChain
) -> None:
    await world.top_up(1_000_000)
    paid, *_ = await world.paid(PAID_RAW, PAID_RAW, PAID_RAW)
    payout, refund = await world.request_payout(20_000_000), await world.request_refund(paid, 5_000_000)
    for each in (payout, refund):
        await world.approve(each.id)
    assert await world.balance() == (3 * PAID_RAW - 25_000_000, 25_000_000)
    signer = world.signer()
    await signer.tick()
    assert (await world.read(payout.id)).status == "submitted"
    clock.shift(BUMP_AFTER)
    await signer.tick()
    first, second = await world.attempts()
    assert (second["replaces"], second["fee_cap_raw"] > first["fee_cap_raw"]) == (first["id"], True)
    assert set(chain.pool) == {second["txid"]}
    await world.check()  # while it is in no block
    await world.rounds(signer, CONFIRMATIONS + 1)

    assert [row["status"] for row in await world.attempts()] == ["replaced", "confirmed"]
    assert (await world.read(payout.id)).txid == second["txid"]
    assert chain.paid_raw(payout.destination) == [20_000_000]
    assert chain.paid_raw(refund.refund_address) == [5_000_000]
    assert (await world.reread(paid)).status == "partially_refunded"
    assert await world.balance() == (3 * PAID_RAW - 25_000_000, 0)
    assert await held_raw(TREASURY) == 1_000_000 - second["fee_cap_raw"]
    assert (await event_types(payout.id))[-1] == "payout.confirmed"
    assert (await event_types(refund.id))[-1] == "refund.confirmed"
    assert await world.alerts() == {}
    await world.check()
    await assert_no_drift(world)


async def test_what_a_deep_reorganisation_removes_is_reversed_and_paid_again(
    world: CoinWorld, chain: CoinChain
) -> None:
    await world.top_up(1_000_000)
    await world.paid(PAID_RAW, PAID_RAW)
    payout, signer = await world.approved(30_000_000), world.signer()
    await world.rounds(signer, CONFIRMATIONS + 1)
    assert (await world.read(payout.id)).status == "confirmed"
    before = await world.balance()
    chain.reorganise(CONFIRMATIONS + 5)  # also the deposits of whose coins it was paid
    await world.watcher.tick()
    assert await world.balance() == (before[0] - 2 * PAID_RAW, 0)
    assert "sent_transaction_reorganised" in await world.alerts()
    await world.rounds(signer, CONFIRMATIONS + 1)
    assert await world.balance() == before
    assert chain.paid_raw(payout.destination) == [30_000_000]
    assert len(await world.attempts()) == 1
    await world.check()
    await assert_no_drift(world)


@pytest.fixture
async def shown(app: Edge, settings: Settings, chain: CoinChain) -> AsyncIterator[CoinWorld]:
    """Beside the running app: payments credited, in the pool and in review; money that is sent and that waits."""
    services = wire(settings)
    world = await CoinWorld.open(services, chain)
    await world.top_up(1_000_000)
    paid, _ = await world.paid(PAID_RAW, PAID_RAW)
    sent = await world.approved(1_000_000)
    await world.rounds(world.signer(), CONFIRMATIONS + 1)
    refund = await world.request_refund(paid, 2_000_000)
    payout = await world.request_payout(3_000_000)
    in_review, waiting = await world.invoice(PAID_RAW), await world.invoice(PAID_RAW)
    chain.pay((in_review.pay_in.address, 7_000_000))
    await world.confirm_blocks()
    chain.pay((waiting.pay_in.address, PAID_RAW))
    await world.watcher.tick()
    (review,) = await reviews.list_reviews()
    await sequencer.number_events(fan_out_with(settings.data_keys))
    world.ids = {
        "paid": paid.id,
        "waiting": waiting.id,
        "checkout": urlsplit(waiting.payment_url).path,
        "receipt": urlsplit(paid.payment_url).path,
        "sent": sent.id,
        "sent_txid": (await world.read(sent.id)).txid or "",
        "transaction": str((await world.attempts())[0]["id"]),
        "payout": payout.id,
        "refund": refund.id,
        "review": review.deposit_id,
    }
    yield world
    await services.addresses.close()
    await services.outbound.aclose()
    await services.networks.aclose()


async def test_the_pages_of_desk_cabinet_and_checkout_show_it(
    shown: CoinWorld, settings: Settings, browser: Callable[..., Browser]
) -> None:
    boss = await an_account(settings, "boss@example.test", totp=True, is_operator=True)
    owner = await an_account(settings, "owner@example.test")
    await merchants.add_member(shown.merchant_id, owner.id, "owner", clock.now())
    ids, cabinet = shown.ids, f"/cabinet/{shown.merchant_id}/test"
    at_the_desk, at_the_cabinet, customer = browser(), browser(), browser()
    await at_the_desk.sign_in(boss)
    await at_the_cabinet.sign_in(owner)
    pages = {
        at_the_desk: {
            "/desk": "",
            "/desk/approvals": ids["payout"],
            f"/desk/approvals/{ids['payout']}": "0.03",
            f"/desk/approvals/{ids['sent']}": ids["sent_txid"],
            "/desk/reviews": ids["review"],
            f"/desk/reviews/{ids['review']}": "0.07",
            f"/desk/reviews/{ids['review']}/return": "",
            "/desk/networks": "Coin",
            "/desk/networks/coin/test": HOT_ADDRESS,
            "/desk/networks/coin/test/pool": ids["waiting"],
            "/desk/networks/coin/test/coins": "COIN",
            "/desk/networks/coin/test/transactions": ids["sent_txid"][:6],
            f"/desk/networks/coin/test/transactions/{ids['transaction']}": ids["sent_txid"],
            "/desk/ledgers": "COIN",
            f"/desk/ledgers/{TREASURY}/coin/test/COIN": "0.01",
            f"/desk/merchants/{shown.merchant_id}": "COIN",
            f"/desk/merchants/{shown.merchant_id}/assets/coin/test/COIN": "COIN",
            "/desk/reconciliation": "",
            "/desk/alerts": "",
            "/desk/audit": ids["sent"],
        },
        at_the_cabinet: {
            cabinet: "COIN",
            f"{cabinet}/invoices": ids["paid"],
            f"{cabinet}/invoices/{ids['paid']}": "0.5",
            f"{cabinet}/invoices/{ids['waiting']}": "0.5",
            f"{cabinet}/invoices/new": "COIN",
            f"{cabinet}/payouts": ids["sent"],
            f"{cabinet}/payouts/{ids['sent']}": EXPLORER.format(txid=ids["sent_txid"]),
            f"{cabinet}/payouts/new": "COIN",
            f"{cabinet}/refunds": ids["refund"],
            f"{cabinet}/refunds/{ids['refund']}": "0.02",
            f"{cabinet}/balances": "COIN",
            f"{cabinet}/ledger/COIN@coin": "0.5",
            f"{cabinet}/reviews": "0.07",
        },
        customer: {ids["checkout"]: "COIN", ids["receipt"]: "COIN", "/healthz": ""},
    }
    for who, opened in pages.items():
        for path, shows in opened.items():
            answer = await who.get(path)
            assert answer.status_code == 200, (path, answer.status_code, answer.text[-2_000:])
            assert shows in answer.text, path


async def test_the_api_answers_with_it(shown: CoinWorld, settings: Settings, browser: Callable[..., Browser]) -> None:
    scopes = [scope.value for scope in Scope]
    key = await api_key(settings.api_key_peppers, merchant_id=shown.merchant_id, scopes=scopes)
    client = browser(Authorization=f"Bearer {key.full}").client

    async def get(path: str) -> dict[str, Any]:
        answer = await client.get(f"/api/v1/merchant{path}")
        assert answer.status_code == 200, (path, answer.text)
        return dict(answer.json())

    (network,) = (await get("/networks"))["data"]
    assert (network["chain"], network["chain_id"], network["height"]) == ("coin", None, shown.chain.height)
    waiting = await get(f"/invoices/{shown.ids['waiting']}")
    assert (waiting["status"], waiting["deposits"][0]["block_height"]) == ("confirming", None)
    assert (await get(f"/payouts/{shown.ids['sent']}"))["txid"] == shown.ids["sent_txid"]
    assert (await get(f"/refunds/{shown.ids['refund']}"))["status"] == "pending_approval"
    for path in ("/invoices?chain=coin", "/payouts?chain=coin", "/refunds", "/events", "/ledger?asset=COIN&chain=coin"):
        assert (await get(path))["data"], path
    (balance,) = (await get("/balance"))["data"]
    assert (balance["chain"], balance["asset"], balance["locked_raw"]) == ("coin", "COIN", "5000000")
    new = {"amount": "0.5", "currency": "COIN", "chain": "coin"}
    answer = await client.post("/api/v1/merchant/invoices", json=new, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 201, answer.text
    wrong = {"amount": "0.5", "asset": "COIN", "chain": "coin", "destination": "Coin1MixedCase"}
    answer = await client.post("/api/v1/merchant/payouts", json=wrong, headers={"Idempotency-Key": "l"})
    assert answer.json()["error"]["code"] == "INVALID_DESTINATION"


@pytest.mark.usefixtures("world")
async def test_the_doctor_examines_it(settings: Settings, chain: CoinChain, environment: dict[str, str]) -> None:
    await database.close_pool()  # the doctor opens its own
    await redis.close_client()
    found = [symptom for symptom in await examine(settings) if symptom.topic == NETWORK]
    messages = [symptom.message for symptom in found if symptom.severity == "ok"]
    assert any(chain.name in message for message in messages)
    assert "the node has block 0" in messages
    assert {symptom.severity for symptom in found} <= {"ok", "warning"}
    # The fixture closes them again.
    redis.open_client(settings.redis_url)
    await database.open_pool(settings.database_url, max_size=2)
