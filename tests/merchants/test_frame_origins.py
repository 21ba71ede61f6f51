"""Which origins a merchant may list, and which of them may frame the page of an invoice."""

import asyncpg
import pytest

from app.core import database
from app.core.errors import ApiError, Code
from app.merchants.frame_origins import MAX_ORIGINS, allowed, checked
from tests.factories.merchants import merchant


def test_origins_are_kept_as_browsers_write_them() -> None:
    given = [
        " https://Shop.Example/ ",
        "https://shop.example:443",
        "https://shop.example:8443",
        "http://localhost:3000",
    ]
    assert checked(given) == ("https://shop.example", "https://shop.example:8443", "http://localhost:3000")
    assert checked(["http://127.0.0.1:80"]) == ("http://127.0.0.1",)
    assert checked([]) == ()


NO_ORIGINS = [
    "http://shop.example",
    "http://localhost.shop.example",
    "*",
    "https://*.shop.example",
    "https://*",
    "shop.example",
    "https://",
    "https:",
    "null",
    "'self'",
    "data:",
    "javascript://shop.example",
    "https://shop.example/path",
    "https://shop.example?query",
    "https://shop.example#part",
    "https://user@shop.example",
    "https://shop.example:0",
    "https://shop.example:99999",
    "https://shop.example;script-src",
    "https://shop.example,https://evil.example",
    "https://shop.example\nhttps://evil.example",
    "https://-shop.example",
    "https://shop..example",
    "https://shöp.example",
    "https://\uff53hop.example",
    "https://[::1]",
    "https://" + "a." * 140 + "example",
]


def test_what_is_no_exact_origin_is_refused() -> None:
    for bad in NO_ORIGINS:
        with pytest.raises(ApiError, match="frame_origins") as refused:
            checked(["https://shop.example", bad])
        assert refused.value.code is Code.INVALID_INPUT, bad


def test_ten_origins_are_the_most() -> None:
    several = [f"https://shop{n}.example" for n in range(MAX_ORIGINS)]
    assert len(checked([*several, several[0]])) == MAX_ORIGINS
    with pytest.raises(ApiError):
        checked([*several, "https://one.more.example"])


def test_in_live_mode_only_https_may_frame() -> None:
    listed = ("https://shop.example", "http://localhost:3000")
    assert allowed(listed, "live") == ("https://shop.example",)
    assert allowed(listed, "test") == listed


@pytest.mark.usefixtures("db")
async def test_postgres_refuses_what_could_change_the_header() -> None:
    merchant_id = await merchant()
    for bad in (["https://a.example; script-src *"], ["https://*.example"], ["'self'"], ["https://a.example"] * 11):
        with pytest.raises(asyncpg.CheckViolationError):
            await database.execute("UPDATE merchants SET frame_origins = $2 WHERE id = $1", merchant_id, bad)
