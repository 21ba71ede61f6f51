"""What a customer's first load of the checkout page costs on a slow mobile network: `python -m bench.checkout_page`.

Paint, layout shift, bytes and requests, by Chromium itself, with an empty cache each time.
"""

import asyncio
import json
import os
import statistics
import urllib.request

from playwright.async_api import async_playwright

from bench.stack import API, Stack, running_stack
from tests.checkout.loading import DEVTOOLS_SLOW_4G, SLOW_4G, Load, load
from tests.chromium import launch_options

LOADS = int(os.environ.get("BENCH_LOADS", "5"))


def main() -> None:
    """Print the figures."""
    with running_stack() as stack:
        asyncio.run(_measure(_payment_url(stack)))


async def _measure(url: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())
        await load(browser, url, SLOW_4G)
        for throttle in (SLOW_4G, DEVTOOLS_SLOW_4G):
            loads = [await load(browser, url, throttle) for _ in range(LOADS)]
            print(
                f"{throttle.name}: {throttle.latency_ms:g} ms before each answer,"
                f" {throttle.down_bytes_s * 8 / 1_000_000:.2f} Mbit/s down; median of {LOADS} first loads at 360 px"
            )
            print(_line(loads), flush=True)
        await browser.close()


def _line(loads: list[Load]) -> str:
    def median(name: str) -> float:
        return float(statistics.median(getattr(each, name) for each in loads))

    return (
        f"  first contentful paint {median('first_paint_ms'):,.0f} ms, largest {median('largest_paint_ms'):,.0f} ms,"
        f" layout shift {median('layout_shift'):.4f}, {median('bytes_received') / 1000:.1f} kB in"
        f" {len(loads[0].requests)} requests to {len(loads[0].hosts)} host"
    )


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
