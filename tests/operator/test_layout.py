"""Every page of the desk in a real browser under the strict CSP: axe, phone and desk, both schemes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.core import clock
from app.core.settings import Settings
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.checkout.running import running_app
from tests.operator.browsing import chromium, forget_codes, opened, sign_in
from tests.operator.scene import set_scene
from tests.page_checks import faults_of


@pytest.mark.timeout(900)
async def test_every_page_is_accessible_and_fits(
    services: Services,
    environment: dict[str, str],
    chain_settings: Callable[..., Settings],
    driver: AnvilDriver,
    token: str,
    tmp_path: Path,
) -> None:
    scene = await set_scene(services, driver, token)
    await forget_codes(scene.operator)
    clock.unshift()
    faults: list[str] = []
    async with (
        running_app(environment, tmp_path / "web", sandbox=False) as web,
        chromium() as browser,
        opened(browser) as page,
    ):
        await sign_in(page, web, scene.operator)
        for name, path in scene.pages().items():
            await page.goto(f"http://127.0.0.1:{web.port}{path}")
            faults += await faults_of(page, f"desk-{name}")
    assert not faults, "\n".join(faults)
