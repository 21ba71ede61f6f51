"""The collection of requests: it has every operation, and its requests work as they are sent by such programs."""

import re
import uuid
from typing import Any

import httpx

from tests.api.conftest import BASE, Integrator


async def collected(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/api/v1/collection.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    body: dict[str, Any] = answer.json()
    return body


def requests_of(collection: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each request by its name."""
    items = [item for folder in collection["item"] for item in folder["item"]]
    return {item["name"]: item["request"] for item in items}


def filled(text: str, variables: dict[str, str]) -> str:
    """With the values of variables, and a UUID for each `$guid`."""
    return re.sub(r"{{(.*?)}}", lambda found: {**variables, "$guid": str(uuid.uuid4())}[found[1]], text)


async def send(client: httpx.AsyncClient, request: dict[str, Any], variables: dict[str, str]) -> httpx.Response:
    """What Bruno or Postman sends: what is not switched off, with the collection's authorization."""
    return await client.request(
        request["method"],
        filled(request["url"]["raw"], variables),
        headers={
            "Authorization": f"Bearer {variables['key']}",
            **{each["key"]: filled(each["value"], variables) for each in request["header"] if not each.get("disabled")},
        },
        content=request.get("body", {}).get("raw"),
    )


async def test_every_operation_is_in_the_collection_once(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/v1/openapi.json")).json()
    collection = await collected(client)
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")
    variables = {each["key"]: each["value"] for each in collection["variable"]}
    assert {"url", "key", "invoice_id", "payout_id"} <= set(variables)
    assert variables["url"] == described["servers"][0]["url"]
    assert not variables["key"]
    items = [item["request"] for folder in collection["item"] for item in folder["item"]]
    found = sorted(
        (request["method"].lower(), "/" + re.sub("{{(.*?)}}", "{\\1}", "/".join(request["url"]["path"])))
        for request in items
    )
    assert found == sorted((method, path) for path, methods in described["paths"].items() for method in methods)
    for request in items:
        names = re.findall("{{(.*?)}}", str(request))
        assert set(names) <= {*variables, "$guid"}
        assert "/".join(request["url"]["path"]) in request["url"]["raw"]


async def test_its_requests_work(client: httpx.AsyncClient, integrator: Integrator) -> None:
    collection = await collected(client)
    requests = requests_of(collection)
    variables = {each["key"]: each["value"] for each in collection["variable"]} | {"key": integrator.key}
    created = await send(client, requests["Create an invoice"], variables)
    assert created.status_code == 201, created.text
    assert created.json()["order_id"] == "1042"
    variables["invoice_id"] = created.json()["id"]
    assert (await send(client, requests["Retrieve an invoice"], variables)).json() == created.json()
    cancelled = await send(client, requests["Cancel an invoice"], variables)
    assert cancelled.json()["status"] == "cancelled"
    for name, request in requests.items():
        if request["method"] == "GET":  # 404 for what this merchant has not
            answer = await send(client, request, variables)
            lists = name.startswith("List ") and "{{" not in request["url"]["raw"].removeprefix("{{url}}")
            assert answer.status_code in ((200,) if lists else (200, 404)), (name, answer.text)
    assert str((await send(client, requests["List invoices"], variables)).url).endswith(f"{BASE}/invoices")
