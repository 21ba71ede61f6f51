"""Where the gallery is, and where it is not."""

from dataclasses import replace

import httpx
import pytest

from app.asgi import create_app
from app.core.settings import Settings
from app.sandbox import gallery


async def test_the_sandbox_shows_the_gallery(settings: Settings) -> None:
    app = create_app(replace(settings, environment="sandbox"), sandbox_routes=gallery.routes)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
        shown = await client.get("/gallery")
        missing = await client.get("/gallery/nothing-like-it")
    assert "Warm paper, petrol ink" in shown.text
    assert missing.status_code == 404


async def test_no_other_environment_shows_it(settings: Settings) -> None:
    with pytest.raises(ValueError, match="only a sandbox"):
        create_app(settings, sandbox_routes=gallery.routes)
    transport = httpx.ASGITransport(app=create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
        assert (await client.get("/gallery")).status_code == 404
