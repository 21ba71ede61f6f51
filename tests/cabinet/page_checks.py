"""Checks of a cabinet page in a real browser: axe, both schemes, both widths, and a screenshot of each."""

from playwright.async_api import Page

from tests.browsing import AXE, AXE_RUN, SCREENS


async def check_page(page: Page, name: str) -> None:
    """Check: axe finds nothing, light and dark; nothing is wider than a phone; screenshots go to `var/screens`."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.evaluate(AXE.read_text())
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 800})
            found = await page.evaluate(AXE_RUN)
            problems = [(each["id"], [node["html"][:160] for node in each["nodes"]]) for each in found["violations"]]
            assert problems == [], f"{name}, {width}, {scheme}"
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} at {width}"
            await page.screenshot(path=SCREENS / f"cabinet-{name}-{width}-{scheme}.png", full_page=True)
    await page.set_viewport_size({"width": 1280, "height": 800})


def complaints_of(page: Page) -> list[str]:
    """Collect the console's messages about this page from now on, CSP reports and script errors included.

    Chromium calls a form that was refused an error, too; that it is shown again is the page's business.
    """
    complaints: list[str] = []

    def note(kind: str, text: str) -> None:
        if kind == "error" and "status of 422" not in text:
            complaints.append(text)

    page.on("console", lambda message: note(message.type, message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return complaints
