"""The OpenAPI 3.1 document of the merchant API, generated from the routes.

Litestar's own generator is not used. msgspec both validates the bodies and writes their schemas, so the document says
what is enforced. And the document lists the error codes of each status, which Litestar's generator doesn't know.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from litestar import Response, Router
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app.api.error_catalogue import MEANINGS
from app.api.guard import required_scope
from app.api.operation import DESCRIPTION, Description, Parameter
from app.core.errors import STATUS, Code
from app.web.bodies import MAX_BODY_BYTES
from app.web.idempotency import KEY_PATTERN

API_VERSION = "1.0.0"
"""The version of the contract, not of the program. Its first number is the one in the path."""

JSON = "application/json"
EXAMPLE_REQUEST_ID = "4f9d1c0e8b7a4d3f9a6e2b5c8d1f0a37"
EXAMPLE_INVOICE_ID = "INV-2K8F4M0TQ7"

INTRODUCTION = f"""\
JSON in and out, UTF-8, over HTTPS. A key's mode decides what it sees: a test key sees test networks and test \
resources, a live key live ones.

Amounts are never floating point. A field that ends in `_raw` is a string of digits in the asset's minor unit; one \
that ends in `_decimal` is the same amount for people. Times are RFC 3339 in UTC.

Bodies have at most {MAX_BODY_BYTES // 1024} KiB. Unknown fields and unknown query parameters are refused. Another \
merchant's resource is a 404, exactly as one that does not exist.

Every GET route answers HEAD too, without a body. A path with a slash at its end or with a double slash is a 404.

Lists return the newest first. Pass `next_cursor` as `cursor` to get the next page; it is null on the last one.

Every error has the same envelope; `code` is stable, `message` is for people and names the field. Every answer carries \
`X-Request-Id`: quote it when you ask about a request.
"""

_TAGS = {
    "Networks": "How far each chain has been read.",
    "Invoices": "Ask a customer for an exact amount of one asset on one chain, or for a price in a national currency.",
    "Payment links": "Links that make an invoice for everybody who pays by them.",
    "Assets": "The assets that invoices may ask for.",
    "Transactions": "Where a transaction is, and what it pays.",
    "Rates": "What assets are worth in national currencies, and who says so.",
    "Balance and ledger": "Balances, and the hash-chained ledger entries that prove them.",
    "Webhooks": "Endpoints that receive your events, and the deliveries to them.",
    "Events": "Everything that happened, whether delivered or not.",
    "Payouts": "Send money from your balance. An operator approves each payout.",
    "Refunds": "Send money back to customers. An operator approves each refund.",
}

_EVERYWHERE = [
    Code.INVALID_INPUT,
    Code.MISSING_API_KEY,
    Code.INVALID_API_KEY,
    Code.API_KEY_REVOKED,
    Code.API_KEY_EXPIRED,
    Code.IP_NOT_ALLOWED,
    Code.MERCHANT_NOT_APPROVED,
    Code.MERCHANT_SUSPENDED,
    Code.MERCHANT_BANNED,
    Code.RATE_LIMITED,
    Code.API_KEY_LOCKED,
    Code.INTERNAL,
    Code.UNAVAILABLE,
]
_WITH_SCOPE = [Code.MISSING_SCOPE]
_WITH_PATH = [Code.NOT_FOUND]
_WITH_BODY = [Code.REQUEST_TIMEOUT, Code.BODY_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE]
_WITH_KEY = [
    Code.IDEMPOTENCY_REQUIRED,
    Code.IDEMPOTENCY_IN_PROGRESS,
    Code.IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY,
]

_REFUSED_UNCOUNTED = frozenset((401, 403, 404, 429, 500, 503))
"""Statuses that can come before a request is counted against its key, and then lack the RateLimit headers."""

_ALWAYS_RETRIABLE = frozenset((429, 503))
"""Statuses that always carry Retry-After (contract, section 2)."""

_REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "Done; no content"}

_PUBLIC_NAMES = {"Entry": "LedgerEntry", "Reference": "LedgerReference", "Status": "InvoiceStatus"}
"""Public names of schemas whose class name is clear only inside its module. The suffix `Body` is removed as well."""


class Operation(NamedTuple):
    """A handler at a path, with its description."""

    path: str
    method: str
    handler: HTTPRouteHandler
    description: Description


def document(api: Router, public_url: str) -> dict[str, Any]:
    """The document of every route below `api`. Raises ImproperlyConfiguredException for one without a description."""
    operations = list(_operations(api))
    types = [type for operation in operations for type in (_body_type(operation), _answer_type(operation)) if type]
    schemas = _schemas(types)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, schemas)
    used = [tag for operation in operations for tag in _tags(operation.handler)]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Swap Pay merchant API", "version": API_VERSION, "description": INTRODUCTION},
        "servers": [{"url": public_url}],
        "security": [{"bearer": []}, {"header": []}],
        "tags": [{"name": tag, "description": _TAGS.get(tag, "")} for tag in dict.fromkeys(used)],
        "paths": paths,
        "components": {"schemas": schemas | _error_schemas(), "headers": _HEADERS, "securitySchemes": _SECURITY},
    }


def _operations(api: Router) -> Iterable[Operation]:
    for route in api.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            for method in sorted(handler.http_methods - {"OPTIONS"}):
                description = handler.opt.get(DESCRIPTION)
                if description is None or handler.operation_id is None:
                    raise ImproperlyConfiguredException(f"{method} {route.path} has no description or operation_id")
                yield Operation(route.path_format, method.lower(), handler, description)


def _operation(operation: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    handler, description = operation.handler, operation.description
    scope = required_scope(handler)
    body_type = _body_type(operation)
    text = [description.text] if description.text else []
    text.append(f"Needs the scope `{scope}`." if scope else "Any valid key is enough.")
    spec: dict[str, Any] = {
        "operationId": handler.operation_id,
        "summary": description.summary,
        "description": "\n\n".join(text),
        "tags": _tags(handler),
        "parameters": _parameters(operation),
    }
    if body_type:
        content: dict[str, Any] = {"schema": _reference(body_type)}
        if description.body_example is not None:
            content["example"] = msgspec.to_builtins(description.body_example)
        spec["requestBody"] = {"required": True, "content": {JSON: content}}
    spec["responses"] = _responses(operation, has_body=body_type is not None, has_scope=scope is not None)
    return spec


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    """Path, query and header parameters. Raises ImproperlyConfiguredException for an undescribed path parameter."""
    description = operation.description
    in_path = re.findall(r"\{(\w+)\}", operation.path)
    if set(in_path) != set(description.path):
        raise ImproperlyConfiguredException(f"{operation.path} describes {list(description.path)} as path parameters")
    parameters = [_parameter("path", name, description.path[name], required=True) for name in in_path]
    parameters += [
        _parameter("query", name, parameter, required=parameter.required)
        for name, parameter in description.query.items()
    ]
    if description.creates:
        parameters.append(_parameter("header", "Idempotency-Key", _IDEMPOTENCY_KEY, required=True))
    parameters.append(_parameter("header", "X-Request-Id", _REQUEST_ID, required=False))
    return parameters


def _parameter(place: str, name: str, parameter: Parameter, *, required: bool) -> dict[str, Any]:
    spec = {
        "name": name,
        "in": place,
        "required": required,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }
    if parameter.example is not None:
        spec["example"] = parameter.example
    return spec


def _responses(operation: Operation, *, has_body: bool, has_scope: bool) -> dict[str, Any]:
    description = operation.description
    status = operation.handler.status_code
    answer_type = _answer_type(operation)
    success: dict[str, Any] = {
        "description": _REASONS.get(status, "OK"),
        "headers": _headers("X-Request-Id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    }
    if description.creates:
        success["headers"]["Idempotent-Replayed"] = _header("Idempotent-Replayed")
    if answer_type is not None:
        success["content"] = {
            JSON: {"schema": _reference(answer_type), "example": msgspec.to_builtins(description.example)}
        }
    codes = [
        *_EVERYWHERE,
        *(_WITH_SCOPE if has_scope else []),
        *(_WITH_PATH if description.path else []),
        *(_WITH_BODY if has_body else []),
        *(_WITH_KEY if description.creates else []),
        *description.errors,
    ]
    by_status: dict[int, list[Code]] = {}
    for code in Code:  # the catalogue's order
        if code in codes:
            by_status.setdefault(STATUS[code], []).append(code)
    return {str(status): success} | {
        str(status): _error_response(status, by_status[status]) for status in sorted(by_status)
    }


def _error_response(status: int, codes: Sequence[Code]) -> dict[str, Any]:
    headers = _headers("X-Request-Id")
    for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"):
        if status != 401:
            headers[name] = _header(name, optional=status in _REFUSED_UNCOUNTED)
    if status in _ALWAYS_RETRIABLE or Code.IDEMPOTENCY_IN_PROGRESS in codes:
        headers["Retry-After"] = _header("Retry-After", optional=status not in _ALWAYS_RETRIABLE)
    examples = {
        code.value: {
            "summary": MEANINGS[code].advice,
            "value": {"error": _example(code)},
        }
        for code in codes
    }
    only_these = {"properties": {"error": {"properties": {"code": {"enum": [code.value for code in codes]}}}}}
    return {
        "description": " ".join(f"`{code}`: {MEANINGS[code].advice}" for code in codes),
        "headers": headers,
        "content": {
            JSON: {
                "schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, only_these]},
                "examples": msgspec.to_builtins(examples),
            }
        },
    }


def _example(code: Code) -> dict[str, str]:
    names_invoice = {"invoice_id": EXAMPLE_INVOICE_ID} if code is Code.DUPLICATE_ORDER_ID else {}
    return {"code": code, "message": MEANINGS[code].message, "request_id": EXAMPLE_REQUEST_ID, **names_invoice}


def _body_type(operation: Operation) -> Any:
    return get_type_hints(operation.handler.fn).get("data")


def _answer_type(operation: Operation) -> Any:
    answer = get_type_hints(operation.handler.fn)["return"]
    if get_origin(answer) is Response:
        answer = get_args(answer)[0]
    return None if answer in (None, type(None)) else answer


def _tags(handler: HTTPRouteHandler) -> list[str]:
    return list(dict.fromkeys(tag for layer in handler.ownership_layers for tag in layer.tags or ()))


def _schemas(types: Sequence[Any]) -> dict[str, Any]:
    """The schemas of the structs and all that they hold, by their public names, in alphabetical order."""
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    named = {_public_name(name): _renamed(schema) for name, schema in components.items()}
    assert len(named) == len(components), "two schemas have the same public name"
    for name, schema in named.items():
        schema["title"] = name
    return dict(sorted(named.items()))


def _renamed(schema: Any) -> Any:
    """The schema with public names in its references."""
    if isinstance(schema, list):
        return [_renamed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        place, _, name = schema["$ref"].rpartition("/")
        return schema | {"$ref": f"{place}/{_public_name(name)}"}
    return {key: _renamed(value) for key, value in schema.items()}


def _public_name(name: str) -> str:
    return _PUBLIC_NAMES.get(name, name.removesuffix("Body"))


def _reference(type: Any) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{_public_name(type.__name__)}"}


def _header(name: str, *, optional: bool = False) -> dict[str, Any]:
    if optional:
        return {key: value for key, value in _HEADERS[name].items() if key != "required"}
    return {"$ref": f"#/components/headers/{name}"}


def _headers(*names: str) -> dict[str, Any]:
    return {name: _header(name) for name in names}


def _error_schemas() -> dict[str, Any]:
    return {
        "Error": {
            "title": "Error",
            "description": "The form of every error.",
            "type": "object",
            "required": ["error"],
            "additionalProperties": False,
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["code", "message", "request_id"],
                    "additionalProperties": False,
                    "properties": {
                        "code": {"$ref": "#/components/schemas/ErrorCode"},
                        "message": {"type": "string", "description": "For people. Names the field at fault."},
                        "request_id": {"type": "string", "description": "The value of `X-Request-Id`."},
                        "invoice_id": {
                            "type": "string",
                            "description": "Only with `DUPLICATE_ORDER_ID`: your invoice that has the order id.",
                        },
                    },
                }
            },
        },
        "ErrorCode": {
            "title": "ErrorCode",
            "description": "Stable, for programs. New codes may be added.",
            "type": "string",
            "enum": [code.value for code in Code],
        },
    }


_IDEMPOTENCY_KEY = Parameter(
    description="A name of your choice for this one creation, such as a UUID or your order's number. Sending the "
    "request again with the same key within 24 hours gives the first answer again and creates nothing.",
    schema={"type": "string", "pattern": KEY_PATTERN, "minLength": 1, "maxLength": 128},
    example="order-1042",
)

_REQUEST_ID = Parameter(
    description="An id of your own for the request, echoed in the answer: letters, digits, `.`, `_`, `-`, at most 128. "
    "Anything else is replaced.",
    schema={"type": "string"},
    example="checkout-7f3a",
)

_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "required": True,
        "description": "The request's id: yours if you sent a valid one, otherwise a new one.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
    "RateLimit-Limit": {
        "required": True,
        "description": "Requests per minute that the key may make.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit-Remaining": {
        "required": True,
        "description": "Requests that are left in this window.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Reset": {
        "required": True,
        "description": "Seconds until the window ends.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 60},
    },
    "Retry-After": {
        "required": True,
        "description": "Seconds to wait before repeating the request.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Idempotent-Replayed": {
        "required": False,
        "description": "`true` if the response is a stored one.",
        "schema": {"type": "string", "const": "true"},
    },
}

_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer sspay_sec_test_…`",
    },
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Merchant-API-Key",
        "description": "The same key in a header of its own.",
    },
}
