"""Pictures of every page for people to look at, in `var/screens`: `make screens`, or with areas by name
`python -m tests.screens checkout`. Ends with 1 if the browser complained of a page, or one was wider than its window.

An area is a context manager: while it is entered, the pages that it gives can be opened. A new area is a line in
`AREAS`. Each page is taken at the widths of a desk and of a phone, in light and in dark.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browsing import SCREENS, overflow_px
from tests.checkout.site import Site, pictured
from tests.chromium import launch_options
from tests.docs.served_reference import served_reference

WIDTHS_PX = (1280, 360)
SCHEMES = ("light", "dark")


@dataclass(frozen=True)
class Area:
    """The pages of one part of the gateway, each with a name for its picture."""

    pages: list[tuple[str, str]]
    """Name and URL. A URL's #fragment takes the window at that place, others are taken whole."""
    sign_in: Callable[[BrowserContext], None] = lambda context: None
    """What a fresh browser needs before it may see them."""


@contextmanager
def checkout() -> Iterator[Area]:
    """The checkout page in every state, receipts and error pages."""
    site = Site()
    yield Area(pictured(site))
    site.close()


@contextmanager
def reference() -> Iterator[Area]:
    """The rendered API reference."""
    with served_reference() as url:
        yield Area([("reference", url), ("reference-operation", f"{url}#createInvoice")])


AREAS: dict[str, Callable[[], AbstractContextManager[Area]]] = {"checkout": checkout, "reference": reference}


def main(names: list[str], folder: Path = SCREENS) -> int:
    """Take the pictures of these areas, or of all; returns the exit status."""
    folder.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    for name in names or AREAS:
        # The area first: Playwright's loop leaves no room for another one in this thread.
        with AREAS[name]() as area, sync_playwright() as playwright:
            browser = playwright.chromium.launch(**launch_options())
            taken = _take(browser, area, folder, complaints)
            browser.close()
        print(f"{name}: {taken} pictures in {folder}", flush=True)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


def _take(browser: Browser, area: Area, folder: Path, complaints: list[str]) -> int:
    """One picture of each page at each width in each scheme; how many."""
    for width in WIDTHS_PX:
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
            )
            area.sign_in(context)
            page = context.new_page()
            page.on("console", lambda said: said.type in ("error", "warning") and complaints.append(said.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            for name, url in area.pages:
                picture = f"{name}-{width}-{scheme}.png"
                page.goto(url)
                if overflow_px(page):
                    complaints.append(f"{picture}: {overflow_px(page)} px wider than its window")
                page.screenshot(path=folder / picture, full_page="#" not in url)
            context.close()
    return len(area.pages) * len(WIDTHS_PX) * len(SCHEMES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
