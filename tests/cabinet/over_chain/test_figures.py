"""An invoice that was paid with another amount than was asked: every page and file says the same true figures."""

import csv
import io
from collections.abc import Callable

import pytest

from app.core import clock
from app.core.errors import ApiError
from app.core.money import format_amount
from app.core.settings import Settings
from app.refunds.service import NewRefund
from tests.cabinet.world import ELSEWHERE, World
from tests.factories.invoices import reread
from tests.factories.operators import operator
from tests.identity.browsing import Browser


async def test_what_came_and_the_fee_that_was_taken_stand_everywhere(
    world: World, browser: Callable[..., Browser], chain_settings: Callable[..., Settings]
) -> None:
    # Given an invoice of which 1.00 is missing, that an operator credits all the same,
    services, asked = world.services, world.late_invoice
    person = browser()
    await person.sign_in(world.people["owner"])
    waiting = (await person.get(f"{world.base}/invoices")).text
    came_raw, asked_raw = int(asked.received_raw), int(asked.pay_in.amount_raw)
    came = format_amount(came_raw, 6)
    assert f"{came} USDT came in" in waiting
    (deposit,) = asked.deposits
    by = await operator(chain_settings().data_keys)
    await services.reviews.credit(deposit.id, by.id, "their words", clock.now(), message="One is missing.")

    # then the API says what was credited, and which fee was taken of it: in proportion, rounded up.
    fee_raw = -(-int(asked.service_fee_raw or 0) * came_raw // asked_raw)
    fee, credited = format_amount(fee_raw, 6), format_amount(came_raw - fee_raw, 6)
    body = await reread(services, asked)
    assert (body.service_fee_charged_raw, body.credited_raw) == (str(fee_raw), str(came_raw - fee_raw))
    assert body.service_fee_raw != body.service_fee_charged_raw

    # The customer's page and receipt say what the customer sent,
    for path in (f"/pay/{services.links.slug(asked.id)}", f"/receipt/{services.links.receipt_slug(asked.id)}"):
        page = (await person.get(path)).text
        label = page.rindex("You paid")
        assert came in page[label : label + 400], path
    # the list says it beside what was asked,
    listed = (await person.get(f"{world.base}/invoices")).text
    assert f"{came} USDT paid" in listed
    # the invoice's page the fee and the credit, and no other net,
    detail = (await person.get(f"{world.base}/invoices/{asked.id}")).text
    amounts = detail[detail.index('id="amounts"') : detail.index('id="payments"')]
    assert f"{fee}" in amounts
    assert credited in amounts
    assert "Net for you" not in amounts
    assert "One is missing." in detail
    assert "their words" not in detail
    # and the file too.
    answer = await person.get(f"{world.base}/exports/invoices.csv")
    (row,) = [row for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))) if row["id"] == asked.id]
    assert (row["received_raw"], row["credited_raw"], row["service_fee_charged_raw"]) == (
        str(came_raw),
        str(came_raw - fee_raw),
        str(fee_raw),
    )
    # A refund of all that came says why it can't be.
    asking = (await person.get(f"{world.base}/invoices/{asked.id}/refund")).text
    assert fee in asking[asking.index("the service fee of") :][:400]
    new = NewRefund(amount=came, refund_address=ELSEWHERE, requested_by="api_key:k")
    with pytest.raises(ApiError, match="the service fee is not returned"):
        await services.refunds.create(world.terms.merchant_id, "test", asked.id, new, None, clock.now())

    # What was cancelled before anything came expects nothing any more.
    before = (await person.get(f"{world.base}/invoices/{world.open_invoice.id}")).text
    assert "Net for you" in before
    await services.invoices.cancel(world.terms.merchant_id, "test", world.open_invoice.id, clock.now())
    after = (await person.get(f"{world.base}/invoices/{world.open_invoice.id}")).text
    assert "Net for you" not in after
    assert "Service fee" not in after
