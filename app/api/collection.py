"""The API as a collection of requests to try out by hand: `/api/v1/collection.json`, made of the OpenAPI document.

The format is Postman's, version 2.1, which Bruno, Hoppscotch, Insomnia and Postman import: the first two without an
account. Each request is the document's own example. `{{url}}` and `{{key}}` are variables of the collection, and so is
each parameter of a path, so that the id of an invoice is entered once for all requests about invoices.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from app.api.responses import JSON

FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
FRESH_KEY = "{{$guid}}"
"""As the Idempotency-Key: these programs put a new UUID there each time a request is sent."""

_ABOUT = (
    "Enter your API key as the collection's variable `key`; a test key sees test networks alone. Ids in paths are "
    "variables too. Creations are sent with a new Idempotency-Key each time: write one of your own to repeat a request."
)


def collection(described: Mapping[str, Any]) -> dict[str, Any]:
    """The collection. `described` is the OpenAPI document."""
    operations = list(_operations(described))
    return {
        "info": {"name": described["info"]["title"], "description": _ABOUT, "schema": FORMAT},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{key}}", "type": "string"}]},
        "variable": [
            {"key": "url", "value": described["servers"][0]["url"], "description": "Where the gateway is."},
            {"key": "key", "value": "", "description": "Your API key, such as sspay_sec_test_…"},
            *_path_variables(operations),
        ],
        "item": [
            {
                "name": tag["name"],
                "description": tag["description"],
                "item": [
                    _item(path, method, operation)
                    for path, method, operation in operations
                    if operation["tags"][0] == tag["name"]
                ],
            }
            for tag in described["tags"]
        ],
    }


def _operations(described: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _path_variables(operations: list[tuple[str, str, Mapping[str, Any]]]) -> list[dict[str, str]]:
    """A variable for each name in a path, with its first example."""
    found: dict[str, dict[str, str]] = {}
    for _, _, operation in operations:
        for parameter in _in("path", operation):
            name = parameter["name"]
            value = str(parameter.get("example", ""))
            found.setdefault(name, {"key": name, "value": value, "description": parameter["description"]})
    return list(found.values())


def _item(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """A request, with the example of its answer."""
    request: dict[str, Any] = {
        "method": method.upper(),
        "header": _headers(operation),
        "url": _url(path, operation),
        "description": operation["description"],
    }
    body = operation.get("requestBody", {}).get("content", {}).get(JSON)
    if body is not None:
        request["header"].append({"key": "Content-Type", "value": JSON})
        request["body"] = {
            "mode": "raw",
            "raw": json.dumps(body.get("example", {}), indent=2, ensure_ascii=False),
            "options": {"raw": {"language": "json"}},
        }
    return {"name": operation["summary"], "request": request, "response": [_answer(operation, request)]}


def _url(path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """The address in Postman's parts. Optional parameters of the query are there, and switched off."""
    steps = [f"{{{{{step[1:-1]}}}}}" if step.startswith("{") else step for step in path.strip("/").split("/")]
    query = [
        {
            "key": parameter["name"],
            "value": _text(parameter.get("example", "")),
            "description": parameter["description"],
            "disabled": not parameter["required"],
        }
        for parameter in _in("query", operation)
    ]
    sent = "&".join(f"{each['key']}={each['value']}" for each in query if not each["disabled"])
    raw = "{{url}}/" + "/".join(steps) + (f"?{sent}" if sent else "")
    return {"raw": raw, "host": ["{{url}}"], "path": steps, "query": query}


def _headers(operation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The headers of the request. Optional ones are there, and switched off."""
    return [
        {
            "key": parameter["name"],
            "value": FRESH_KEY if parameter["name"] == "Idempotency-Key" else str(parameter.get("example", "")),
            "description": parameter["description"],
            "disabled": not parameter["required"],
        }
        for parameter in _in("header", operation)
    ]


def _answer(operation: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    status = next(status for status in operation["responses"] if status.startswith("2"))
    response = operation["responses"][status]
    content = response.get("content", {}).get(JSON)
    return {
        "name": response["description"],
        "originalRequest": dict(request),
        "status": response["description"],
        "code": int(status),
        "_postman_previewlanguage": "json",
        "header": [{"key": "Content-Type", "value": JSON}] if content else [],
        "body": json.dumps(content["example"], indent=2, ensure_ascii=False) if content else "",
    }


def _in(place: str, operation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [parameter for parameter in operation["parameters"] if parameter["in"] == place]


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
