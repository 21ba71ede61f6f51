"""What generators of clients and other tools ask of the OpenAPI document beyond the standard."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs

from app.events.types import EVENT_TYPES, TEST

LINTER = Path(__file__).parents[1] / "openapi" / "node_modules" / ".bin" / "redocly"
JSON = "application/json"
MOST_SCHEMAS = 79
"""Each becomes a class of a generated client."""


def inline(schema: Any, place: str) -> Iterator[str]:
    """Where enumerations and free objects are that no name has: generators invent one for each."""
    if isinstance(schema, list):
        for each in schema:
            yield from inline(each, place)
    elif isinstance(schema, dict):
        if "enum" in schema or schema.get("type") == "object":
            yield place
        for key, value in schema.items():
            fields = value.items() if key == "properties" else [(key, value)]
            for name, field in fields:
                yield from inline(field, f"{place}.{name}")


async def test_every_class_of_a_generated_client_has_a_name_of_the_domain(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/v1/openapi.json")).json()
    schemas = described["components"]["schemas"]
    assert len(schemas) <= MOST_SCHEMAS
    assert {"Invoice", "InvoiceStatus", "Payout", "Refund", "WithdrawalStatus", "Mode", "Error"} <= set(schemas)
    for name, schema in schemas.items():
        assert re.fullmatch("[A-Z][A-Za-z]+", name)
        assert schema["title"] == name
        # openapi-python-client has one variable for an object and for a field of the object's name.
        own = schema.get("properties", {}).get(re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(), {})
        assert not {"$ref", "anyOf"} & set(own), name
        inside = {key: value for key, value in schema.items() if key not in ("enum", "type")}
        assert list(inline(inside, name)) == []
    operations = [operation for methods in described["paths"].values() for operation in methods.values()]
    for operation in operations:
        assert re.fullmatch("[a-z]+[A-Za-z]+", operation["operationId"])
        assert len(operation["tags"]) == 1
        parts = [parameter["schema"] for parameter in operation["parameters"]]
        parts += [
            content["schema"]
            for part in (operation.get("requestBody", {}), *operation["responses"].values())
            for content in part.get("content", {}).values()
        ]
        assert list(inline(parts, operation["operationId"])) == []
        refused = [response for status, response in operation["responses"].items() if status >= "400"]
        assert all(set(response) == {"$ref"} for response in refused)


async def test_every_event_type_has_a_schema_and_an_example(client: httpx.AsyncClient) -> None:
    described = (await client.get("/api/v1/openapi.json")).json()
    assert set(described["webhooks"]) == EVENT_TYPES | {TEST}
    for type, event in described["webhooks"].items():
        content = event["post"]["requestBody"]["content"][JSON]
        noun = type.partition(".")[0]
        expected = "Event" if type == TEST else f"{noun.capitalize()}Event"
        assert content["schema"]["$ref"] == f"#/components/schemas/{expected}"
        schema = {**content["schema"], "components": described["components"]}
        jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(content["example"])
        data = content["example"]["data"]
        assert content["example"]["type"] == type
        assert type == TEST or data[f"{noun}_id"] == data["id"]
        if noun in ("payout", "refund"):
            assert f"{noun}.{data['status']}" == type
    assert described["webhooks"]["invoice.paid"]["post"]["requestBody"]["content"][JSON]["example"]["data"]["credited"]


async def test_redocly_has_nothing_to_say(client: httpx.AsyncClient, tmp_path: Path) -> None:
    assert LINTER.exists(), "`make test` installs the linter"
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps((await client.get("/api/v1/openapi.json")).json()))
    done = subprocess.run(
        [LINTER, "lint", "--extends", "recommended", "--format", "json", described.name],
        cwd=tmp_path,
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = json.loads(done.stdout)
    assert [(each["ruleId"], each["message"]) for each in found["problems"]] == []
    assert (found["totals"]["errors"], found["totals"]["warnings"]) == (0, 0)
    assert done.returncode == 0
