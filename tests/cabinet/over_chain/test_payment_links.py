"""Payment links and the till in the cabinet, as forms: what is made, shown and refused."""

import re
from datetime import timedelta

from app.core import clock, database
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.cabinet.people import Office, problems
from tests.factories.merchants import takes
from tests.factories.payments import pay_on_chain
from tests.factories.rates import store_rate

TOMORROW = (clock.now() + timedelta(days=2)).date().isoformat()
TOUR = {
    "amount": "25",
    "currency": "USDT@ethereum",
    "description": "Guided tour",
    "max_payments": "20",
    "expires_at": TOMORROW,
    "success_url": "https://shop.example/thanks",
    "metadata": '{"tour": "harbour"}',
}


async def test_a_link_is_made_shown_changed_and_switched_off(office: Office, works: Services) -> None:
    await takes(office.merchant_id, "USDT", "ETH")
    owner, viewer = await office.new_member("owner"), await office.new_member("viewer")
    assert "No payment links yet" in await owner.see("payment-links")
    page = await owner.do("payment-links/new", TOUR)
    (row,) = await database.fetch_all("SELECT * FROM payment_links")
    assert (row["amount_raw"], row["max_payments"], row["metadata"]) == (25_000_000, 20, '{"tour":"harbour"}')
    url = works.links.link_url(row["id"])
    for words in ("Guided tour", url, "Open", "0 of 20", "https://shop.example/thanks", "No invoices yet"):
        assert words in page, words
    assert 'aria-label="QR code with the address of the payment link"' in page
    assert "Guided tour" in await viewer.see("payment-links")
    await viewer.see("payment-links/new", status=403)

    link = (await works.payment_links.find_public(works.links.link_slug(row["id"]))) or None
    assert link is not None
    made = await works.payment_links.pay(link.link, 25_000_000, "0" * 32, clock.now())
    page = await viewer.see(f"payment-links/{row['id']}")
    for words in (made.id, "1 of 20", "Awaiting payment"):
        assert words in page, words
    assert made.id in await owner.see(f"invoices?link={row['id']}")
    assert "Nothing matches" in await owner.see("invoices?link=PL-0000000000")
    assert row["id"] in await owner.see(f"invoices/{made.id}")

    changed = {**TOUR, "amount": "", "min_amount": "1.00", "max_amount": "", "metadata": "", "description": "Tips"}
    page = await owner.do(f"payment-links/{row['id']}/edit", changed)
    assert "from 1.00" in page
    poster = await owner.see(f"payment-links/{row['id']}/poster?language=de")
    for words in ("Tips", url, 'lang="de"', "Print"):
        assert words in poster, words
    assert "Switched off" in await owner.do(f"payment-links/{row['id']}/off")
    assert (await viewer.send(f"payment-links/{row['id']}/on")).status_code == 403
    assert "Switch off" in await owner.do(f"payment-links/{row['id']}/on")
    log = await owner.see("audit")
    assert "Created a payment link" in log
    assert "Changed a payment link" in log


async def test_what_is_wrong_with_a_link_is_said_beside_the_field(office: Office, works: Services) -> None:
    await takes(office.merchant_id, "USDT", "ETH")
    owner = await office.new_member("owner")
    yesterday = (clock.now() - timedelta(days=2)).date().isoformat()
    for field, value, words in (
        ("amount", "1.1234567", "Enter it with at most 6 decimal places."),
        ("min_amount", "1", "Leave this empty: the amount above is fixed."),
        ("currency", "DOGE@ethereum", "Choose an asset."),
        ("max_payments", "0", "Enter a whole number from 1 to 10000."),
        ("expires_at", yesterday, "Choose today or a later day."),
        ("success_url", "http://shop.example", "Enter a whole address that begins with https://."),
        ("metadata", "[1]", 'Enter a JSON object, such as {"tour": "harbour"}.'),
    ):
        found = problems(await owner.send("payment-links/new", {**TOUR, field: value}))
        assert found == [words], (field, found)
    assert await database.fetch_value("SELECT count(*) FROM payment_links") == 0


async def test_a_sale_at_the_till_is_one_invoice_however_often_it_is_sent(
    office: Office, works: Services, driver: AnvilDriver, token: str
) -> None:
    await takes(office.merchant_id, "USDT", "ETH")
    await store_rate("USDT", "EUR", "0.92", clock.now())
    await store_rate("ETH", "EUR", "2400", clock.now())
    cashier, other = await office.new_member("developer"), await office.new_member("owner")
    assert "Charge" in await cashier.see("till")
    assert problems(await cashier.send("till", {"amount": "", "currency": "EUR", "sale": "a" * 32})) == [
        "Enter an amount."
    ]
    sale = {"amount": "12.50", "currency": "EUR", "sale": "a" * 32}
    first = await cashier.send("till", sale)
    again = await cashier.send("till", sale)  # of a page that was loaded anew
    colleague = await other.send("till", sale)
    assert first.status_code == 303
    assert first.headers["Location"] == again.headers["Location"] == colleague.headers["Location"]
    (row,) = await database.fetch_all("SELECT id, metadata, status FROM invoices")
    assert (row["metadata"], row["status"]) == ('{"made_at":"till"}', "awaiting_choice")
    page = await cashier.see(f"till/{row['id']}?sale={'a' * 32}")
    assert f'data-sale="{"a" * 32}"' in page
    assert re.findall(r'name="way" value="([^"]+)"', page) == ["ETH@ethereum", "USDT@ethereum"]
    page = await cashier.do(f"till/{row['id']}/choose", {"way": "USDT@ethereum"})
    assert "Send exactly" in page
    invoice = await works.invoice_reader.get_any(row["id"])
    assert invoice.pay_in is not None
    assert invoice.pay_in.address in page
    await pay_on_chain(works, driver, token, invoice.pay_in.address, int(invoice.pay_in.amount_raw))
    page = await cashier.see(f"till/{row['id']}")
    assert "data-paid" in page
    assert "Next sale" in page

    second = await cashier.do("till", {"amount": "3", "currency": "USDT@ethereum"})
    assert "Send exactly" in second
    newest = await database.fetch_value("SELECT id FROM invoices ORDER BY created_at DESC LIMIT 1")
    assert "Cancelled" not in second
    assert "The sale is cancelled." in await cashier.do(f"till/{newest}/cancel")
    assert (await works.invoice_reader.get_any(newest)).status == "cancelled"
    viewer = await office.new_member("viewer")
    await viewer.see("till", status=403)
    answer = await cashier.browser.get("/cabinet/till")
    assert answer.headers["Location"] == f"/cabinet/{office.merchant_id}/test/till"
