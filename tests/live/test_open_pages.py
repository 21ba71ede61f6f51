"""Open pages of signed-in people follow what others do, and lose nothing."""

from playwright.async_api import Browser, Locator, Page, expect

from app.core import clock
from app.merchants.members import member
from tests.complaints import complaints_of
from tests.factories.invoices import invoice
from tests.factories.operators import operator
from tests.factories.withdrawals import approve, confirm, fund, payout, send
from tests.live.conftest import Person, Shop, browser_of

SOON_MS = 4_500
"""Less than the 5 s between two polls, so that the stream has told it. How soon it does, is measured by
bench.open_lists."""


async def test_two_people_see_each_others_changes_and_lose_nothing(shop: Shop, chromium: Browser) -> None:
    mara, ola = await shop.person("mara"), await shop.person("ola")
    invoices = [await invoice(shop.services, shop.terms, amount=f"{n}.00", order_id=f"104{n}") for n in (1, 2)]
    of_mara, of_ola = await browser_of(chromium, shop, mara), await browser_of(chromium, shop, ola)
    the_list, detail = await of_mara.new_page(), await of_ola.new_page()
    complaints = [complaints_of(page) for page in (the_list, detail)]
    await the_list.goto(f"{shop.url}/invoices")
    await detail.goto(f"{shop.url}/invoices/{invoices[0].id}")
    await shop.served.until_open(2)

    # Given a half-typed search with the caret inside, and an open dialog on the other page,
    search = the_list.get_by_label("Search", exact=True)
    await search.evaluate("box => { box.value = 'half a word'; box.focus(); box.setSelectionRange(2, 4); }")
    await detail.evaluate(
        "() => { const dialog = document.createElement('dialog'); dialog.textContent = 'Sure?';"
        " document.getElementById('page').append(dialog); dialog.showModal(); }"
    )
    await detail.evaluate("window.scrollTo(0, 40)")
    # when somebody cancels an invoice,
    await cancel(shop, mara, invoices[0].id)
    # then both pages show it, and the list is told in words; nothing of the reader's own is lost.
    await expect(detail.locator("h1")).to_contain_text("Cancelled", timeout=SOON_MS)
    await expect(row(the_list, "1041")).to_contain_text("Cancelled", timeout=SOON_MS)
    await expect(row(the_list, "1041")).to_have_attribute("data-changed", "")
    await expect(row(the_list, "1042")).not_to_have_attribute("data-changed", "")
    await expect(detail.get_by_text("Cancel invoice")).to_have_count(0)
    await expect(the_list.locator("#announcer")).to_have_text("Invoice 1041 is now Cancelled")
    assert await search.input_value() == "half a word"
    assert await the_list.evaluate("[document.activeElement.id, document.activeElement.selectionEnd]") == [
        await search.get_attribute("id"),
        4,
    ]
    await expect(detail.get_by_text("Sure?")).to_be_visible()
    assert await detail.evaluate("scrollY") == 40

    # New rows wait behind a link, for everybody who looks; pressing it shows them, and the focus is on the list.
    await search.evaluate("box => { box.value = ''; }")
    for n in (3, 4):
        await invoice(shop.services, shop.terms, amount="1.00", order_id=f"104{n}")
    waiting = the_list.get_by_role("link", name="2 new invoices")
    await expect(waiting).to_be_visible(timeout=SOON_MS)
    await expect(the_list.locator("tbody tr")).to_have_count(2)
    await expect(row(the_list, "1042")).not_to_have_attribute("data-changed", "")
    await waiting.click()
    await expect(the_list.locator("tbody tr")).to_have_count(4)
    await expect(row(the_list, "1044")).to_have_attribute("data-changed", "")
    await expect(row(the_list, "1042")).not_to_have_attribute("data-changed", "")
    await expect(waiting).to_have_count(0)
    assert await the_list.evaluate("document.activeElement.id") == "results"

    # What is not in the list's filter is not counted.
    await the_list.goto(f"{shop.url}/invoices?status=cancelled")
    await shop.served.until_open(2)
    await invoice(shop.services, shop.terms, amount="1.00", order_id="1045")
    await cancel(shop, mara, invoices[1].id)
    await expect(the_list.get_by_role("link", name="1 new invoice", exact=True)).to_be_visible(timeout=SOON_MS)
    assert complaints == [[], []]

    # Without a network the page says that it may be old, and follows again when there is one.
    await of_mara.set_offline(True)
    notice = the_list.locator("#live-notice")
    await expect(notice).to_have_text("Offline: this page may be old.")
    await of_mara.set_offline(False)
    await expect(notice).to_be_hidden()


async def test_a_payout_goes_from_approved_to_confirmed_on_open_pages(shop: Shop, chromium: Browser) -> None:
    mara = await shop.person("mara")
    await fund(shop.terms.merchant_id, 50_000_000)
    asked = await payout(shop.services, shop.terms.merchant_id, "10.00")
    context = await browser_of(chromium, shop, mara)
    the_list, detail, balances = [await context.new_page() for _ in range(3)]
    await the_list.goto(f"{shop.url}/payouts")
    await detail.goto(f"{shop.url}/payouts/{asked.id}")
    await balances.goto(f"{shop.url}/balances")
    await shop.served.until_open(3)
    await expect(detail.locator("h1")).to_contain_text("Awaiting approval")

    async def both(words: str) -> None:
        await expect(detail.locator("h1")).to_contain_text(words, timeout=SOON_MS)
        await expect(row(the_list, asked.id)).to_contain_text(words, timeout=SOON_MS)

    await approve(shop.services, asked.id, await operator(shop.services.settings.data_keys))
    await both("Approved")
    await send(shop.services, asked.id)
    await both("Sent")
    await expect(detail.get_by_text(f"0x{asked.id}"[:8]).first).to_be_visible()
    await confirm(shop.services, asked.id)
    await both("Confirmed")
    await expect(detail.locator("#announcer")).to_have_text(f"Payout {asked.id} is now Confirmed", timeout=6_000)
    assert f"{asked.id}" in await detail.title()
    await expect(balances.locator("tbody tr", has_text="USDT")).to_contain_text("40.00", timeout=SOON_MS)

    # Six tabs of one browser follow, and a seventh opens: those without a stream read by themselves.
    more = [await context.new_page() for _ in range(4)]
    for page in more:
        await page.goto(f"{shop.url}/payouts")
    second = await payout(shop.services, shop.terms.merchant_id, "1.00")
    for page in (the_list, *more):
        await expect(page.get_by_role("link", name="1 new payout")).to_be_visible(timeout=8_000)
    assert await shop.served.open_streams() == 4

    # Signed out in one tab, the others say so, keep what they show, and have no stream any more.
    await more[0].get_by_role("button", name="Your account").click()
    await more[0].get_by_role("button", name="Sign out").click()
    await more[0].wait_for_url("**/sign-in*")
    await expect(the_list.locator("#live-notice")).to_contain_text("You are signed out", timeout=SOON_MS)
    await expect(row(the_list, asked.id)).to_contain_text("Confirmed")
    await shop.served.until_open(0)
    assert second.id not in await the_list.locator("tbody").inner_text()


async def cancel(shop: Shop, person: Person, invoice_id: str) -> None:
    """Cancel an invoice as a member does in the cabinet."""
    by = await member(person.account.id, shop.terms.merchant_id, address=None)
    assert by is not None
    await shop.services.invoices.cancel_by(by, "test", invoice_id, clock.now())


def row(page: Page, words: str) -> Locator:
    """The row of a list with these words."""
    return page.locator("tbody tr", has_text=words)
