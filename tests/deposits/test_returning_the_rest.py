"""A deposit that is too large: what was asked is credited and the rest is returned, in one step."""

import json

import pytest

from app.audit.log import Filters
from app.backoffice import reviews as backoffice
from app.core import clock, database
from app.deposits import reviews
from app.deposits.reviews import ReviewRefused
from app.deposits.reviews_repository import DepositReview
from app.reconciliation.checks import deposits
from app.reconciliation.snapshot import snapshot
from app.reports import activity_log, timeline
from app.reports import reviews as merchants_reviews
from app.sandbox.chain_driver import AnvilDriver
from app.withdrawals import holds
from tests.books import assert_books, assert_invoices
from tests.deposits.shop import Shop
from tests.factories.invoices import AskedInvoice, reread
from tests.factories.payments import CONFIRMATIONS, mined_again
from tests.factories.withdrawals import STRANGER, approve, balance, confirm, send

REST_RAW = 2_500_000


async def too_much(shop: Shop) -> tuple[AskedInvoice, DepositReview]:
    """An invoice, and the review of a deposit that is 2.50 too large."""
    new = await shop.invoice()
    await shop.pay(new.pay_in.address, int(new.pay_in.amount_raw) + REST_RAW)
    (review,) = await reviews.list_reviews()
    return new, review


async def settle(shop: Shop, review: DepositReview, **more: str) -> str:
    return await shop.services.returns.credit_and_return_rest(
        review.deposit_id, STRANGER, shop.ops[0].id, "they typed it wrong", clock.now(), **more
    )


async def test_what_was_asked_is_credited_and_the_rest_is_returned(shop: Shop) -> None:
    # Given a deposit of more than was asked, of which the desk knows how it would be divided,
    new, review = await too_much(shop)
    asked_raw = int(new.pay_in.amount_raw)
    details = await backoffice.details_of(review.deposit_id, clock.now())
    assert details is not None
    assert details.split is not None
    assert (details.split.share.net_raw, details.split.share.service_fee_raw) == (asked_raw - 40_000, 40_000)
    assert (details.split.rest_raw, details.held_raw) == (REST_RAW, asked_raw + REST_RAW)

    # when an operator credits what was asked and returns the rest,
    refund_id = await settle(shop, review, message="You got 2.50 too much. We send it back.")

    # then the merchant has exactly what the invoice promises, at the invoice's fee, and the rest waits for an approval,
    assert await balance(shop.terms.merchant_id) == (asked_raw - 40_000, 0)
    assert await balance("platform:fees") == (40_000, 0)
    assert await balance("platform:suspense") == (0, REST_RAW)
    paid = await reread(shop.services, new)
    assert (paid.status, paid.needs_review, paid.credited_raw, paid.net_raw) == (
        "paid",
        True,
        str(asked_raw - 40_000),
        str(asked_raw - 40_000),
    )
    assert paid.review is not None
    assert (paid.review.status, paid.review.outcome, paid.review.refund_id) == ("returning", "credited", refund_id)
    refund = await shop.services.withdrawal_reader.refund(shop.terms.merchant_id, "test", refund_id)
    assert refund is not None
    assert (refund.status, refund.amount_raw) == ("pending_approval", str(REST_RAW))
    audit = json.loads(await database.fetch_value("SELECT details FROM audit_entries WHERE action = 'review.credited'"))
    assert (audit["reason"], audit["returned_raw"], audit["refund"]) == (
        "they typed it wrong",
        str(REST_RAW),
        refund_id,
    )
    await assert_books()
    await assert_invoices()

    # and once it is sent, nothing is left.
    await approve(shop.services, refund_id, shop.ops[1])
    await send(shop.services, refund_id)
    await confirm(shop.services, refund_id)
    assert await balance("platform:suspense") == (0, 0)
    done = await reread(shop.services, new)
    assert (done.status, done.needs_review, done.refunded_raw) == ("paid", False, "0")
    async with snapshot():
        assert not (await deposits.check()).findings
    await assert_books()
    await assert_invoices()


async def test_the_merchant_reads_the_message_and_never_the_reason(shop: Shop) -> None:
    new, deposit_id, _, _ = await shop.goes_wrong("underpaid")
    await shop.services.reviews.credit(
        deposit_id, shop.ops[0].id, "their support is rude", clock.now(), message="  One unit is missing. "
    )
    (listed,) = await merchants_reviews.of_invoice(shop.terms.merchant_id, "test", new.id)
    facts = await timeline.of_invoice(shop.terms.merchant_id, "test", new.id)
    log = await activity_log.page(shop.terms.merchant_id, Filters(), None, 10)
    assert listed.message == "One unit is missing."
    assert [fact.note for fact in facts if fact.kind == "credited"] == ["One unit is missing."]
    assert [entry.details["message"] for entry in log if entry.action == "review.credited"] == ["One unit is missing."]
    assert "rude" not in f"{listed} {facts} {[entry.details for entry in log]}"


async def test_a_rejected_return_of_the_rest_opens_the_review_for_the_rest_alone(shop: Shop) -> None:
    new, review = await too_much(shop)
    refund_id = await settle(shop, review)
    await shop.services.approvals.reject(refund_id, shop.ops[1].id, "an exchange's address", clock.now())

    assert await balance("platform:suspense") == (REST_RAW, 0)
    current = await reread(shop.services, new)
    assert (current.status, current.needs_review) == ("paid", True)
    with pytest.raises(ReviewRefused, match="credited already"):
        await shop.services.reviews.credit(review.deposit_id, shop.ops[0].id, "again", clock.now())
    with pytest.raises(ReviewRefused, match="no more came"):
        await settle(shop, review)
    details = await backoffice.details_of(review.deposit_id, clock.now())
    assert details is not None
    assert (details.can_be_returned, details.can_be_credited, details.held_raw) == (True, False, REST_RAW)

    # The rest can be returned to another address,
    again = await shop.services.returns.send_back(review.deposit_id, STRANGER, shop.ops[0].id, "their own", clock.now())
    assert await balance("platform:suspense") == (0, REST_RAW)
    await shop.services.approvals.reject(again, shop.ops[1].id, "no answer", clock.now())
    # or stay where it is, and the merchant keeps what was credited.
    await shop.services.reviews.close(review.deposit_id, shop.ops[0].id, "nobody answers", clock.now())
    ended = await reread(shop.services, new)
    assert ended.review is not None
    assert (ended.status, ended.needs_review, ended.review.outcome) == ("paid", False, "credited")
    await assert_books()
    await assert_invoices()


async def test_only_a_deposit_that_is_too_large_can_be_divided(shop: Shop) -> None:
    for kind in ("underpaid", "second", "wrong_asset"):
        new, deposit_id, _, _ = await shop.goes_wrong(kind)
        assert await reviews.would_split(deposit_id) is None
        (review,) = await reviews.list_reviews()
        with pytest.raises(ReviewRefused, match="no more came"):
            await settle(shop, review)
        await shop.services.reviews.close(deposit_id, shop.ops[0].id, "next", clock.now())
        assert (await reread(shop.services, new)).needs_review is False
    _, review = await too_much(shop)
    with pytest.raises(ReviewRefused, match="500"):
        await settle(shop, review, message="x" * 501)
    with pytest.raises(Exception, match="destination"):
        await shop.services.returns.credit_and_return_rest(
            review.deposit_id, shop.token, shop.ops[0].id, "wrong", clock.now()
        )
    assert (await reviews.list_reviews())[0].status == "open"
    await assert_books()


@pytest.mark.parametrize("sent", [True, False])
async def test_a_reorganisation_undoes_both_parts(shop: Shop, driver: AnvilDriver, sent: bool) -> None:
    # Given a deposit of which a part was credited and the rest is being returned,
    await driver.mine(1)
    new, review = await too_much(shop)
    asked_raw = int(new.pay_in.amount_raw)
    raw = await driver.call("eth_getRawTransactionByHash", review.txid)
    refund_id = await settle(shop, review)
    # when a reorganisation removes it,
    await driver.reorg(CONFIRMATIONS)
    await shop.watcher.tick()
    # then both ledgers are on hold: the merchant's and suspense, which pays the refund.
    assert {hold.source for hold in await holds.open_holds()} == {shop.terms.merchant_id, "platform:suspense"}
    assert await balance(shop.terms.merchant_id) == (0, 0)
    await assert_books()

    await mined_again(driver, raw)
    await driver.mine(CONFIRMATIONS - 1)
    await shop.watcher.tick()
    for hold in await holds.open_holds():
        await holds.release(hold.id, shop.ops[0].id, "it is back", clock.now())
    if sent:
        await approve(shop.services, refund_id, shop.ops[1])
        await send(shop.services, refund_id)
        await confirm(shop.services, refund_id)
    else:
        await shop.services.approvals.reject(refund_id, shop.ops[1].id, "anew", clock.now())
    # Once it is back, what suspense still holds of it can be credited, and no more.
    await shop.services.reviews.credit(review.deposit_id, shop.ops[0].id, "it is back", clock.now())
    credited_raw = asked_raw + (0 if sent else REST_RAW)
    net_raw, _ = await balance(shop.terms.merchant_id)
    fee_raw, _ = await balance("platform:fees")
    assert net_raw + fee_raw == credited_raw
    assert await balance("platform:suspense") == (0, 0)
    await assert_books()
    await assert_invoices()
