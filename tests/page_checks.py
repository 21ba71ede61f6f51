"""Checks of a page that is open in a real browser: axe finds nothing in either scheme, and nothing is wider than the
window."""

from playwright.async_api import Page

from tests.browsing import AXE, AXE_RUN, SCREENS, TAKE_SCREENS

WIDTHS_PX = (1280, 360, 320)


async def check_page(page: Page, name: str) -> None:
    """Fail with all faults of the page; see `faults_of`."""
    faults = await faults_of(page, name)
    assert not faults, "\n".join(faults)


async def faults_of(page: Page, name: str) -> list[str]:
    """The faults of the page: what axe finds, and where it is wider than the window. Leaves it light, at 1280 px.

    `name` is its own within the suite, such as `cabinet-keys`: with `TAKE_SCREENS` pictures of it go to `var/screens`.
    """
    faults: list[str] = []
    await page.evaluate(AXE.read_text())
    for scheme in ("dark", "light"):
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width in reversed(WIDTHS_PX):
            await page.set_viewport_size({"width": width, "height": 900})
            wide = await page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                faults.append(f"{name}: {wide} px wide at {width}, {scheme}")
            if width in (1280, 360) and (scheme == "light" or width == 1280):
                found = await page.evaluate(AXE_RUN[scheme])
                faults += [
                    f"{name}: {each['id']} at {width}, {scheme}: {[node['html'][:160] for node in each['nodes']]}"
                    for each in found["violations"]
                ]
            if TAKE_SCREENS and width != 320:
                SCREENS.mkdir(parents=True, exist_ok=True)
                await page.screenshot(path=SCREENS / f"{name}-{width}-{scheme}.png", full_page=True)
    return faults


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
