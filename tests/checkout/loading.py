"""What a first load of a page costs on a slow network: bytes, requests, first paint, layout shift.

The browser counts: Chrome's protocol slows it down and says what came over the wire; its own observers say when
something was painted, and what moved.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser

SETTLED_MS = 1_500
"""After the load, for what a script or a late style might still move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """A network as Chrome imitates it: `latency_ms` passes before each answer begins."""

    name: str
    latency_ms: float
    down_bytes_s: float
    up_bytes_s: float


SLOW_4G = Throttle(name="slow 4G", latency_ms=150, down_bytes_s=1_638_400 / 8, up_bytes_s=750_000 / 8)
"""Lighthouse's "slow 4G" (`mobileSlow4G`): 150 ms there and back, 1.6 Mbit/s down, 750 kbit/s up."""

DEVTOOLS_SLOW_4G = Throttle(name="DevTools' slow 4G", latency_ms=562.5, down_bytes_s=180_000, up_bytes_s=84_375)
"""What DevTools makes of the same, as if each request took a new connection: 3.75 times the latency, nine tenths of the
rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A first load with an empty cache."""

    bytes_received: int
    """Over the wire, headers included; without the stream of events, which goes on."""
    requests: tuple[str, ...]
    hosts: frozenset[str]
    first_paint_ms: float
    """First contentful paint."""
    largest_paint_ms: float
    layout_shift: float
    """Cumulative layout shift, of everything that nobody asked for by a press."""


_OBSERVE = """
window.seen = {shift: 0, largest: 0};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.shift += entry.value;
}).observe({type: "layout-shift", buffered: true});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) seen.largest = entry.startTime;
}).observe({type: "largest-contentful-paint", buffered: true});
"""


async def load(browser: Browser, url: str, throttle: Throttle, *, width: int = 360) -> Load:
    """Load `url` once in a context of its own, and measure it."""
    context = await browser.new_context(viewport={"width": width, "height": 740})
    try:
        page = await context.new_page()
        await page.add_init_script(_OBSERVE)
        chrome = await context.new_cdp_session(page)
        requests: dict[str, str] = {}
        received: dict[str, int] = {}

        def sent(event: dict[str, Any]) -> None:
            requests[event["requestId"]] = event["request"]["url"]

        def finished(event: dict[str, Any]) -> None:
            received[event["requestId"]] = int(event["encodedDataLength"])

        chrome.on("Network.requestWillBeSent", sent)
        chrome.on("Network.loadingFinished", finished)
        await chrome.send("Network.enable")
        await chrome.send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": throttle.latency_ms,
                "downloadThroughput": throttle.down_bytes_s,
                "uploadThroughput": throttle.up_bytes_s,
            },
        )
        await page.goto(url, wait_until="load")
        await page.wait_for_timeout(SETTLED_MS)
        paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        seen = await page.evaluate("seen")
        loaded = tuple(requests.values())
        return Load(
            bytes_received=sum(received.values()),
            requests=loaded,
            hosts=frozenset(urlsplit(each).netloc for each in loaded if not each.startswith("data:")),
            first_paint_ms=paint,
            largest_paint_ms=seen["largest"],
            layout_shift=seen["shift"],
        )
    finally:
        await context.close()
