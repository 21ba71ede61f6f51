"""Checks of a page that is open in a real browser: axe finds nothing in either scheme, and nothing is wider than the
window."""

import os
from typing import Literal

from playwright.async_api import Page

from tests.browsing import AXE, AXE_RUN, SCREENS, TAKE_SCREENS

LOOKS: tuple[tuple[Literal["light", "dark"], int, str | None], ...] = (
    ("dark", 360, None),
    ("dark", 1280, "dark" if os.environ.get("SOAK") else None),
    ("light", 320, None),
    ("light", 360, "width"),
    ("light", 1280, "light"),
)
"""Scheme, width in px, and what axe runs there; where it runs nothing in the dark scheme, that is for pictures only.

Colours come from the style sheets' few pairs: the gallery, which has every component, is checked in both schemes each
time, and every page of the walks in the dark one by `make soak`. Comparing colours takes most of axe's time."""


async def check_page(page: Page, name: str) -> None:
    """Fail with all faults of the page; see `faults_of`."""
    faults = await faults_of(page, name)
    assert not faults, "\n".join(faults)


async def faults_of(page: Page, name: str) -> list[str]:
    """The faults of the page: what axe finds, and where it is wider than the window. Leaves it light, at 1280 px.

    `name` is its own within the suite, such as `cabinet-keys`: with `TAKE_SCREENS` pictures of it go to `var/screens`.
    """
    faults: list[str] = []
    await load_axe(page)
    for scheme, width, what in LOOKS:
        if what is None and not TAKE_SCREENS and scheme == "dark":
            continue
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.set_viewport_size({"width": width, "height": 900})
        wide = await page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            faults.append(f"{name}: {wide} px wide at {width}, {scheme}")
        if what is not None:
            found = await page.evaluate(AXE_RUN[what])
            faults += [
                f"{name}: {rule} at {width}, {scheme}: {[each[:160] for each in where]}" for rule, where in found
            ]
        if TAKE_SCREENS and width != 320:
            SCREENS.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=SCREENS / f"{name}-{width}-{scheme}.png", full_page=True)
    return faults


async def load_axe(page: Page) -> None:
    """As `violations` of tests/browsing.py does, but for a page of the asynchronous Playwright."""
    if await page.evaluate("typeof axe") == "undefined":
        session = await page.context.new_cdp_session(page)
        await session.send("Runtime.evaluate", {"expression": f"{AXE.read_text()};0"})
        await session.detach()
        await page.add_init_script(path=AXE)
