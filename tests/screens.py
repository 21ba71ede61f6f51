"""Screenshots of every page, for review, in `var/screens`: `make screens`, or with areas by name
`python -m tests.screens checkout`. Exits with 1 if the browser reported an error, or a page was wider than its window.

An area is a context manager: inside it, its pages can be opened. A new area is a line in `AREAS`. Each page is
captured at the widths of a desktop and of a phone, in light and in dark.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browsing import SCREENS, overflow_px
from tests.checkout.site import Site, pictured
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.docs.served_reference import served_reference

WIDTHS_PX = (1280, 360)
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


@dataclass(frozen=True)
class Area:
    """The pages of one part of the gateway, each with a name for its screenshot."""

    pages: list[tuple[str, str]]
    """Name and URL. With a #fragment the window at that place is captured, else the full page."""
    sign_in: Callable[[BrowserContext], None] = lambda context: None
    """Prepares a new browser context, for example signs in."""


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
    """Take the screenshots of these areas, or of all. Returns the exit status."""
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
    """Take one screenshot of each page at each width in each scheme. Returns their number."""
    for width in WIDTHS_PX:
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
            )
            area.sign_in(context)
            page = context.new_page()
            complaints_of(page, complaints)
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
