"""What operators see: the queue, and the facts that an approval, a review or a merchant's page rests on."""

from datetime import timedelta

import pytest

from app.accounts.operators import Operator
from app.audit import log
from app.audit.log import Filters
from app.backoffice import merchants as merchant_details
from app.backoffice import names, networks, queue, reviews, withdrawals
from app.core import clock, database
from app.core.keyset import Place
from app.ledger.hashchain import ChainId
from app.merchants import administration
from app.merchants import service as merchants
from app.sandbox.chain_driver import AnvilDriver
from app.signer import wallet_snapshot
from app.wiring import Services
from app.withdrawals import holds
from tests.deposits.feed import Feed
from tests.factories.invoices import invoice
from tests.factories.merchants import make_member, merchant, terms
from tests.factories.operators import Operator as Staff
from tests.factories.operators import operator
from tests.factories.payments import pay_on_chain
from tests.factories.withdrawals import CUSTOMER, NETWORK, approve, confirm, fund, payout, send, sign

POISONED = "0x7099Aa5eB1b8B8bd3E16A8f2C4fE3a18E1Ae79c8"
"""Begins and ends like CUSTOMER and differs in between. (The test that uses it adds the checksum.)"""


async def paid(services: Services, merchant_id: str, ops: Staff, amount: str, **fields: str) -> str:
    """A confirmed payout."""
    requested = await payout(services, merchant_id, amount, **fields)
    await approve(services, requested.id, ops)
    await send(services, requested.id)
    await confirm(services, requested.id)
    return requested.id


async def test_counts_name_what_waits(
    services: Services, merchant_id: str, ops: Staff, driver: AnvilDriver, token: str
) -> None:
    assert (await queue.counts()).total == 0
    await merchant(name="New here", status="pending")
    await payout(services, merchant_id)
    await payout(services, merchant_id)
    async with database.transaction():
        await holds.place(ChainId(owner=merchant_id, network=NETWORK, asset="USDT"), "a reorganisation", clock.now())
    new = await invoice(services, await terms(service_fee_bps=0))
    (watcher,) = services.watchers()
    await watcher.tick()
    await driver.transfer_token(token, new.pay_in.address, 1_000_000)
    await watcher.tick()
    assert (await queue.counts()).reviews == 0  # it lacks confirmations
    await driver.mine(3)
    await watcher.tick()
    counts = await queue.counts()
    assert (counts.applications, counts.approvals, counts.reviews, counts.holds) == (1, 2, 1, 1)


async def test_waiting_withdrawals_are_paged_oldest_first_with_who_may_approve(
    services: Services, merchant_id: str, ops: Staff
) -> None:
    second = await operator(services.settings.data_keys, "second@example.test")
    large = await payout(services, merchant_id, "60.00")
    own = await payout(services, merchant_id, "1.00", requested_by=f"account:{ops.id}")
    third = await payout(services, merchant_id, "2.00")
    await approve(services, large.id, ops)
    first_page = await queue.waiting_withdrawals(ops.id, None, 2)
    assert [(w.id, w.approvals, w.approved_by_me, w.my_conflict) for w in first_page] == [
        (large.id, 1, True, None),
        (own.id, 0, False, "asked"),
    ]
    assert first_page.following is not None
    rest = await queue.waiting_withdrawals(ops.id, first_page.following, 2)
    assert ([w.id for w in rest], rest.following) == ([third.id], None)
    back = await queue.waiting_withdrawals(ops.id, rest.previous, 2)
    assert ([w.id for w in back], back.previous) == ([large.id, own.id], None)
    seen_by_second = await queue.waiting_withdrawals(second.id, None, 10)
    assert [(w.approved_by_me, w.my_conflict) for w in seen_by_second] == [(False, None)] * 3


async def test_the_details_of_a_withdrawal_include_the_history_of_the_address_and_of_the_merchant(
    services: Services, merchant_id: str, ops: Staff
) -> None:
    await merchants.enable_all_assets(merchant_id, services.networks)
    await merchants.set_daily_cap(merchant_id, NETWORK, "USDT", 40_000_000)
    new = await payout(services, merchant_id, "5.00")
    details = await withdrawals.details_of(new.id, clock.now())
    assert details is not None
    history = details.destination_history
    assert (history.confirmed, history.first_at, history.other_merchants, history.lookalikes) == (0, None, 0, ())
    assert (details.intact, details.approvals, details.similar, details.is_waiting) == (True, (), (), True)
    cap = details.merchant_history.cap
    assert cap is not None
    assert (cap.cap_raw, cap.used_raw) == (40_000_000, 5_000_000)
    assert details.merchant_history.balance.available_raw == 95_000_000

    await paid(services, merchant_id, ops, "7.00")
    await paid(services, merchant_id, ops, "9.00")
    stranger = (await terms(service_fee_bps=0)).merchant_id
    await fund(stranger, 10_000_000)
    await paid(services, stranger, ops, "1.00")
    known = await withdrawals.details_of(new.id, clock.now())
    assert known is not None
    history = known.destination_history
    assert (history.confirmed, history.confirmed_raw, history.last_raw, history.other_merchants) == (
        2,
        16_000_000,
        9_000_000,
        1,
    )
    assert (known.merchant_history.largest_raw, known.merchant_history.last_month_raw) == (9_000_000, 16_000_000)
    clock.shift(timedelta(days=31))
    later = await withdrawals.details_of(new.id, clock.now())
    assert later is not None
    assert (later.merchant_history.confirmed, later.merchant_history.last_month) == (2, 0)


async def test_an_address_that_only_looks_like_a_known_one_is_warned_of(
    services: Services, merchant_id: str, ops: Staff
) -> None:
    await paid(services, merchant_id, ops, "7.00")
    lure = await payout(services, merchant_id, "7.00", destination=POISONED.lower())
    details = await withdrawals.details_of(lure.id, clock.now())
    assert details is not None
    assert details.destination_history.lookalikes == (CUSTOMER,)
    assert details.destination_history.confirmed == 0
    other = await payout(services, merchant_id, "7.00", destination="0x" + 39 * "1" + "2")
    plain = await withdrawals.details_of(other.id, clock.now())
    assert plain is not None
    assert plain.destination_history.lookalikes == ()


async def test_payouts_that_could_be_confused_name_each_other(services: Services, merchant_id: str) -> None:
    elsewhere = "0x" + 39 * "1" + "2"
    one = await payout(services, merchant_id, "7.00")
    same_amount = await payout(services, merchant_id, "7.00", destination=elsewhere)
    same_place = await payout(services, merchant_id, "8.00")
    await payout(services, merchant_id, "9.00", destination=elsewhere)
    details = await withdrawals.details_of(one.id, clock.now())
    assert details is not None
    assert [one.id for one in details.similar] == [same_amount.id, same_place.id]


async def test_an_edited_row_is_shown_as_edited(services: Services, merchant_id: str) -> None:
    requested = await payout(services, merchant_id)
    async with database.transaction():
        await database.execute("SET LOCAL session_replication_role = replica")  # a superuser, without triggers
        await database.execute("UPDATE withdrawals SET amount_raw = 99000000 WHERE id = $1", requested.id)
    details = await withdrawals.details_of(requested.id, clock.now())
    assert details is not None
    assert not details.intact


async def test_what_may_still_be_rejected(services: Services, merchant_id: str, ops: Staff) -> None:
    async def rejectable(withdrawal_id: str) -> bool:
        details = await withdrawals.details_of(withdrawal_id, clock.now())
        assert details is not None
        return details.can_be_rejected

    requested = await payout(services, merchant_id)
    assert await rejectable(requested.id)
    await approve(services, requested.id, ops)
    assert await rejectable(requested.id)
    async with database.transaction():
        await sign(requested.id)
    assert not await rejectable(requested.id)
    assert await withdrawals.details_of("PO-0000000000", clock.now()) is None


async def test_a_refund_to_the_address_that_paid_says_so(
    services: Services, driver: AnvilDriver, token: str, merchant_id: str
) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    await pay_on_chain(services, driver, token, new.pay_in.address, int(new.pay_in.amount_raw) + 5)
    (review,) = await reviews.page("open", None, 10)
    details = await reviews.details_of(review.deposit_id, clock.now())
    assert details is not None
    assert details.review.from_address is not None
    boss = await operator(services.settings.data_keys)
    refund_id = await services.returns.send_back(
        review.deposit_id, details.review.from_address, boss.id, "overpaid", clock.now()
    )
    back = await withdrawals.details_of(refund_id, clock.now())
    assert back is not None
    assert (back.destination_history.paid_from_here, back.source, back.merchant_history.cap) == (
        True,
        "platform:suspense",
        None,
    )


SENDER = "0x1234Aa5eB1b8B8bd3E16A8f2C4fE3a18E1Ae79c8"
IMITATION = "0x1234" + 32 * "0" + "79c8"
"""Begins and ends like SENDER."""


async def test_a_sender_of_dust_or_a_lookalike_is_not_treated_as_the_payer(
    services: Services, merchant_id: str, ops: Staff
) -> None:
    feed = Feed(services)
    feed.begin_anew()
    new = await invoice(services, await terms(service_fee_bps=0))
    await feed.pay(new, 7, sender=IMITATION)  # dust, as in address poisoning
    await feed.pay(new, 2_000_000, sender=SENDER)
    await feed.confirm()
    (review,) = await reviews.page("open", None, 10)

    async def history_of(destination: str) -> withdrawals.DestinationHistory:
        refund_id = await services.returns.send_back(review.deposit_id, destination, ops.id, "back", clock.now())
        details = await withdrawals.details_of(refund_id, clock.now())
        second = await operator(services.settings.data_keys, f"{refund_id.lower()}@example.test")
        await services.approvals.reject(refund_id, second.id, "only a test", clock.now())
        assert details is not None
        return details.destination_history

    lure = await history_of(IMITATION.lower())
    assert (lure.paid_from_here, [a.lower() for a in lure.payer_lookalikes]) == (False, [SENDER.lower()])
    honest = await history_of(SENDER.lower())
    assert (honest.paid_from_here, honest.payer_lookalikes) == (False, ())
    # The review's page warns of the other sender, and offers neither address for copying.
    details = await reviews.details_of(review.deposit_id, clock.now())
    assert details is not None
    assert [a.lower() for a in details.sender_lookalikes] == [IMITATION.lower()]
    assert [other.verdict for other in details.others] == [], "dust is not among the invoice's other deposits"
    assert details.may_still_be_paid


async def test_the_details_of_a_review_include_what_a_credit_would_be(
    services: Services, driver: AnvilDriver, token: str, ops: Staff
) -> None:
    owner = await terms(service_fee_bps=80)
    new = await invoice(services, owner)
    (watcher,) = services.watchers()
    await watcher.tick()
    await driver.transfer_token(token, new.pay_in.address, int(new.pay_in.amount_raw) - 1)
    await watcher.tick()
    page = await reviews.page("open", None, 10)
    (review,) = page
    assert (review.verdict, review.can_be_decided, page.following) == ("underpaid", False, None)
    early = await reviews.details_of(review.deposit_id, clock.now())
    assert early is not None
    assert (early.confirmations, early.can_be_credited, early.can_be_returned) == (1, False, False)
    await driver.mine(3)
    await watcher.tick()
    details = await reviews.details_of(review.deposit_id, clock.now())
    assert details is not None
    assert (details.can_be_credited, details.can_be_returned, details.to_address) == (True, True, new.pay_in.address)
    assert details.share is not None
    assert details.share.net_raw + details.share.service_fee_raw == int(new.pay_in.amount_raw) - 1
    await services.reviews.credit(review.deposit_id, ops.id, "one unit short", clock.now())
    available = await database.fetch_value("SELECT available_raw FROM ledger_heads WHERE owner = $1", owner.merchant_id)
    assert available == details.share.net_raw
    (closed,) = await reviews.page("closed", None, 10)
    assert (closed.deposit_id, closed.outcome) == (review.deposit_id, "credited")
    assert await reviews.details_of("DEP-0000000000", clock.now()) is None


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["100% Tea", "Bakery", "Tea & Co"]),
        ("tea", ["100% Tea", "Tea & Co"]),
        ("100%", ["100% Tea"]),
        ("%", ["100% Tea"]),
        ("_", []),
        ("baker@", ["Bakery"]),
        ("MCH-id", ["Bakery"]),
        ("nobody", []),
    ],
)
async def test_merchants_are_found_by_name_member_and_id(services: Services, search: str, found: list[str]) -> None:
    await merchant(name="Tea & Co", status="suspended")
    bakery = await merchant(name="Bakery")
    await merchant(name="100% Tea")
    await make_member(merchant_id=bakery, role="owner", email="baker@example.test", now=clock.now())
    wanted = bakery.lower() if search == "MCH-id" else search
    page = await merchant_details.page(wanted, services.networks, None, None, 10, clock.now())
    assert (sorted(one.name for one in page), page.following) == (found, None)


async def test_merchants_come_by_page_and_by_status(services: Services) -> None:
    made = [await merchant(name=f"Shop {number}") for number in range(5)]
    await merchant(name="Waiting", status="pending")
    current: list[str] = []
    place = None
    for _ in range(3):
        page = await merchant_details.page("", services.networks, "approved", place, 2, clock.now())
        current += [one.id for one in page]
        place = page.following
    assert (current, place) == (made[::-1], None)
    back = await merchant_details.page("", services.networks, "approved", page.previous, 2, clock.now())
    assert [one.id for one in back] == made[::-1][2:4]


async def test_the_details_of_a_merchant(services: Services, merchant_id: str, by: Operator) -> None:
    await merchants.enable_all_assets(merchant_id, services.networks)
    await merchants.set_daily_cap(merchant_id, NETWORK, "USDT", 40_000_000)
    await make_member(merchant_id=merchant_id, role="viewer", email="v@example.test", now=clock.now())
    await make_member(merchant_id=merchant_id, role="owner", email="o@example.test", now=clock.now())
    await payout(services, merchant_id, "5.00")
    await administration.suspend(merchant_id, "too many reviews", by, clock.now())
    details = await merchant_details.details_of(merchant_id, services.networks, clock.now())
    assert details is not None
    assert (details.status, details.status_reason) == ("suspended", "too many reviews")
    assert [person.role for person in details.people] == ["owner", "viewer"]
    assert [(head.chain.asset, head.state.available_raw, head.state.locked_raw) for head in details.balances] == [
        ("USDT", 95_000_000, 5_000_000)
    ]
    usdt = next(one for one in details.assets if one.asset == "USDT")
    assert (usdt.enabled, usdt.cap.cap_raw, usdt.cap.used_raw) == (True, 40_000_000, 5_000_000)
    assert (details.open.withdrawals, details.open.reviews, details.open.holds) == (1, 0, 0)
    assert await merchant_details.details_of("MCH-0000000000", services.networks, clock.now()) is None


async def test_networks_are_read_without_a_request_to_a_node(
    services: Services, merchant_id: str, ops: Staff, driver: AnvilDriver
) -> None:
    (fresh,) = await networks.states(services.networks, clock.now())
    assert (fresh.coverage, fresh.hot, fresh.on_the_way) == (None, (), 0)
    (watcher,) = services.watchers()
    await watcher.tick()
    await invoice(services, await terms(service_fee_bps=0))
    now = clock.now()
    await wallet_snapshot.record(NETWORK, {"USDT": 7, "ETH": 9}, {"USDT": 5, "ETH": 9}, {"ETH": 3}, now)
    await wallet_snapshot.record(
        NETWORK, {"USDT": 7, "ETH": 9}, {"USDT": 5, "ETH": 9}, {"ETH": 3}, now + timedelta(seconds=1)
    )
    requested = await payout(services, merchant_id)
    await approve(services, requested.id, ops)
    await database.execute(
        "UPDATE withdrawals SET waiting_reason = 'the hot wallet holds too little USDT' WHERE id = $1", requested.id
    )
    (state,) = await networks.states(services.networks, clock.now())
    assert state.coverage is not None
    assert (state.coverage.lag_blocks, state.halted_reason) == (0, None)
    assert (state.pool.leased, state.pool.created >= 1, state.pool.cap) == (1, True, 10_000)
    assert [(hot.asset, hot.held_raw, hot.free_raw, hot.gas_left_raw, hot.looked_at) for hot in state.hot] == [
        ("USDT", 7, 5, None, now),  # a second check without changes writes no row
        ("ETH", 9, 9, 3, now),
    ]
    assert (state.on_the_way, state.stuck) == (1, 1)
    (waiting,) = await networks.on_the_way(NETWORK)
    assert (waiting.id, waiting.waiting_reason) == (requested.id, "the hot wallet holds too little USDT")
    await wallet_snapshot.record(NETWORK, {"USDT": 8}, {"USDT": 5}, {}, now + timedelta(seconds=2))
    (state,) = await networks.states(services.networks, clock.now())
    assert state.hot[0].held_raw == 8


async def test_the_audit_log_is_filtered_and_paged(services: Services, merchant_id: str, by: Operator) -> None:
    for bps in (1, 2, 3):
        await administration.set_terms(merchant_id, bps, 0, by, clock.now())
    await administration.suspend(merchant_id, "why", by, clock.now())
    everything = await log.page(Filters(merchant_id=merchant_id), None, 10)
    assert [entry.action for entry in everything] == ["merchant.suspended"] + ["merchant.fee_changed"] * 3
    assert everything.following is None
    page = await log.page(Filters(action="merchant.fee"), None, 2)
    assert ([entry.facts["is_now"] for entry in page], page.following) == ([3, 2], Place((page[-1].id,)))
    rest = await log.page(Filters(action="merchant.fee"), page.following, 2)
    assert ([entry.facts["is_now"] for entry in rest], rest.following) == ([1], None)
    assert await log.page(Filters(action="merchant.fee"), rest.previous, 2) == page
    for nothing in (
        Filters(actor="account:ACC-0000000000"),
        Filters(subject="PO-1"),
        Filters(action="%"),
        Filters(at_from=clock.now() + timedelta(seconds=1)),
        Filters(at_to=clock.now() - timedelta(hours=1)),
    ):
        assert await log.page(nothing, None, 10) == []
    found = await names.of_actors([by.actor, "cli", None, "account:ACC-0000000000"])
    assert found == {by.actor: names.Name("Op Erator", "ops@example.test")}
