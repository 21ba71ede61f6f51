"""The search of the cabinet: what finds an invoice, what else is found, and what it says where nothing is."""

import re
from collections.abc import Callable
from urllib.parse import quote

from app.events import repository as events
from app.events import sequencer
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from tests.cabinet.world import ELSEWHERE, World
from tests.factories.invoices import invoice
from tests.identity.browsing import Browser

CUSTOMER = "Mara@example.com"


async def found_by(person: Browser, base: str, text: str) -> str:
    """The page of the search for a text."""
    answer = await person.get(f"{base}/search?q={quote(text)}")
    assert answer.status_code == 200, text
    return answer.text


async def signed_in(world: World, browser: Callable[..., Browser], role: str = "owner") -> Browser:
    person = browser()
    await person.sign_in(world.people[role])  # type: ignore[index]
    return person


async def test_an_invoice_is_found_by_whatever_people_have_of_it(
    world: World, browser: Callable[..., Browser], works: Services
) -> None:
    wanted = await invoice(
        works,
        world.terms,
        amount="49.90",
        order_id="SHOP-2026/7788-a",
        customer_id="Customer-9041",
        customer_email=CUSTOMER,
        description="A tray of oak",
    )
    paid, link = world.late_invoice, f"/invoices/{wanted.id}"
    person, stranger = await signed_in(world, browser), browser()
    await stranger.sign_in(world.stranger)
    address = wanted.pay_in.address
    of_wanted = [
        *(wanted.id, wanted.id.lower(), wanted.id[:8], wanted.id[4:], wanted.id[4:8].lower(), wanted.id[-5:]),
        *(wanted.id.replace("INV-", "inv ").replace("0", "o").replace("1", "l"), wanted.id[5:9]),
        *("SHOP-2026/7788-a", "shop-2026", "7788-A", "2026/7788", "customer-9041", "CUST", "9041"),
        *(CUSTOMER, CUSTOMER.lower(), f" {CUSTOMER.upper()} ", "tray of oak"),
        *(address, address.lower(), address.upper(), address[:8], address[-6:], f"{address[:6]}…{address[-4:]}"),
        *("49.90", "49.90 USDT", "49,90 usdt", "usdt 49.9", wanted.pay_in.amount_decimal, "49.90 US"),
    ]
    txid = paid.deposits[0].txid
    of_paid = [txid, txid.upper().replace("0X", "0x"), txid[2:], txid[:10], txid[-8:], f"{txid[:8]}...{txid[-6:]}"]
    of_paid += [paid.deposits[0].id, "c-77", "1042"]
    for text, shown in [(text, link) for text in of_wanted] + [(text, f"/invoices/{paid.id}") for text in of_paid]:
        assert f'{shown}"' in await found_by(person, world.base, text), text
        listed = (await person.get(f"{world.base}/invoices?search={quote(text)}")).text
        assert f'{shown}"' in listed, text
        foreign = await found_by(stranger, f"/cabinet/{world.foreign_id}/test", text)
        assert "/invoices/INV-" not in foreign, text
    for text in ("49.90 EUR", "49.91", "499", "mara@example.co", "INV-UUUU", "shop-2027", "0x" + "ab" * 32, "%", "_"):
        assert link not in await found_by(person, world.base, text), text


async def test_other_things_are_found_with_their_kind_by_those_who_may_see_them(
    world: World, browser: Callable[..., Browser], works: Services
) -> None:
    await sequencer.number_events(fan_out_with(works.settings.data_keys))
    owner, viewer = await signed_in(world, browser), await signed_in(world, browser, "viewer")
    event_id, key_id = world.ids["event_id"], world.ids["key_id"]
    for text, place, heading in (
        (world.ids["payout_id"], f"payouts/{world.ids['payout_id']}", "Payouts"),
        (world.ids["payout_id"][-5:].lower(), f"payouts/{world.ids['payout_id']}", "Payouts"),
        (ELSEWHERE.lower(), f"refunds/{world.ids['refund_id']}", "Refunds"),
        (ELSEWHERE[:9], f"payouts/{world.ids['payout_id']}", "Payouts"),
        ("2.50 USDT", f"payouts/{world.ids['payout_id']}", "Payouts"),
        (world.paid_invoice.id, f"refunds/{world.ids['refund_id']}", "Refunds"),
    ):
        for person in (owner, viewer):
            page = await found_by(person, world.base, text)
            assert f'{world.base}/{place}"' in page, text
            assert f">{heading}</h2>" in page
    for text, place in (
        (event_id, f"events/{event_id}"),
        (event_id[:8], f"events/{event_id}"),
        (key_id, f"keys/{key_id}"),
        ("shop.example", f"webhooks/{world.ids['endpoint_id']}"),
    ):
        assert f'{world.base}/{place}"' in await found_by(owner, world.base, text), text
        assert f'{world.base}/{place}"' not in await found_by(viewer, world.base, text), text
    support = await signed_in(world, browser, "support")
    for text in (world.ids["payout_id"], "2.50 USDT", "January"):
        assert "/payouts" not in (page := await found_by(support, world.base, text)), page
    assert f'{world.base}/refunds/{world.ids["refund_id"]}"' in await found_by(support, world.base, ELSEWHERE)
    assert len(await events.list_newest(world.terms.merchant_id, "test", limit=1)) == 1


async def test_pages_to_go_to_are_those_that_the_member_may_open(world: World, browser: Callable[..., Browser]) -> None:
    owner, viewer = await signed_in(world, browser), await signed_in(world, browser, "viewer")
    for text, place in (("new inv", "/invoices/new"), ("api", "/keys"), ("team inv", "/team"), ("webh", "/webhooks")):
        assert f'{world.base}{place}"' in await found_by(owner, world.base, text), text
    for text, place in (("new inv", "/invoices/new"), ("new payout", "/payouts/new"), ("api", "/keys/new")):
        options = re.findall(r'class="hit"[^>]* href="([^"]+)"', await found_by(viewer, world.base, text))
        assert f"{world.base}{place}" not in options
    live = f"/cabinet/{world.terms.merchant_id}/live"
    assert f'href="{live}"' in await found_by(viewer, world.base, "switch to live")
    fragment = (await owner.get(f"{world.base}/search/found?q=payouts")).text
    assert 'role="option"' in fragment
    assert "<html" not in fragment
    outside = (await owner.get("/cabinet/search?q=tea")).text
    assert f'href="{world.base}"' in outside
    assert (await browser().get(f"{world.base}/search?q=x")).status_code == 303  # nobody is signed in


async def test_an_empty_answer_says_what_was_looked_at_and_whether_the_other_mode_has_it(
    world: World, browser: Callable[..., Browser]
) -> None:
    person = await signed_in(world, browser)
    bitcoin = await found_by(person, world.base, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq")
    assert "Nothing found." in bitcoin
    assert "This looks like a Bitcoin mainnet address." in bitcoin
    assert "Looked at ids, orders, customers, addresses, transactions and amounts of test mode" in bitcoin
    part = await found_by(person, world.base, "mara@exam")
    assert "Email addresses are kept as a hash: search by the whole address" in part
    listed = (await person.get(f"{world.base}/invoices?search={'0x' + 'ab' * 32}")).text
    assert "Nothing matches" in listed
    assert "This looks like the id of a transaction." in listed
    live = f"/cabinet/{world.terms.merchant_id}/live"
    elsewhere = await found_by(person, live, world.paid_invoice.id)
    assert "Nothing found in live mode." in elsewhere
    assert "Invoices of test mode" in elsewhere
    assert f'href="{world.base}/invoices/{world.paid_invoice.id}"' in elsewhere
