"""The desk's pages of a Tron network in a real browser under the strict CSP: axe, phone and desk, both schemes."""

from pathlib import Path

import pytest

from app.core import clock
from app.core.settings import Settings
from app.sandbox.tron_driver import TronDriver
from app.signer.keystore import SpendingKeys
from app.wiring import running, wire
from tests.checkout.running import running_app
from tests.identity.browsing import an_account
from tests.operator.browsing import chromium, forget_codes, opened, sign_in
from tests.operator.tron_scene import set_tron_scene
from tests.page_checks import faults_of
from tests.services import empty_redis


@pytest.mark.timeout(600)
async def test_every_page_is_accessible_and_fits(
    environment: dict[str, str],
    tron_settings: Settings,
    tron: TronDriver,
    tron_usdt: str,
    keys: SpendingKeys,
    steady_clock: None,
    tmp_path: Path,
) -> None:
    async with running(wire(tron_settings)) as services:
        await empty_redis()
        scene = await set_tron_scene(services, tron, tron_usdt, keys)
        account = await an_account(tron_settings, "olive@example.test", totp=True, is_operator=True)
        await forget_codes(account)
        clock.unshift()
        faults: list[str] = []
        async with (
            running_app(environment, tmp_path / "web", sandbox=False) as web,
            chromium() as browser,
            opened(browser) as page,
        ):
            await sign_in(page, web, account)
            for name, path in scene.pages().items():
                await page.goto(f"http://127.0.0.1:{web.port}{path}")
                faults += await faults_of(page, f"desk-{name}")
    assert not faults, "\n".join(faults)
