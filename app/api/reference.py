"""The OpenAPI document, its page and its collection of requests. None needs an API key.

`/api/v1/openapi.json`, `/docs/api` and `/api/v1/collection.json` are made when they are first requested, and kept. The
page is rendered here: the usual viewers need inline styles and scripts, which our CSP forbids. This page has no script.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, Router, get
from litestar.handlers import HTTPRouteHandler
from markupsafe import Markup, escape

from app.api.collection import collection
from app.api.error_catalogue import MEANINGS
from app.api.openapi import document, operations
from app.api.responses import ERRORS, JSON
from app.core.errors import Code
from app.web.fixed import Fixed
from app.web.pages import HTML, Pages

_encode = msgspec.json.Encoder().encode


def routes(api: Router, pages: Pages, public_url: str) -> list[HTTPRouteHandler]:
    """The three routes, to be mounted at the root. Raises ImproperlyConfiguredException for undescribed routes."""
    operations(api)
    openapi_json = Fixed(JSON, lambda: msgspec.json.format(_encode(document(api, public_url)), indent=1))
    reference = Fixed(HTML, lambda: pages.render("docs/api.html", page_context(document(api, public_url))).encode())
    requests = Fixed(JSON, lambda: msgspec.json.format(_encode(collection(document(api, public_url))), indent=1))

    @get("/api/v1/openapi.json", include_in_schema=False)
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await openapi_json.answer(request)

    @get("/api/v1/collection.json", include_in_schema=False)
    async def collected(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await requests.answer(request)

    @get("/docs/api", include_in_schema=False)
    async def page(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await reference.answer(request)

    return [openapi, collected, page]


def page_context(described: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of the page's template. `described` is the OpenAPI document."""
    schemas = described["components"]["schemas"]
    server = described["servers"][0]["url"]
    by_tag: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in described["tags"]}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append(_operation(server, path, method, operation, schemas))
    return {
        "info": described["info"],
        "server": server,
        "groups": [
            {
                "name": tag["name"],
                "slug": _slug(tag["name"]),
                "text": tag["description"],
                "operations": by_tag[tag["name"]],
            }
            for tag in described["tags"]
        ],
        "events": [
            {"type": type, "summary": event["post"]["summary"], "schema": _name(_content(event["post"])["schema"])}
            for type, event in described["webhooks"].items()
        ],
        "schemas": [
            {
                "name": name,
                "text": schema.get("description", ""),
                "fields": _fields(schema),
                "choices": schema.get("enum"),
            }
            for name, schema in schemas.items()
        ],
        "prose": prose,
    }


def _operation(
    server: str, path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> dict[str, Any]:
    success = next(status for status in operation["responses"] if status.startswith("2"))
    answer = operation["responses"][success].get("content", {}).get(JSON)
    body = _content(operation)
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "text": operation["description"].partition(ERRORS)[0].strip(),
        "parameters": [
            parameter | {"type": _type(parameter["schema"]), "refers": _referred(parameter["schema"])}
            for parameter in operation["parameters"]
        ],
        "body": body and {"name": _name(body["schema"]), "fields": _fields(schemas[_name(body["schema"])])},
        "answer": answer and {"name": _name(answer["schema"]), "example": coloured(answer["example"])},
        "success": success,
        "success_headers": list(operation["responses"][success]["headers"]),
        "curl": _curl(server, path, method, operation, body),
        "errors": [
            {"code": code, "status": int(status), "text": MEANINGS[Code(code)].advice}
            for status, codes in operation["x-error-codes"].items()
            for code in codes
        ],
    }


def _content(operation: Mapping[str, Any]) -> Any:
    """Schema and example of an operation's body; None where it has none."""
    return operation.get("requestBody", {}).get("content", {}).get(JSON)


def _curl(server: str, path: str, method: str, operation: Mapping[str, Any], body: Mapping[str, Any] | None) -> str:
    """The operation's example as a curl command."""
    query = []
    headers = ["Authorization: Bearer $SWAP_PAY_KEY"]
    for parameter in operation["parameters"]:
        example = parameter.get("example")
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(example))
        elif parameter["in"] == "query" and parameter["required"]:
            query.append(f"{parameter['name']}={example}")
        elif parameter["in"] == "header" and parameter["required"]:
            headers.append(f"{parameter['name']}: {example}")
    url = server + path + ("?" + "&".join(query) if query else "")
    lines = [f"curl {url!r}".replace("'", '"')]
    if method != "get":
        lines[0] = lines[0].replace("curl", f"curl -X {method.upper()}", 1)
    lines += [f'-H "{header}"' for header in headers]
    if body and "example" in body:
        lines.append('-H "Content-Type: application/json"')
        lines.append("-d '" + json.dumps(body["example"], indent=2, ensure_ascii=False).replace("'", "'\\''") + "'")
    return " \\\n  ".join(lines)


def _fields(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "type": _type(field),
            "required": name in required,
            "text": field.get("description", ""),
            "schema": _referred(field),
        }
        for name, field in schema.get("properties", {}).items()
    ]


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words: `string, at most 500 characters, or null`."""
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return _name(schema)
    if values := schema.get("enum", schema.get("x-extensible-enum")):
        return " | ".join(str(value) for value in values)
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"array of {_type(schema['items'])}"
    words = [schema.get("format", kind)]
    if "minimum" in schema and "maximum" in schema:
        words.append(f"{schema['minimum']} to {schema['maximum']}")
    if "maxLength" in schema:
        least = schema.get("minLength", 0)
        words.append(f"{f'{least} to' if least else 'at most'} {schema['maxLength']} characters")
    if schema.get("default") is not None:
        words.append(f"{schema['default']} unless given")
    return ", ".join(words)


def _referred(schema: Mapping[str, Any]) -> str | None:
    """The name of the schema that a field, or an item of its list, refers to, if only beside null; None if none."""
    for each in schema.get("anyOf", (schema,)):
        inner = each.get("items", each)
        if "$ref" in inner:
            return _name(inner)
    return None


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z]+", "-", text.lower())


def prose(text: str) -> Markup:
    """Text whose only mark-up is `code`, as HTML."""
    return Markup(re.sub(r"`([^`]+)`", r'<code translate="no">\1</code>', str(escape(text))))  # noqa: S704 - escaped before


_TOKENS = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=:)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<value>\b(?:true|false|null)\b|-?\b\d+\b)'
)


def coloured(value: Any) -> Markup:
    """Indented JSON as HTML, with one CSS class for keys, one for strings and one for other values."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    pieces, place = [], 0
    for match in _TOKENS.finditer(text):
        pieces += [
            escape(text[place : match.start()]),
            Markup('<span class="json-{}">{}</span>').format(match.lastgroup, match[0]),
        ]
        place = match.end()
    return Markup("").join([*pieces, escape(text[place:])])
