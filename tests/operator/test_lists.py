"""Lists of the desk: how many there are, filters one by one, rows that came since, longer pages; and names on holds."""

import re
from datetime import timedelta
from html import unescape

from app.alerts.service import raise_alert
from app.core import clock, database
from app.ledger.hashchain import ChainId
from app.withdrawals import holds
from tests.factories.merchants import merchant
from tests.factories.withdrawals import NETWORK, approve, payout
from tests.identity.browsing import Browser
from tests.operator.served import Served, staff_of
from tests.operator.test_queues import text_of


def count(page: str) -> str:
    """What a list says of its length."""
    (found,) = re.findall(r"data-count>(.*?)</p>", page)
    return text_of(found).strip()


def rows(page: str) -> int:
    """How many rows its table has."""
    return page[page.index('id="results"') :].count('<td role="cell" class="table__lead"')


def chips(page: str) -> list[tuple[str, str]]:
    """Each filter in words, and the list without it."""
    found = re.findall(r'<a class="filter-chip" href="([^"]*)">(.*?)</a>', page, re.DOTALL)
    return [(text_of(words).strip().removesuffix(" , remove this filter"), unescape(url)) for url, words in found]


async def goes_on(browser: Browser, path: str, many: int, noun: str) -> str:
    """Whether a list of `many` says so, and shows all of them in one longer page. Returns the first page."""
    first = (await browser.get(path)).text
    assert (count(first), rows(first)) == (f"{many} {noun}", 25), path
    assert f"Show {many - 25} more" in first, path
    assert f"25 of {many}" in text_of(first), path
    (more,) = re.findall(r'<a [^>]*href="([^"]*)" data-keep-place', first)
    longer = (await browser.get(unescape(more))).text
    assert rows(longer) == many, path
    assert 'rel="next"' not in longer, path
    return first


async def test_lists_count_filter_grow_and_keep_their_place(served: Served) -> None:
    # Given 30 merchants, alerts and runs, and an audit log,
    browser = await served.signed_in(await served.account("ops@example.test"))
    for number in range(30):
        await merchant(name=f"Shop {number:02}", status="suspended" if number < 3 else "approved")
        await raise_alert(
            severity="warning" if number < 28 else "critical",
            kind="node_down",
            dedupe_key=f"node {number}",
            message=f"Node {number} is down.",
            details={},
            now=clock.now(),
        )
        clock.shift(timedelta(seconds=1))
    await database.execute(
        """INSERT INTO reconciliation_runs (status, cause, "full", started_at, finished_at, blocks, figures)
        SELECT 'clean', 'schedule', false, now(), now(), '{}', '{}' FROM generate_series(1, 30)"""
    )
    await database.execute(
        """INSERT INTO audit_entries (at, actor, action, subject, details)
        SELECT now(), 'cli', 'switch.changed', 'payouts', '{}' FROM generate_series(1, 30)"""
    )
    # when each list is read, then it says how many it has and becomes longer;
    shown = await goes_on(browser, "/desk/merchants", 30, "merchants")
    await goes_on(browser, "/desk/alerts", 30, "alerts")
    await goes_on(browser, "/desk/reconciliation", 30, "runs")
    await goes_on(browser, "/desk/audit?actor=cli", 30, "entries")

    # each filter is a chip that takes it away alone, and one link takes away all;
    page = (await browser.get("/desk/merchants?q=shop&status=suspended")).text
    assert count(page) == "3 merchants"
    assert chips(page) == [
        ("Search: shop", "/desk/merchants?status=suspended"),
        ("Standing: Suspended", "/desk/merchants?q=shop"),
    ]
    assert 'href="/desk/merchants">Clear 2 filters' in page
    page = (await browser.get("/desk/alerts?severity=critical")).text
    assert (count(page), chips(page)) == ("2 alerts", [("Severity: Critical", "/desk/alerts")])
    page = (await browser.get("/desk/alerts?state=acknowledged&severity=info")).text
    assert chips(page) == [("Severity: Info", "/desk/alerts?state=acknowledged")], "the tab stays"
    assert "Nothing found" in page
    assert 'href="/desk/alerts?state=acknowledged">Clear filters' in page
    page = (await browser.get("/desk/audit?actor=cli&action=switch.&subject=nothing")).text
    assert (count(page), len(chips(page))) == ("0 entries", 3)

    # and an open page keeps its rows: what came since waits behind a link.
    (head,) = re.findall(r'id="results" [^>]*data-head="([^"]+)"', shown)
    await merchant(name="Newcomer")
    later = (await browser.get(f"/desk/merchants?head={head}")).text
    assert "Newcomer" not in later
    assert re.search(r'id="newer" href="/desk/merchants"[^>]* data-say="1 new merchant"', later)
    assert count(later) == "31 merchants"
    newest = (await browser.get("/desk/merchants")).text
    assert newest.index("Newcomer") < newest.index("Shop 29")


async def test_holds_name_the_merchant_and_are_filtered(served: Served) -> None:
    merchant_id = await served.merchant()
    await database.execute("UPDATE merchants SET name = 'Harbour & Pine' WHERE id = $1", merchant_id)
    account = await served.account("ops@example.test")
    refused = await payout(served.services, merchant_id)
    await approve(served.services, refused.id, staff_of(account))
    await database.execute("UPDATE withdrawals SET held = true, waiting_reason = 'a ceiling' WHERE id = $1", refused.id)
    suspense = ChainId(owner="platform:suspense", network=NETWORK, asset="ETH")
    own = ChainId(owner=merchant_id, network=NETWORK, asset="ETH")
    async with database.transaction():
        for chain in (own, suspense):
            await holds.place(chain, "a reorganisation", clock.now())
    browser = await served.signed_in(account)
    page = (await browser.get("/desk/holds")).text
    assert count(page) == "3 holds"
    words = text_of(page)
    assert f"Harbour & Pine {merchant_id}" in words
    assert "Platform suspense" in words
    assert "for Harbour & Pine" in words
    mine = (await browser.get("/desk/holds?merchant=harbour&asset=ETH")).text
    assert count(mine) == "1 hold"
    assert [label for label, _ in chips(mine)] == ["Asset: ETH", "Merchant: harbour"]
    assert "Platform suspense" not in text_of(mine)
    (hold, *_) = await holds.open_holds()
    one = (await browser.get(f"/desk/holds/{hold.id}")).text
    assert "Hold on Harbour & Pine, ETH" in text_of(one)
    assert "Nothing that is on hold fits" in (await browser.get("/desk/holds?merchant=nobody")).text
