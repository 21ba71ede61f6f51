"""What a checkout page costs: to make, for us, and to load, for a customer on a slow mobile network.

Made: the CPU of this process for the HTML of a page or of its live part, from what was read of the invoice; the fastest
of several turns. Its rate through the whole stack, and the CPU of that, is in `bench.api`. Loaded: paint, layout shift,
bytes and requests, by Chromium itself, with an empty cache each time. `python -m bench.checkout_page`.
"""

import asyncio
import gzip
import json
import os
import statistics
import time
import urllib.request
from collections.abc import Callable

from playwright.async_api import async_playwright

from app.checkout import layout
from app.invoices.states import Status
from app.web.languages import ENGLISH
from app.web.pages import Pages
from app.web.qr import qr
from bench.report import Goal, Report
from bench.stack import API, Stack, running_stack
from tests.checkout.loading import DEVTOOLS_SLOW_4G, SLOW_4G, Load, load
from tests.checkout.site import a_deposit, a_view, a_view_of_many_ways, an_ether_view
from tests.chromium import launch_options

LOADS = int(os.environ.get("BENCH_LOADS", "5"))
TURNS, EACH_TURN = 20, 200

OPEN_PAGES, TOLD_WITHIN_MS = 1_600, 100
"""Pages that one block moves, and how long one process may need to make what they show."""


def main() -> None:
    """Print the figures, and write them."""
    with Report("checkout_page") as report:
        _making(report)
        with running_stack() as stack:
            asyncio.run(_loading(report, _payment_url(stack)))


def _making(report: Report) -> None:
    pages, payable, priced = Pages(), an_ether_view(), a_view_of_many_ways()
    moved = a_view(Status.CONFIRMING, confirmations_seen=12, deposits=(a_deposit(),))
    page = layout.page(pages, payable, ENGLISH)

    def add(name: str, make: Callable[[], object], goal: Goal | None = None, each: int = EACH_TURN) -> None:
        report.add(name, _cpu_us(make, each), "µs", better="lower", goal=goal)

    add("page_made", lambda: layout.page(pages, payable, ENGLISH))
    add("page_of_11_ways_made", lambda: layout.page(pages, priced, ENGLISH))
    told = Goal("at most", TOLD_WITHIN_MS * 1000 / OPEN_PAGES)
    add("live_part_made", lambda: layout.live_part(pages, moved, ENGLISH), told)
    add("first_code_drawn", lambda: qr(payable.payment_uri, label="QR code"), each=EACH_TURN // 20)
    add("page_compressed", lambda: gzip.compress(page, 4), each=EACH_TURN // 10)
    report.add("page_size", len(page) / 1000, "kB", better="lower")


def _cpu_us(make: Callable[[], object], each: int) -> float:
    """The least CPU of one call, in microseconds."""
    make()
    turns = []
    for _ in range(TURNS):
        before_s = time.process_time()
        for _ in range(each):
            make()
        turns.append((time.process_time() - before_s) / each * 1e6)
    return min(turns)


async def _loading(report: Report, url: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        await load(browser, url, SLOW_4G)
        for name, throttle in (("slow_4g", SLOW_4G), ("devtools_slow_4g", DEVTOOLS_SLOW_4G)):
            loads = [await load(browser, url, throttle) for _ in range(LOADS)]
            _add_loads(report, name, loads)
        await browser.close()


def _add_loads(report: Report, name: str, loads: list[Load]) -> None:
    """The medians of first loads at 360 px."""

    def median(attribute: str) -> float:
        return float(statistics.median(getattr(each, attribute) for each in loads))

    report.add(f"{name}_first_paint", median("first_paint_ms"), "ms", better="lower")
    report.add(f"{name}_largest_paint", median("largest_paint_ms"), "ms", better="lower")
    report.add(f"{name}_layout_shift", median("layout_shift"), "", better="lower")
    report.add(f"{name}_received", median("bytes_received") / 1000, "kB", better="lower")
    report.add(f"{name}_requests", len(loads[0].requests), "requests", better="lower")
    report.add(f"{name}_hosts", len(loads[0].hosts), "hosts", better="lower")


def _payment_url(stack: Stack) -> str:
    """The page of a new invoice."""
    request = urllib.request.Request(
        f"{stack.base_url}{API}/invoices",
        json.dumps({"amount": "5.00", "currency": "USDT", "chain": "ethereum"}).encode(),
        {"Authorization": f"Bearer {stack.key}", "Content-Type": "application/json", "Idempotency-Key": "page"},
    )
    with urllib.request.urlopen(request) as answer:
        url: str = json.load(answer)["payment_url"]
    return url


if __name__ == "__main__":
    main()
