"""Every page of the desk in a real browser under the strict CSP: axe, phone and desk, both schemes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.core import clock
from app.core.settings import Settings
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.browsing import AXE, SCREENS
from tests.checkout.running import running_app
from tests.operator.browsing import chromium, forget_codes, opened, sign_in
from tests.operator.scene import set_scene

RUN_AXE = """async () => (await axe.run({resultTypes: ["violations"]})).violations.map(
    violation => violation.id + ": " + violation.nodes.map(node => node.html.slice(0, 200)).join(" | "))"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible_and_fits(
    services: Services,
    environment: dict[str, str],
    chain_settings: Callable[..., Settings],
    driver: AnvilDriver,
    token: str,
    tmp_path: Path,
    scheme: str,
) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    scene = await set_scene(services, driver, token)
    await forget_codes(scene.operator)
    clock.unshift()
    faults: list[str] = []
    async with (
        running_app(environment, tmp_path / "web", sandbox=False) as web,
        chromium() as browser,
        opened(browser, color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1280, "height": 900}) as page,
    ):
        await sign_in(page, web, scene.operator)
        for name, path in scene.pages().items():
            for width in (1280, 360, 320):
                await page.set_viewport_size({"width": width, "height": 900})
                await page.goto(f"http://127.0.0.1:{web.port}{path}")
                wide = await page.evaluate("document.documentElement.scrollWidth")
                if wide > width:
                    faults.append(f"{name}: {wide} px wide at {width}")
                if width == 1280:
                    await page.evaluate(AXE.read_text())
                    faults += [f"{name}: {violation}" for violation in await page.evaluate(RUN_AXE)]
                if width != 320:
                    await page.screenshot(path=SCREENS / f"desk-{name}-{width}-{scheme}.png", full_page=True)
    assert not faults, "\n".join(faults)
