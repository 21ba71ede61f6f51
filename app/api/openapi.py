"""The OpenAPI 3.1 document of the merchant API, generated from the routes.

Litestar's own generator is not used. msgspec both validates the bodies and writes their schemas, so the document says
what is enforced. And the document lists the error codes of each operation, which Litestar's generator doesn't know.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from litestar import Response, Router
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app.api import deprecations, responses
from app.api.guard import required_scope
from app.api.operation import DESCRIPTION, Description, Parameter
from app.api.responses import JSON
from app.api.schemas import Schemas, reference
from app.api.v1 import event_bodies
from app.core.errors import Code
from app.web.bodies import MAX_BODY_BYTES
from app.web.headers import API_VERSION
from app.web.once import KEY_PATTERN

VERSION = f"{API_VERSION}.0.0"
"""The version of the contract, not of the program. Its first number is the one in the path and in the answers."""

INTRODUCTION = f"""\
JSON in and out, UTF-8, over HTTPS. A key's mode decides what it sees: a test key sees test networks and test \
resources, a live key live ones.

Amounts are never floating point. A field that ends in `_raw` is a string of digits in the asset's minor unit; one \
that ends in `_decimal` is the same amount for people. Times are RFC 3339 in UTC.

Bodies have at most {MAX_BODY_BYTES // 1024} KiB. Unknown fields and unknown query parameters are refused. Another \
merchant's resource is a 404, exactly as one that does not exist.

Every GET route answers HEAD too, without a body. A path with a slash at its end or with a double slash is a 404.

Lists return the newest first. Pass `next_cursor` as `cursor` to get the next page; it is null on the last one.

Every error has the same envelope; `code` is stable, `message` is for people and names the field. `x-error-codes` of \
an operation lists its codes by status. Every answer carries `X-Request-Id`: quote it when you ask about a request.
"""

_LICENSE = {"name": "All rights reserved: no licence was published", "identifier": "LicenseRef-All-Rights-Reserved"}

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


class Operation(NamedTuple):
    """A handler at a path, with its description."""

    path: str
    method: str
    handler: HTTPRouteHandler
    description: Description


def operations(api: Router) -> list[Operation]:
    """Every operation below `api`. Raises ImproperlyConfiguredException for one that is not described, or whose path
    has parameters that aren't, and for a deprecation of nothing."""
    found = list(_operations(api))
    for operation in found:
        in_path = re.findall(r"\{(\w+)\}", operation.path)
        if set(in_path) != set(operation.description.path):
            described = list(operation.description.path)
            raise ImproperlyConfiguredException(f"{operation.path} describes {described} as path parameters")
    if deprecations.DEPRECATIONS:
        deprecations.refuse_unknown({str(each.handler.operation_id): _names(each) for each in found})
    return found


def document(api: Router, public_url: str) -> dict[str, Any]:
    """The document of every route below `api`. Raises what `operations` raises, and ImproperlyConfiguredException for
    a schema without a public name."""
    described = operations(api)
    types = [type for operation in described for type in (_body_type(operation), _answer_type(operation)) if type]
    schemas = Schemas([*types, *event_bodies.TYPES])
    schemas.open(*event_bodies.SUBJECTS)
    paths: dict[str, dict[str, Any]] = {}
    for operation in described:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, schemas)
    used = [tag for operation in described for tag in _tags(operation.handler)]
    codes = {
        Code(code)
        for methods in paths.values()
        for operation in methods.values()
        for of_status in operation["x-error-codes"].values()
        for code in of_status
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Swap Pay merchant API",
            "version": VERSION,
            "description": INTRODUCTION,
            "contact": {"name": "The operator of this gateway", "url": public_url},
            "license": _LICENSE,
        },
        "servers": [{"url": public_url, "description": "This gateway, for keys of both modes."}],
        "security": [{"bearer": []}, {"header": []}],
        "tags": [{"name": tag, "description": _TAGS.get(tag, "")} for tag in dict.fromkeys(used)],
        "paths": paths,
        "webhooks": {type: _webhook(type, event) for type, event in event_bodies.EVENTS.items()},
        "components": {
            "schemas": dict(sorted({**schemas.all(), **responses.ERROR_SCHEMAS}.items())),
            "responses": responses.error_responses(codes),
            "headers": dict(responses.HEADERS),
            "securitySchemes": _SECURITY,
        },
    }


def _operations(api: Router) -> Iterable[Operation]:
    for route in api.routes:
        assert isinstance(route, HTTPRoute)
        for handler in route.route_handlers:
            for method in sorted(handler.http_methods):
                description = handler.opt.get(DESCRIPTION)
                if description is None or handler.operation_id is None:
                    raise ImproperlyConfiguredException(f"{method} {route.path} has no description or operation_id")
                yield Operation(route.path_format, method.lower(), handler, description)


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    handler, description = operation.handler, operation.description
    scope = required_scope(handler)
    body_type, answer_type = _body_type(operation), _answer_type(operation)
    codes = responses.codes_by_status(description, has_body=body_type is not None, has_scope=scope is not None)
    text = [description.text] if description.text else []
    text.append(f"Needs the scope `{scope}`." if scope else "Any valid key is enough.")
    text.append(responses.in_words(codes))
    spec: dict[str, Any] = {
        "operationId": handler.operation_id,
        "summary": description.summary,
        "description": "\n\n".join(text),
        "tags": _tags(handler),
        "parameters": _parameters(operation, schemas),
    }
    if body_type:
        content: dict[str, Any] = {"schema": reference(body_type)}
        if description.body_example is not None:
            content["example"] = msgspec.to_builtins(description.body_example)
        spec["requestBody"] = {"required": True, "content": {JSON: content}}
    answer = None if answer_type is None else reference(answer_type)
    status = handler.status_code
    if deprecated := deprecations.of(str(handler.operation_id)):
        _deprecate(spec, deprecated, schemas, body_type)
    success = responses.success(description, status, answer, is_deprecated=bool(deprecated))
    spec["responses"] = {str(status): success} | responses.error_references(codes)
    spec["x-error-codes"] = msgspec.to_builtins(codes)
    return spec


def _deprecate(
    spec: dict[str, Any], deprecated: Sequence[deprecations.Deprecation], schemas: Schemas, body_type: Any
) -> None:
    """Mark what of an operation is deprecated, and say until when."""
    for each in deprecated:
        if each.parameter is None:
            spec["deprecated"] = True
            spec["description"] = f"{each.sentence}\n\n{spec['description']}"
            continue
        marked = [parameter for parameter in spec["parameters"] if parameter["name"] == each.parameter]
        for parameter in marked or [schemas.field(body_type, each.parameter)]:
            parameter["deprecated"] = True
            parameter["description"] = f"{parameter.get('description', '')} {each.sentence}".strip()


def _names(operation: Operation) -> set[str]:
    """Its parameters of the query, and the fields of its body."""
    body_type = _body_type(operation)
    fields = msgspec.structs.fields(body_type) if body_type else ()
    return {*operation.description.query, *(field.encode_name for field in fields)}


def _webhook(type: str, event: event_bodies.Event) -> dict[str, Any]:
    name = "".join(word.capitalize() for word in re.split(r"[._]", type))
    return {
        "post": {
            "operationId": f"on{name}",
            "summary": event.summary,
            "description": f"`{type}`. Verify `Swap-Pay-Signature` over the raw body before you believe it.",
            "tags": ["Webhooks"],
            "security": [],
            "parameters": [
                _parameter("header", name, parameter, required=True) for name, parameter in event_bodies.HEADERS.items()
            ],
            "requestBody": {
                "required": True,
                "content": {JSON: {"schema": reference(event.schema), "example": event.example}},
            },
            "responses": {
                "200": {"description": "Any 2xx within 10 seconds: you have it, and we don't send it again."},
                "410": {"description": "You want no more events here: the endpoint is disabled."},
            },
        }
    }


def _parameters(operation: Operation, schemas: Schemas) -> list[dict[str, Any]]:
    """Path, query and header parameters."""
    description = operation.description
    in_path = re.findall(r"\{(\w+)\}", operation.path)
    parameters = [_parameter("path", name, description.path[name], required=True) for name in in_path]
    parameters += [
        _parameter("query", name, parameter, required=parameter.required)
        for name, parameter in description.query.items()
    ]
    if description.creates:
        parameters.append(_parameter("header", "Idempotency-Key", _IDEMPOTENCY_KEY, required=True))
    parameters.append(_parameter("header", "X-Request-Id", _REQUEST_ID, required=False))
    return [parameter | {"schema": schemas.named(parameter["schema"])} for parameter in parameters]


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


def _body_type(operation: Operation) -> Any:
    return get_type_hints(operation.handler.fn).get("data")


def _answer_type(operation: Operation) -> Any:
    answer = get_type_hints(operation.handler.fn)["return"]
    if get_origin(answer) is Response:
        answer = get_args(answer)[0]
    return None if answer in (None, type(None)) else answer


def _tags(handler: HTTPRouteHandler) -> list[str]:
    return list(dict.fromkeys(tag for layer in handler.ownership_layers for tag in layer.tags or ()))


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
