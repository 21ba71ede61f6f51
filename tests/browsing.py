"""Pages in Chromium, for tests and screenshots: opening a page, and finding its errors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from app.sandbox.home import ROOT
from tests.complaints import complaints_of

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SCREENS = ROOT / "var" / "screens"
"""Where pictures of pages are left for people."""

TAKE_SCREENS = bool(os.environ.get("TAKE_SCREENS"))
"""Whether tests take them: `make screens` sets it. A picture of a page costs as much as all its checks."""

AXE_RUN = {
    "light": "axe.run(document, {resultTypes: ['violations']})",
    "dark": "axe.run(document, {resultTypes: ['violations'], runOnly: ['color-contrast', 'link-in-text-block']})",
    "narrow": "axe.run(document, {resultTypes: ['violations'], rules: {'color-contrast': {enabled: false}}})",
}
"""What axe runs in each scheme. The schemes differ in colours alone, so the dark one is checked for these. A page that
was checked in light is checked for all else at a second width: comparing colours takes three quarters of the time."""


@contextmanager
def opened(browser: Browser, url: str = "about:blank", width: int = 1280, **context: Any) -> Iterator[Page]:
    """Open a page at `url`; fails on any error or warning of the browser, also CSP violations."""
    made = browser.new_context(viewport={"width": width, "height": 800}, **context)
    page = made.new_page()
    complaints = complaints_of(page)
    page.goto(url)
    try:
        yield page
        assert complaints == []
    finally:
        made.close()


def overflow_px(page: Page) -> int:
    """The number of pixels by which the page is wider than its window."""
    wider: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return wider


def violations(page: Page, scheme: str = "light") -> list[tuple[str, list[str]]]:
    """The findings of axe-core: each broken rule, and where. Loads it into a page that has none, past its CSP."""
    if page.evaluate("typeof axe") == "undefined":
        session = page.context.new_cdp_session(page)  # takes half as long as `evaluate`
        session.send("Runtime.evaluate", {"expression": f"{AXE.read_text()};0"})
        session.detach()
    found = page.evaluate(AXE_RUN[scheme])
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
