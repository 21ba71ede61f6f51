"""Pages answer what people stumbled over: where nothing can match, what is not returned, what an endpoint answered."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

from app.core import clock, database
from tests.cabinet.world import World
from tests.identity.browsing import Browser


def words_of(page: str) -> str:
    """A page without its tags."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


async def test_pages_answer_what_people_stumbled_over(world: World, browser: Callable[..., Browser]) -> None:
    person = browser()
    account = world.people["owner"]
    # One begins to type at once when signing in, also the code.
    for path in ("/sign-in", "/sign-up", "/forgot-password"):
        assert len(re.findall(r"<input [^>]* autofocus", (await person.get(path)).text)) == 1, path
    await person.sign_in(account)

    async def see(place: str) -> str:
        return (await person.get(f"{world.base}/{place}")).text

    # Days that are the wrong way round are named, in the list and by the export.
    backwards = "from=2026-02-02&to=2026-02-01"
    assert "Nothing can match: the day in “From” is after the one in “To”." in words_of(
        await see(f"invoices?{backwards}")
    )
    asked = await person.get(f"{world.base}/exports/invoices.csv?{backwards}")
    assert "Nothing was exported: the day in “From” is after" in words_of((await person.led_on(asked)).text)

    # A refund says what it can't give back.
    refund = words_of(await see(f"invoices/{world.paid_invoice.id}/refund"))
    assert re.search(r"the service fee of 0\.20 USDT was taken for the payment and is not returned", refund)

    # A payout begins with an asset that has money, wherever that stands in the list.
    form = await see("payouts/new")
    options = re.findall(r'<option value="([^"]*)"( selected)?>([^<]*)', form)
    (chosen,) = [words for _, is_chosen, words in options if is_chosen and "available" in words]
    assert not re.search(r": 0(\.0+)? available", chosen), options

    # An endpoint that answered 500 has answered, and the list of deliveries says what.
    endpoint = world.ids["endpoint_id"]
    now = clock.now()
    await database.execute(
        "UPDATE webhook_endpoints SET status = 'paused', status_reason = 'failures', stopped_by = 'HTTP 500',"
        " status_since = $2 WHERE id = $1",
        endpoint,
        now,
    )
    delivery = await database.fetch_value(
        "UPDATE webhook_deliveries SET attempts = 1 WHERE id = (SELECT min(id) FROM webhook_deliveries"
        " WHERE endpoint = $1) RETURNING id",
        endpoint,
    )
    await database.execute(
        "INSERT INTO webhook_attempts (delivery, number, started_at, duration_ms, response_status, detail,"
        " response_excerpt, next_attempt_at) VALUES ($1, 1, $2, 12, 500, '', '', $3)",
        delivery,
        now,
        now + timedelta(minutes=1),
    )
    above = words_of(await see(""))
    assert "https://shop.example/hook answered HTTP 500." in above
    assert "did not answer" not in above
    deliveries = words_of(await see(f"webhooks/{endpoint}"))
    assert re.search(r"Retrying HTTP 500", deliveries), deliveries[-3000:]
