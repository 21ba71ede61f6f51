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

DEPENDING_ON_WIDTH = (
    "aria-hidden-focus",
    "button-name",
    "heading-order",
    "label",
    "link-name",
    "page-has-heading-one",
    "scrollable-region-focusable",
    "select-name",
    "summary-name",
)
"""The rules of axe that may find something at one width and nothing at another. The sizes of targets are measured in
the gallery: axe's rule for them costs as much as all of these."""


def _axe(options: str) -> str:
    """Run axe; its answer is each broken rule, and where. All that it finds in order would be ten times as much."""
    run = f"axe.run(document, {{resultTypes: ['violations'], selectors: false, {options}}})"
    return f"{run}.then(found => found.violations.map(({{id, nodes}}) => [id, nodes.map(node => node.html)]))"


AXE_RUN = {
    "light": _axe(""),
    "dark": _axe("runOnly: ['color-contrast', 'link-in-text-block']"),
    "narrow": _axe("rules: {'color-contrast': {enabled: false}}"),
    "width": _axe(f"runOnly: {list(DEPENDING_ON_WIDTH)}"),
}
"""What axe runs. Its rules cost more than all else of a visit, so each runs where it may find something new.

- `light`: all of them, once for each page, at the width of a desk.
- `dark`: those about colours: the schemes differ in nothing else.
- `narrow`: all but comparing colours, the dearest: in the gallery, whose pages have every component, and where the
  text runs from right to left.
- `width`: on every page, the rules that depend on its width.
"""


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


def violations(page: Page, what: str = "light") -> list[tuple[str, list[str]]]:
    """The findings of axe-core: each broken rule, and where. Loads it into a page that has none, past its CSP, and into
    those that this one is followed by."""
    if page.evaluate("typeof axe") == "undefined":
        session = page.context.new_cdp_session(page)  # takes half as long as `evaluate`
        session.send("Runtime.evaluate", {"expression": f"{AXE.read_text()};0"})
        session.detach()
        page.add_init_script(path=AXE)
    return [(rule, where) for rule, where in page.evaluate(AXE_RUN[what])]
