"""What an operator may do in a review, for every reason, and what the merchant sees."""

import asyncio
import json

import asyncpg
import pytest

from app.core import clock, database
from app.deposits import reviews
from app.deposits.reviews import ReviewRefused
from app.sandbox.chain_driver import AnvilDriver
from app.withdrawals import holds
from app.withdrawals.approvals import ApprovalRefused
from app.withdrawals.presented_repository import Filters
from tests.books import assert_books, assert_invoices
from tests.deposits.shop import Shop
from tests.factories.invoices import reread
from tests.factories.merchants import join
from tests.factories.payments import CONFIRMATIONS, mined_again
from tests.factories.withdrawals import STRANGER, approve, balance, confirm, event_types, revert, send

KINDS = ("underpaid", "overpaid", "late", "cancelled", "second", "wrong_asset")
"""The reasons with an invoice; `in_review` and `unknown` have tests of their own."""


async def audited(action: str) -> list[tuple[str, str, str]]:
    """The audit entry: the actor, the review and the reason."""
    rows = await database.fetch_all("SELECT actor, subject, details FROM audit_entries WHERE action = $1", action)
    return [(row["actor"], row["subject"], json.loads(row["details"])["reason"]) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_received_amount_is_credited_less_the_fee_in_proportion(shop: Shop, kind: str) -> None:
    new, deposit_id, asset, amount_raw = await shop.goes_wrong(kind)
    paid_raw, _ = await balance(shop.terms.merchant_id, asset)
    earned_raw, _ = await balance("platform:fees", asset)

    await shop.services.reviews.credit(deposit_id, shop.ops[0].id, "the customer called", clock.now())

    in_proportion_raw = -(-40_000 * amount_raw // int(new.pay_in.amount_raw))
    fee_raw = in_proportion_raw if asset == "USDT" else -(-amount_raw * 80 // 10_000)
    credited_raw = amount_raw - fee_raw
    assert await balance(shop.terms.merchant_id, asset) == (paid_raw + credited_raw, 0)
    assert await balance("platform:fees", asset) == (earned_raw + fee_raw, 0)
    assert await balance("platform:suspense", asset) == (0, 0)
    current = await reread(shop.services, new)
    assert (current.status, current.needs_review) == ("paid", False)
    counted_raw = paid_raw + credited_raw if asset == "USDT" else 0
    assert current.credited_raw == str(counted_raw)
    assert current.review is not None
    assert (current.review.status, current.review.outcome, current.review.cause) == ("closed", "credited", kind)
    assert (await event_types(new.id))[-1] == ("invoice.manual_review" if kind == "second" else "invoice.paid")
    assert await audited("review.credited") == [(f"account:{shop.ops[0].id}", deposit_id, "the customer called")]
    await assert_books()
    await assert_invoices()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_return_is_a_refund_that_another_operator_approves(shop: Shop, kind: str) -> None:
    new, deposit_id, asset, amount_raw = await shop.goes_wrong(kind)
    first, second = shop.ops

    refund_id = await shop.services.returns.send_back(deposit_id, STRANGER, first.id, "not ours", clock.now())

    current = await reread(shop.services, new)
    assert current.needs_review
    assert current.review is not None
    assert (current.review.status, current.review.outcome, current.review.refund_id) == (
        "returning",
        "returned",
        refund_id,
    )
    assert await balance("platform:suspense", asset) == (0, amount_raw)
    refund = await shop.services.withdrawal_reader.refund(shop.terms.merchant_id, "test", refund_id)
    assert refund is not None
    assert (refund.status, refund.invoice_id, refund.deposit_id, refund.amount_raw, refund.fee_raw) == (
        "pending_approval",
        new.id,
        deposit_id,
        str(amount_raw),
        "0",
    )
    with pytest.raises(ApprovalRefused, match="yourself"):
        await approve(shop.services, refund_id, first)

    await approve(shop.services, refund_id, second)
    await send(shop.services, refund_id)
    await confirm(shop.services, refund_id)

    assert await balance("platform:suspense", asset) == (0, 0)
    done = await reread(shop.services, new)
    assert (done.status, done.needs_review, done.refunded_raw) == (
        "paid" if kind == "second" else "closed",
        False,
        "0",
    )
    assert done.review is not None
    assert (done.review.status, done.review.outcome) == ("closed", "returned")
    assert (await event_types(refund_id))[-1] == "refund.confirmed"
    assert (await event_types(new.id))[-1] == ("invoice.manual_review" if kind == "second" else "invoice.closed")
    assert await audited("review.returning") == [(f"account:{first.id}", deposit_id, "not ours")]
    await assert_books()
    await assert_invoices()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_closed_review_leaves_the_money_in_suspense(shop: Shop, kind: str) -> None:
    new, deposit_id, asset, amount_raw = await shop.goes_wrong(kind)
    for empty in ("", "  \n"):
        with pytest.raises(ReviewRefused, match="reason"):
            await shop.services.reviews.close(deposit_id, shop.ops[0].id, empty, clock.now())
        with pytest.raises(ReviewRefused, match="reason"):
            await shop.services.reviews.credit(deposit_id, shop.ops[0].id, empty, clock.now())
        with pytest.raises(ReviewRefused, match="reason"):
            await shop.services.returns.send_back(deposit_id, STRANGER, shop.ops[0].id, empty, clock.now())

    await shop.services.reviews.close(deposit_id, shop.ops[0].id, "dust", clock.now())

    assert await balance("platform:suspense", asset) == (amount_raw, 0)
    current = await reread(shop.services, new)
    assert (current.status, current.needs_review) == ("paid" if kind == "second" else "closed", False)
    assert current.review is not None
    assert (current.review.status, current.review.outcome) == ("closed", "closed")
    assert await reviews.list_reviews() == []
    assert await audited("review.closed") == [(f"account:{shop.ops[0].id}", deposit_id, "dust")]
    for verb in (shop.services.reviews.credit, shop.services.reviews.close):
        with pytest.raises(ReviewRefused, match="closed already"):
            await verb(deposit_id, shop.ops[1].id, "on second thoughts", clock.now())
    await assert_books()
    await assert_invoices()


async def test_one_open_review_keeps_the_invoice_in_review(shop: Shop) -> None:
    new = await shop.invoice()
    await shop.pay(new.pay_in.address, 1_000_000)
    await shop.pay(new.pay_in.address, 4_000_000)
    small, large = await reviews.list_reviews()
    assert (small.verdict, large.verdict) == ("underpaid", "underpaid")

    await shop.services.reviews.close(small.deposit_id, shop.ops[0].id, "crumbs", clock.now())
    between = await reread(shop.services, new)
    assert (between.status, between.needs_review) == ("manual_review", True)
    assert between.review is not None
    assert (between.review.status, between.review.deposit_id) == ("open", large.deposit_id)

    await shop.services.reviews.credit(large.deposit_id, shop.ops[0].id, "good enough", clock.now())
    done = await reread(shop.services, new)
    assert (done.status, done.needs_review, done.received_raw) == ("paid", False, "5000000")


async def test_a_deposit_to_an_unused_address_gets_a_review_without_a_merchant(shop: Shop) -> None:
    await shop.invoice()  # the pool has grown
    address = await database.fetch_value("SELECT address FROM deposit_addresses WHERE lease_count = 0 LIMIT 1")
    await shop.pay(address, 7_000_000)
    (review,) = await reviews.list_reviews()
    assert (review.verdict, review.invoice_id, review.merchant_id, review.deposit_status) == (
        "unknown",
        None,
        None,
        "suspended",
    )
    with pytest.raises(ReviewRefused, match="nobody to credit"):
        await shop.services.reviews.credit(review.deposit_id, shop.ops[0].id, "for whom?", clock.now())

    refund_id = await shop.services.returns.send_back(
        review.deposit_id, STRANGER, shop.ops[0].id, "its sender wrote", clock.now()
    )
    await approve(shop.services, refund_id, shop.ops[1])
    await send(shop.services, refund_id)
    await confirm(shop.services, refund_id)

    assert await balance("platform:suspense") == (0, 0)
    (ended,) = await reviews.list_reviews(open_only=False)
    assert (ended.status, ended.outcome) == ("closed", "returned")
    assert await event_types(refund_id) == []  # there is no merchant to notify
    await assert_books()


@pytest.mark.parametrize("end", ["rejected", "reverted"])
async def test_a_failed_return_opens_the_review_again(shop: Shop, end: str) -> None:
    new, deposit_id, _, amount_raw = await shop.goes_wrong("overpaid")
    first, second = shop.ops
    refund_id = await shop.services.returns.send_back(deposit_id, STRANGER, first.id, "too much", clock.now())
    if end == "rejected":
        await shop.services.approvals.reject(refund_id, second.id, "an exchange's address", clock.now())
    else:
        await approve(shop.services, refund_id, second)
        await send(shop.services, refund_id)
        await revert(shop.services, refund_id)

    assert await balance("platform:suspense") == (amount_raw, 0)
    current = await reread(shop.services, new)
    assert (current.status, current.needs_review) == ("manual_review", True)
    assert current.review is not None
    assert (current.review.status, current.review.outcome, current.review.refund_id) == ("open", None, None)
    await shop.services.reviews.credit(deposit_id, first.id, "then it is theirs", clock.now())
    assert (await reread(shop.services, new)).status == "paid"
    await assert_books()
    await assert_invoices()


async def test_operators_resolve_no_review_of_a_merchant_that_they_belong_to(shop: Shop) -> None:
    _, deposit_id, _, _ = await shop.goes_wrong("underpaid")
    insider, other = shop.ops
    await join(shop.terms.merchant_id, insider.id)
    for settle in (
        lambda: shop.services.reviews.credit(deposit_id, insider.id, "it is ours", clock.now()),
        lambda: shop.services.reviews.close(deposit_id, insider.id, "it is ours", clock.now()),
        lambda: shop.services.returns.send_back(deposit_id, STRANGER, insider.id, "it is ours", clock.now()),
    ):
        with pytest.raises(ReviewRefused, match="you belong to the merchant"):
            await settle()
    with pytest.raises(asyncpg.RestrictViolationError, match="not to be decided by"):
        await database.execute("UPDATE reviews SET decided_by = 'account:' || $1::text", insider.id)
    # Nor may they reject a return that another operator has requested.
    refund_id = await shop.services.returns.send_back(deposit_id, STRANGER, other.id, "not asked for", clock.now())
    with pytest.raises(ApprovalRefused, match="you belong to the merchant"):
        await shop.services.approvals.reject(refund_id, insider.id, "it is ours", clock.now())
    with pytest.raises(ApprovalRefused, match="you belong to the merchant"):
        await approve(shop.services, refund_id, insider)


async def test_a_bad_address_returns_nothing(shop: Shop) -> None:
    new, deposit_id, _, amount_raw = await shop.goes_wrong("underpaid")
    for address in ("0x70997970c51812dc3A010C7d01b50e0d17dc79C8", new.pay_in.address, shop.token):
        with pytest.raises(Exception, match=r"destination"):
            await shop.services.returns.send_back(deposit_id, address, shop.ops[0].id, "back", clock.now())
    assert await balance("platform:suspense") == (amount_raw, 0)
    (review,) = await reviews.list_reviews()
    assert review.status == "open"


async def test_two_operators_at_once_resolve_a_review_once(shop: Shop) -> None:
    for _ in range(5):
        new, deposit_id, _, _ = await shop.goes_wrong("underpaid")
        now, (first, second) = clock.now(), shop.ops
        outcomes = await asyncio.gather(
            shop.services.reviews.credit(deposit_id, first.id, "yes", now),
            shop.services.reviews.credit(deposit_id, second.id, "yes", now),
            shop.services.reviews.close(deposit_id, first.id, "no", now),
            shop.services.returns.send_back(deposit_id, STRANGER, second.id, "back", now),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, ReviewRefused)]
        assert len(refused) == 3, outcomes
        current = await reread(shop.services, new)
        assert (current.status == "paid") == (outcomes[0] is None or outcomes[1] is None)
    await assert_books()
    await assert_invoices()


async def test_no_review_is_resolved_before_its_deposit_is_final(shop: Shop) -> None:
    new = await shop.invoice()
    await shop.pay(new.pay_in.address, 1_000_000, blocks=CONFIRMATIONS - 1)
    (review,) = await reviews.list_reviews()
    for attempt in (
        shop.services.reviews.credit(review.deposit_id, shop.ops[0].id, "now", clock.now()),
        shop.services.returns.send_back(review.deposit_id, STRANGER, shop.ops[0].id, "now", clock.now()),
    ):
        with pytest.raises(ReviewRefused, match="confirmations"):
            await attempt
    assert (await reread(shop.services, new)).status == "manual_review"


async def test_a_review_whose_deposit_is_reorganised_away_waits_for_it(shop: Shop) -> None:
    # Given a deposit that is booked to suspense and waits for a decision,
    await shop.driver.mine(1)
    new, deposit_id, _, amount_raw = await shop.goes_wrong("underpaid")
    assert await balance("platform:suspense") == (amount_raw, 0)
    # when a reorganisation removes it,
    await shop.driver.reorg(CONFIRMATIONS)
    await shop.watcher.tick()
    # then it can't be credited or returned, and operators are alerted,
    assert await balance("platform:suspense") == (0, 0)
    current = await reread(shop.services, new)
    assert (current.status, current.received_raw, [d.status for d in current.deposits]) == (
        "manual_review",
        "0",
        ["orphaned"],
    )
    for attempt in (
        shop.services.reviews.credit(deposit_id, shop.ops[0].id, "now", clock.now()),
        shop.services.returns.send_back(deposit_id, STRANGER, shop.ops[0].id, "now", clock.now()),
    ):
        with pytest.raises(ReviewRefused, match="not on the chain"):
            await attempt
    alert = await database.fetch_one("SELECT severity, kind FROM alerts")
    assert alert is not None
    assert tuple(alert) == ("critical", "deep_reorg")
    (hold,) = await holds.open_holds()
    assert (hold.source, hold.asset) == ("platform:suspense", "USDT")
    await assert_books()
    await assert_invoices()


@pytest.mark.parametrize("closed_while_away", [True, False])
async def test_a_review_reopens_when_its_deposit_returns(
    shop: Shop, driver: AnvilDriver, closed_while_away: bool
) -> None:
    await driver.mine(1)
    new, deposit_id, _, amount_raw = await shop.goes_wrong("underpaid")
    raw = await driver.call("eth_getRawTransactionByHash", (await reviews.list_reviews())[0].txid)
    await driver.reorg(CONFIRMATIONS)
    await shop.watcher.tick()
    if closed_while_away:
        await shop.services.reviews.close(deposit_id, shop.ops[0].id, "it is gone", clock.now())
        assert (await reread(shop.services, new)).status == "closed"

    await mined_again(driver, raw)
    await driver.mine(CONFIRMATIONS - 1)
    await shop.watcher.tick()

    (review,) = await reviews.list_reviews()
    assert (review.deposit_id, review.deposit_status) == (deposit_id, "suspended")
    assert await balance("platform:suspense") == (amount_raw, 0)
    (hold,) = await holds.open_holds()
    await holds.release(hold.id, shop.ops[0].id, "it is back", clock.now())
    await shop.services.reviews.credit(deposit_id, shop.ops[0].id, "paid after all", clock.now())
    assert await balance("platform:suspense") == (0, 0)
    assert (await reread(shop.services, new)).credited
    await assert_books()
    await assert_invoices()


async def test_a_credit_is_refused_with_a_reason_while_suspense_is_below_zero(shop: Shop) -> None:
    # Given a deposit that was returned and then removed by a reorganisation: suspense is below zero.
    await shop.driver.mine(1)
    _, lost, _, lost_raw = await shop.goes_wrong("underpaid")
    refund_id = await shop.services.returns.send_back(lost, STRANGER, shop.ops[0].id, "back", clock.now())
    await approve(shop.services, refund_id, shop.ops[1])
    await send(shop.services, refund_id)
    await confirm(shop.services, refund_id)
    await shop.driver.reorg(CONFIRMATIONS)
    await shop.watcher.tick()
    assert await balance("platform:suspense") == (-lost_raw, 0)
    # When the next deposit in review, which covers a part of that, is to be credited or returned,
    new, deposit_id, _, _ = await shop.goes_wrong("underpaid")
    # then that waits until suspense is covered.
    with pytest.raises(ReviewRefused, match="suspense"):
        await shop.services.reviews.credit(deposit_id, shop.ops[0].id, "theirs", clock.now())
    assert (await reread(shop.services, new)).status == "manual_review"
    await assert_books()


@pytest.mark.parametrize(
    ("tolerance_bps", "difference_raw", "status"),
    [
        (100, -50_000, "paid"),
        (100, 50_000, "paid"),
        (100, -51_000, "manual_review"),
        (100, 51_000, "manual_review"),
        (0, -1, "manual_review"),
    ],
)
async def test_a_merchants_tolerance(shop: Shop, tolerance_bps: int, difference_raw: int, status: str) -> None:
    await database.execute("UPDATE merchants SET tolerance_bps = $1", tolerance_bps)
    new = await shop.invoice()
    came_raw = int(new.pay_in.amount_raw) + difference_raw
    await shop.pay(new.pay_in.address, came_raw)
    current = await reread(shop.services, new)
    assert current.status == status
    if status == "paid":
        fee_raw = -(-40_000 * came_raw // int(new.pay_in.amount_raw))
        assert (current.received_raw, current.credited_raw) == (str(came_raw), str(came_raw - fee_raw))
        assert await balance(shop.terms.merchant_id) == (came_raw - fee_raw, 0)
        assert await balance("platform:fees") == (fee_raw, 0)
    await assert_books()
    await assert_invoices()


async def test_returns_are_in_the_merchants_list_of_refunds(shop: Shop) -> None:
    new, deposit_id, _, _ = await shop.goes_wrong("overpaid")
    refund_id = await shop.services.returns.send_back(deposit_id, STRANGER, shop.ops[0].id, "too much", clock.now())
    listed = await shop.services.withdrawal_reader.refunds(
        shop.terms.merchant_id, "test", Filters(invoice_id=new.id), None, 10
    )
    assert ([refund.id for refund in listed], listed.following) == ([refund_id], None)
