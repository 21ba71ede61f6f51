"""Saved filters: kept for one person and one list, shown as links, replaced by name, limited, removed."""

import re
from html import unescape

from app.core import clock
from app.merchants import saved_filters
from tests.cabinet.people import Colleague, Office


def links_of(page: str) -> list[tuple[str, str]]:
    """Name and address of each saved filter on a list."""
    found = re.findall(r'<li class="saved__one[^"]*"><a href="([^"]+)"[^>]*><bdi>([^<]*)</bdi>', page)
    return [(unescape(name), unescape(href)) for href, name in found]


async def save(person: Colleague, name: str, query: str, which: str = "invoices") -> str:
    return await person.do(f"filters/{which}", {"name": name, "query": query})


async def test_filters_are_saved_under_a_name_and_are_ones_own(office: Office) -> None:
    owner, colleague = await office.new_member("owner"), await office.new_member("developer")
    assert "Save these filters" not in await owner.see("invoices")  # nothing is filtered
    assert "Save these filters" in await owner.see("invoices?status=paid")
    page = await save(owner, "  Paid  in May ", "status=paid&from=2026-05-01&after=1&evil=%3Cb%3E&search=")
    assert "Saved as “Paid in May”. Only you see it." in page
    address = owner.path("invoices") + "?from=2026-05-01&status=paid"
    assert links_of(page) == [("Paid in May", address)]
    assert 'aria-current="true"><bdi>Paid in May' in page
    assert "Save these filters" not in page  # they are saved
    assert links_of(await owner.see("invoices", mode="live")) == [
        ("Paid in May", owner.path("invoices", "live") + "?from=2026-05-01&status=paid")
    ]
    assert links_of(await owner.see("payouts")) == []
    assert links_of(await colleague.see("invoices")) == []

    (kept,) = await saved_filters.of_list(await owner.member(), "invoices")
    assert (await colleague.send(f"filters/invoices/{kept.id}/remove")).status_code == 404  # not theirs
    assert links_of(await owner.see("invoices")) == [("Paid in May", address)]
    replaced = await save(owner, "Paid in May", "status=expired")
    assert links_of(replaced) == [("Paid in May", owner.path("invoices") + "?status=expired")]
    assert links_of(await owner.do(f"filters/invoices/{kept.id}/remove")) == []


async def test_each_list_keeps_its_own(office: Office) -> None:
    owner, viewer = await office.new_member("owner"), await office.new_member("viewer")
    for which, query in (("payouts", "status=failed"), ("refunds", "asset=USDT%40ethereum"), ("audit", "area=keys")):
        page = await save(owner, f"My {which}", query, which)
        assert links_of(page) == [(f"My {which}", f"{owner.path(which)}?{query}")]
    refused = await viewer.send("filters/audit", {"name": "x", "query": "area=keys"})
    assert refused.status_code == 403


async def test_what_can_not_be_saved_is_said_and_nothing_is_lost(office: Office) -> None:
    owner = await office.new_member("owner")
    for name, query, words in (
        ("", "status=paid", "Enter a name of at most 60 characters."),
        ("x" * 61, "status=paid", "Enter a name of at most 60 characters."),
        ("All", "", "Set a filter first: there is nothing to save."),
        ("All", "page=2", "Set a filter first: there is nothing to save."),
    ):
        assert words in await save(owner, name, query)
    for number in range(saved_filters.MOST):
        await saved_filters.save(await owner.member(), "invoices", f"Number {number:02}", "status=paid", clock.now())
    page = await save(owner, "One more", "status=paid")
    assert "You keep 20 filters for this list. Remove one first." in page
    assert len(links_of(page)) == saved_filters.MOST
    assert "Saved as" in await save(owner, "Number 03", "status=expired")  # replacing needs no place
