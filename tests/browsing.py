"""Pages in Chromium, for tests and screenshots: opening a page, and finding its errors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from app.sandbox.home import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SCREENS = ROOT / "var" / "screens"
"""Where pictures of pages are left for people."""

TAKE_SCREENS = bool(os.environ.get("TAKE_SCREENS"))
"""Whether tests take them: `make screens` sets it. A picture of a page costs as much as all its checks."""

AXE_RUN = {
    "light": "axe.run(document, {resultTypes: ['violations']})",
    "dark": "axe.run(document, {resultTypes: ['violations'], runOnly: ['color-contrast', 'link-in-text-block']})",
}
"""What axe runs in each scheme. The schemes differ in colours alone, so the dark one is checked for these."""


@contextmanager
def opened(browser: Browser, url: str = "about:blank", width: int = 1280, **context: Any) -> Iterator[Page]:
    """Open a page at `url`; fails on any error or warning of the browser, also CSP violations."""
    complaints: list[str] = []
    made = browser.new_context(viewport={"width": width, "height": 800}, **context)
    page = made.new_page()
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
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
    """The findings of axe-core: each broken rule, and where. The page's context needs `bypass_csp=True`."""
    page.add_script_tag(content=AXE.read_text())
    found = page.evaluate(AXE_RUN[scheme])
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
