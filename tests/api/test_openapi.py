"""The OpenAPI document agrees with the standard, the routes, the error catalogue, and the app."""

import base64
import json
import os
import re
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema_rs
import pytest
from litestar import Router, get
from litestar.exceptions import ImproperlyConfiguredException
from schemathesis.specs.openapi.definitions import OPENAPI_31

from app.api.error_catalogue import MEANINGS
from app.api.guard import MerchantRouter, requires
from app.api.openapi import document
from app.api_keys.authentication import Authenticator
from app.api_keys.scopes import Scope
from app.core import clock
from app.core.errors import STATUS, Code
from app.core.settings import Settings
from app.events.sequencer import number_events
from app.ledger import checkpoints
from app.sandbox.chain_driver import AnvilDriver
from app.web.rate_limits import RateLimiter
from app.webhooks.fan_out import fan_out_with
from app.wiring import wire
from tests.api.conftest import BASE, Integrator
from tests.factories.payments import pay_on_chain
from tests.factories.rates import store_rate

JSON = "application/json"
HOOK = "https://127.0.0.1:8443/hooks"
SOMEBODY = "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"
PAYOUT = {"asset": "USDT", "chain": "ethereum", "amount": "1.00", "destination": SOMEBODY}
REFUND = {"amount": "1.00", "refund_address": SOMEBODY}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Receivers may be on loopback, and checkpoints are signed."""
    return environment | {
        "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        "CHECKPOINT_KEY": f"c1:{base64.b64encode(os.urandom(32)).decode()}",
    }


@pytest.fixture
async def described(client: httpx.AsyncClient) -> dict[str, Any]:
    """The document, fetched without a key."""
    answer = await client.get("/api/v1/openapi.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, JSON)
    body: dict[str, Any] = answer.json()
    return body


def operations(described: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation) of the whole document."""
    return [
        (path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def resolved(described: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The part, or the shared one of the components that it refers to."""
    if "$ref" not in part:
        return part
    _, components, kind, name = part["$ref"].split("/")
    shared: dict[str, Any] = described[components][kind][name]
    return shared


def validator(described: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A validator of one schema of the document."""
    return jsonschema_rs.Draft202012Validator({**schema, "components": described["components"]}, validate_formats=True)


async def test_it_is_openapi_3_1(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1.")
    assert [error.message for error in jsonschema_rs.validator_for(OPENAPI_31).iter_errors(described)] == []
    for schema in described["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    ids = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(set(ids)) == len(ids)
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(described)):
        place: Any = described
        for step in reference.split("/"):
            place = place[step]


async def test_every_route_of_the_api_is_in_it_and_nothing_else(
    client: httpx.AsyncClient, described: dict[str, Any]
) -> None:
    app = client._transport.app._app  # type: ignore[attr-defined]
    routed = {
        (route.path_format, method)
        for route in app.routes
        if route.path.startswith(BASE)
        for method in route.methods - {"OPTIONS"}
    }
    assert {(path, method.upper()) for path, method, _ in operations(described)} == routed
    assert len(routed) >= 8


async def test_every_operation_and_field_says_what_it_is(described: dict[str, Any]) -> None:
    known_tags = {tag["name"] for tag in described["tags"]}
    assert all(tag["description"] for tag in described["tags"])
    for path, method, operation in operations(described):
        assert operation["summary"], path
        assert operation["description"], path
        assert set(operation["tags"]) <= known_tags
        for parameter in operation["parameters"]:
            assert parameter["description"], (path, parameter["name"])
        if method in ("post", "put", "patch") and "requestBody" in operation:
            assert "example" in operation["requestBody"]["content"][JSON]
    for name, schema in described["components"]["schemas"].items():
        assert schema["description"], name
        for field, about in schema.get("properties", {}).items():
            is_plain_list = "items" in about and "$ref" in about["items"]
            assert "$ref" in about or is_plain_list or about.get("description"), f"{name}.{field}"


async def test_every_documented_error_is_of_the_catalogue_and_in_its_status(described: dict[str, Any]) -> None:
    used: set[str] = set()
    for path, _, operation in operations(described):
        statuses = {int(status) for status in operation["responses"]}
        assert {400, 401, 403, 429, 500} <= statuses, path
        by_status = operation["x-error-codes"]
        assert {status for status in operation["responses"] if int(status) >= 400} == set(by_status), path
        for status, response in operation["responses"].items():
            shared = resolved(described, response)
            assert shared["headers"]["X-Request-Id"]
            if int(status) < 400:
                continue
            codes = by_status[status]
            used.update(codes)
            assert set(codes) <= set(shared["content"][JSON]["examples"])
            assert {STATUS[Code(code)] for code in codes} == {int(status)}
            assert all(f"`{code}`" in operation["description"] for code in codes), path
    shown: set[str] = set()
    for response in described["components"]["responses"].values():
        content = response["content"][JSON]
        shown.update(content["examples"])
        for code, example in content["examples"].items():
            validator(described, content["schema"]).validate(example["value"])
            assert example["value"]["error"]["code"] == code
    assert shown == used


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Code)
    assert all(meaning.message and meaning.advice.endswith((".", "`")) for meaning in MEANINGS.values())


async def test_examples_of_answers_and_bodies_are_valid(described: dict[str, Any]) -> None:
    for path, _, operation in operations(described):
        success = next(response for status, response in operation["responses"].items() if status < "300")
        contents = [
            part["content"][JSON] for part in (success, operation.get("requestBody")) if part and "content" in part
        ]
        assert contents or "204" in operation["responses"], path
        for content in contents:
            validator(described, content["schema"]).validate(content["example"])
        for parameter in operation["parameters"]:
            if "example" in parameter:
                validator(described, parameter["schema"]).validate(parameter["example"])


async def test_example_requests_work_and_answer_as_described(
    client: httpx.AsyncClient,
    described: dict[str, Any],
    integrator: Integrator,
    chain_settings: Callable[..., Settings],
    driver: AnvilDriver,
    token: str,
) -> None:
    """Send each operation with its example, with the ids of existing objects."""
    services = wire(chain_settings())
    paid = await integrator.invoice("paid", amount="1000")
    await pay_on_chain(services, driver, token, paid["pay_in"]["address"], int(paid["pay_in"]["amount_raw"]))
    assert services.settings.checkpoint_keys is not None
    await checkpoints.create(services.settings.checkpoint_keys, clock.now())
    made = {"{invoice_id}": (await integrator.invoice("first"))["id"], "{chain}": "ethereum", "{txid}": f"0x{64 * '7'}"}
    await store_rate("USDT", "EUR", "0.92", clock.now())
    price = await integrator.post("/invoices", {"amount": "49.90", "currency": "EUR"}, once="price")
    link = await integrator.post("/payment-links", {"currency": "EUR"}, once="link")
    made["{link_id}"] = link.json()["id"]
    await number_events(fan_out_with(chain_settings().data_keys))
    made["{month}"] = f"{clock.now():%Y-%m}"
    made["{event_id}"] = (await integrator.get("/events")).json()["data"][0]["event_id"]
    for path, method, operation in operations(described):
        examples = {parameter["name"]: parameter.get("example") for parameter in operation["parameters"]}
        by_place = {
            place: [p["name"] for p in operation["parameters"] if p["in"] == place and examples[p["name"]] is not None]
            for place in ("query", "header")
        }
        body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("example")
        webhook = await integrator.post("/webhooks", {"url": f"{HOOK}/{method}{path}"}, once=f"{method} {path}")
        made["{webhook_id}"] = webhook.json()["id"]
        payout = await integrator.post("/payouts", PAYOUT, once=f"{method} {path}")
        made["{payout_id}"] = payout.json()["id"]
        refund = await integrator.post(f"/invoices/{paid['id']}/refunds", REFUND, once=f"{method} {path}")
        made["{refund_id}"] = refund.json()["id"]
        of_invoice = path.replace("{invoice_id}", paid["id"]) if "refunds" in path else path
        if path.endswith("/quotes"):
            of_invoice = path.replace("{invoice_id}", price.json()["id"])
        if body and "url" in body:
            body = body | {"url": HOOK}  # the example's name does not resolve
        if body and "webhook_id" in body:
            body = body | {"webhook_id": made["{webhook_id}"]}
        answer = await client.request(
            method,
            re.sub(r"{.*?}", lambda found: made[found[0]], of_invoice),
            params={name: examples[name] for name in by_place["query"]},
            headers=integrator.headers() | {name: examples[name] for name in by_place["header"]},
            **({"json": body} if body else {}),
        )
        assert answer.status_code < 300, (path, answer.text)
        response = operation["responses"][str(answer.status_code)]
        if answer.status_code == 204:
            continue
        validator(described, response["content"][JSON]["schema"]).validate(answer.json())
        required = {name for name, about in response["headers"].items() if name != "Idempotent-Replayed"}
        assert all(name in answer.headers for name in required)
    await number_events(fan_out_with(chain_settings().data_keys))
    happened = (await integrator.get("/events", limit=100)).json()["data"]
    assert {"invoice.paid", "payout.pending_approval", "refund.pending_approval"} <= {each["type"] for each in happened}
    for event in happened:
        content = described["webhooks"][event["type"]]["post"]["requestBody"]["content"][JSON]
        validator(described, content["schema"]).validate(event)
        assert set(content["example"]["data"]) == set(event["data"])


async def test_accepted_query_parameters_are_the_documented_ones(
    client: httpx.AsyncClient, described: dict[str, Any], integrator: Integrator
) -> None:
    names = {
        p["name"] for _, _, operation in operations(described) for p in operation["parameters"] if p["in"] == "query"
    }
    assert {"limit", "cursor", "status", "asset"} <= names
    for path, method, operation in operations(described):
        documented = {p["name"] for p in operation["parameters"] if p["in"] == "query"}
        for name in names | {"colour"}:
            answer = await client.request(method, path, params={name: "x"}, headers=integrator.headers())
            unknown = answer.status_code == 400 and "is not a known parameter" in answer.json()["error"]["message"]
            assert unknown == (name not in documented), (path, name, answer.text)


async def test_nothing_internal_is_shown(described: dict[str, Any]) -> None:
    operation = json.dumps(described)
    for internal in ("/metrics", "/healthz", "/readyz", "/pay/{", "litestar", "msgspec", "contract, section", "app."):
        assert internal not in operation.replace("https://pay.example.com/pay/INV-", ""), internal


async def test_the_document_has_an_etag_of_its_content(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/openapi.json", "/docs/api"):
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert first.headers["Cache-Control"] == "public, max-age=300"
        assert (again.status_code, again.content) == (304, b"")
        assert (await client.get(path)).content == first.content


def test_a_route_without_a_description_stops_the_start(settings: Settings) -> None:
    @get("/forgotten", opt=requires(Scope.EVENTS_READ))
    async def forgotten() -> None: ...

    api: Router = MerchantRouter(
        BASE,
        route_handlers=[forgotten],
        authenticator=Authenticator(settings.api_key_peppers),
        rate_limiter=RateLimiter(),
    )
    with pytest.raises(ImproperlyConfiguredException, match=r"GET /api/v1/merchant/forgotten has no description"):
        document(api, "https://pay.example.test")
