"""What of the API is deprecated is told to whoever uses it, in headers, in the document and by email."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
from litestar.exceptions import ImproperlyConfiguredException

from app.api import deprecations
from app.api.deprecations import Deprecation
from app.api_keys.deprecated_calls import DeprecatedCalls
from app.asgi import create_app
from app.core import clock, database
from app.core.settings import Settings
from app.merchants import notices
from tests.api.conftest import INVOICE, Integrator
from tests.factories.letters import letters
from tests.factories.merchants import make_member

SINCE = datetime(2026, 5, 1, tzinfo=UTC)
ENDS = datetime(2027, 6, 1, tzinfo=UTC)
OLD = (
    Deprecation(operation="getBalance", since=SINCE, ends=ENDS, instead="Use `listLedger`."),
    Deprecation(operation="listInvoices", parameter="customer_id", since=SINCE, ends=ENDS, instead="Use `order_id`."),
    Deprecation(operation="createInvoice", parameter="customer_id", since=SINCE, ends=ENDS, instead="Use `metadata`."),
)


@pytest.fixture
def chain_settings(chain_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Three things are deprecated."""
    monkeypatch.setattr(deprecations, "DEPRECATIONS", OLD)
    return chain_settings


def is_told(answer: httpx.Response, operation: str) -> bool:
    """Whether the answer says that something is deprecated; then it says so in all three headers."""
    if "Deprecation" not in answer.headers:
        assert "Sunset" not in answer.headers
        assert "Link" not in answer.headers
        return False
    assert answer.headers["Deprecation"] == f"@{int(SINCE.timestamp())}"
    assert parsedate_to_datetime(answer.headers["Sunset"]) == ENDS
    assert answer.headers["Link"] == (
        f'<https://pay.example.test/docs/api#{operation}>; rel="deprecation"; type="text/html"'
    )
    return True


async def told(count: int) -> list[str]:
    """What was noted, once it is so much: it is noted beside the requests."""
    async with asyncio.timeout(60):
        while True:
            rows = await database.fetch_all("SELECT name FROM deprecated_calls ORDER BY name")
            if len(rows) >= count:
                return [row["name"] for row in rows]
            await asyncio.sleep(0.05)


async def test_who_uses_what_is_deprecated_is_told(client: httpx.AsyncClient, integrator: Integrator) -> None:
    for role in ("owner", "developer", "accountant"):
        await make_member(merchant_id=integrator.merchant_id, role=role, email=f"{role}@shop.example", now=clock.now())
    assert not is_told(await integrator.get("/invoices"), "listInvoices")
    assert not is_told(await integrator.post("/invoices", INVOICE, once="new"), "createInvoice")
    assert not is_told(await integrator.get("/assets"), "listAssets")

    for _ in range(3):
        assert is_told(await integrator.get("/balance"), "getBalance")
    assert is_told(await integrator.get("/invoices", customer_id="7"), "listInvoices")
    made = await integrator.post("/invoices", INVOICE | {"customer_id": "7"}, once="old")
    assert (made.status_code, made.json()["customer_id"]) == (201, "7")
    assert is_told(made, "createInvoice")
    null = await integrator.post("/invoices", INVOICE | {"customer_id": None}, once="null")
    assert is_told(null, "createInvoice"), "a field that is sent is used, whatever its value"

    assert await told(3) == ["createInvoice.customer_id", "getBalance", "listInvoices.customer_id"]
    await notices.make_emails("https://pay.example.test", clock.now())
    written = await letters()
    assert {one.recipient for one in written} == {"owner@shop.example", "developer@shop.example"}
    assert len(written) == 6
    assert {one.subject for one in written} == {"Something that you use of the API will end"}
    bodies = "\n".join(one.body for one in written)
    for words in (
        "A program of yours has called getBalance of the API. It is deprecated since 2026-05-01, and ends on 2027-06",
        "Use `listLedger`.",
        "https://pay.example.test/docs/api#getBalance",
        "Called with: API key",
    ):
        assert words in bodies


async def test_they_are_told_again_after_thirty_days_and_by_one_of_many_processes(
    integrator: Integrator, monkeypatch: pytest.MonkeyPatch, chain_settings: Callable[..., Settings]
) -> None:
    assert is_told(await integrator.get("/balance"), "getBalance")
    await told(1)
    watch = deprecations.watches("https://pay.example.test", others := DeprecatedCalls())["getBalance"]
    principal = type("Principal", (), {"merchant_id": integrator.merchant_id, "mode": "test", "key_id": "k"})()
    began = clock.now()
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(days=29))
    watch.note({}, principal, ())
    await others.close()
    count = "SELECT count(*) FROM merchant_notices WHERE kind = 'api.deprecated'"
    assert await database.fetch_value(count) == 1
    monkeypatch.setattr(clock, "now", lambda: began + timedelta(days=31))
    watch.note({}, principal, ())
    await others.close()
    assert await database.fetch_value(count) == 2


async def test_the_document_and_its_page_say_it(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/v1/openapi.json")).json()
    merchant = described["paths"]
    balance = merchant["/api/v1/merchant/balance"]["get"]
    assert balance["deprecated"] is True
    assert balance["description"].startswith("Deprecated since 2026-05-01, ends on 2027-06-01. Use `listLedger`.")
    assert {"Deprecation", "Sunset", "Link"} <= set(balance["responses"]["200"]["headers"])
    marked = [p["name"] for p in merchant["/api/v1/merchant/invoices"]["get"]["parameters"] if p.get("deprecated")]
    assert marked == ["customer_id"]
    fields = described["components"]["schemas"]["InvoiceRequest"]["properties"]
    assert [name for name, field in fields.items() if field.get("deprecated")] == ["customer_id"]
    assert fields["customer_id"]["description"].endswith("Use `metadata`.")
    page = (await client.get("/docs/api")).text
    assert page.count("Deprecated since 2026-05-01") == 4  # a field of a body: where it is sent, and in its schema


def test_nothing_ends_within_a_year_and_every_entry_names_something(
    chain_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="would end less than 365 days after"):
        Deprecation(operation="getBalance", since=SINCE, ends=SINCE + timedelta(days=364), instead="")
    unknown = Deprecation(operation="getBalance", parameter="moon", since=SINCE, ends=ENDS, instead="")
    monkeypatch.setattr(deprecations, "DEPRECATIONS", (unknown,))
    with pytest.raises(ImproperlyConfiguredException, match=r"getBalance\.moon is deprecated"):
        create_app(chain_settings())
