"""What operations answer: their success, and the errors of each status, which all operations share.

An operation names its codes in `x-error-codes`, by status, and in its description. The response of a status is one for
the whole API, so that generators make one class of errors rather than one for each operation and status.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from app.api.error_catalogue import MEANINGS
from app.api.operation import Description
from app.core.errors import STATUS, Code
from app.web.headers import API_VERSION

JSON = "application/json"
ERRORS = "Errors: "
"""How the last paragraph of an operation's description begins."""

EXAMPLE_REQUEST_ID = "4f9d1c0e8b7a4d3f9a6e2b5c8d1f0a37"
EXAMPLE_INVOICE_ID = "INV-2K8F4M0TQ7"

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

_ALWAYS = ("X-Request-Id", "Swap-Pay-Version")
"""Headers of every answer."""

_REFUSED_UNCOUNTED = frozenset((401, 403, 404, 429, 500, 503))
"""Statuses that can come before a request is counted against its key, and then lack the RateLimit headers."""

_ALWAYS_RETRIABLE = frozenset((429, 503))
"""Statuses that always carry Retry-After (contract, section 2)."""

_SUCCESSES = {200: "OK", 201: "Created", 202: "Accepted", 204: "Done; no content"}

_NAMES: Mapping[int, str] = MappingProxyType(
    {
        400: "BadRequest",
        401: "Unauthorized",
        403: "Forbidden",
        404: "NotFound",
        408: "RequestTimeout",
        409: "Conflict",
        413: "ContentTooLarge",
        415: "UnsupportedMediaType",
        422: "UnprocessableContent",
        429: "TooManyRequests",
        500: "InternalServerError",
        503: "ServiceUnavailable",
    }
)
"""How `components/responses` calls the response of each status."""


def codes_by_status(description: Description, *, has_body: bool, has_scope: bool) -> dict[str, list[Code]]:
    """The codes that an operation can answer, in the catalogue's order, by their status."""
    codes = {
        *_EVERYWHERE,
        *(_WITH_SCOPE if has_scope else []),
        *(_WITH_PATH if description.path else []),
        *(_WITH_BODY if has_body else []),
        *(_WITH_KEY if description.creates else []),
        *description.errors,
    }
    statuses = sorted({STATUS[code] for code in codes})
    return {str(status): [code for code in Code if code in codes and STATUS[code] == status] for status in statuses}


def in_words(codes: Mapping[str, Sequence[Code]]) -> str:
    """The same as a paragraph of the description."""
    return ERRORS + "; ".join(f"{status} {', '.join(f'`{code}`' for code in of)}" for status, of in codes.items()) + "."


def success(
    description: Description, status: int, schema: Mapping[str, Any] | None, *, is_deprecated: bool
) -> dict[str, Any]:
    """The response to a request that was carried out. Without `schema` it has no content."""
    response: dict[str, Any] = {
        "description": _SUCCESSES.get(status, "OK"),
        "headers": _headers(*_ALWAYS, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    }
    if is_deprecated:
        response["headers"] |= _DEPRECATION_HEADERS
    if description.creates:
        response["headers"]["Idempotent-Replayed"] = _header("Idempotent-Replayed")
    if schema is not None:
        response["content"] = {JSON: {"schema": schema, "example": msgspec.to_builtins(description.example)}}
    return response


def error_references(codes: Iterable[str]) -> dict[str, Any]:
    """References to the shared responses of these statuses."""
    return {status: {"$ref": f"#/components/responses/{_NAMES[int(status)]}"} for status in codes}


def error_responses(used: Iterable[Code]) -> dict[str, Any]:
    """The document's `components/responses`: one for each status, with an example of each code that is used."""
    wanted = set(used)
    by_status: dict[int, list[Code]] = {}
    for code in Code:
        if code in wanted:
            by_status.setdefault(STATUS[code], []).append(code)
    return {_NAMES[status]: _error_response(status, by_status[status]) for status in sorted(by_status)}


def _error_response(status: int, codes: Sequence[Code]) -> dict[str, Any]:
    headers = _headers(*_ALWAYS)
    for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"):
        if status != 401:
            headers[name] = _header(name, optional=status in _REFUSED_UNCOUNTED)
    if status in _ALWAYS_RETRIABLE or Code.IDEMPOTENCY_IN_PROGRESS in codes:
        headers["Retry-After"] = _header("Retry-After", optional=status not in _ALWAYS_RETRIABLE)
    examples = {code.value: {"summary": MEANINGS[code].advice, "value": {"error": _example(code)}} for code in codes}
    return {
        "description": " ".join(f"`{code}`: {MEANINGS[code].advice}" for code in codes),
        "headers": headers,
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/ErrorResponse"}, "examples": msgspec.to_builtins(examples)}
        },
    }


def _example(code: Code) -> dict[str, str]:
    names_invoice = {"invoice_id": EXAMPLE_INVOICE_ID} if code is Code.DUPLICATE_ORDER_ID else {}
    return {"code": code, "message": MEANINGS[code].message, "request_id": EXAMPLE_REQUEST_ID, **names_invoice}


def _header(name: str, *, optional: bool = False) -> dict[str, Any]:
    if optional:
        return {key: value for key, value in HEADERS[name].items() if key != "required"}
    return {"$ref": f"#/components/headers/{name}"}


def _headers(*names: str) -> dict[str, Any]:
    return {name: _header(name) for name in names}


HEADERS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "X-Request-Id": {
            "required": True,
            "description": "The request's id: yours if you sent a valid one, otherwise a new one.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        },
        "Swap-Pay-Version": {
            "required": True,
            "description": "The version of the API that has answered, the one in the path.",
            "schema": {"type": "string", "const": str(API_VERSION)},
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
)
"""The document's `components/headers`."""

_DEPRECATION_HEADERS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "Deprecation": {
            "description": "Since when what you used is deprecated: `@` and Unix time (RFC 9745).",
            "schema": {"type": "string", "pattern": "^@[0-9]+$"},
        },
        "Sunset": {
            "description": "When it ends, as an HTTP date (RFC 8594).",
            "schema": {"type": "string"},
        },
        "Link": {
            "description": 'Where it is described, with `rel="deprecation"`.',
            "schema": {"type": "string"},
        },
    }
)
"""Of operations of which something is deprecated; in answers to requests that use it."""

ERROR_SCHEMAS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "ErrorResponse": {
            "title": "ErrorResponse",
            "description": "The form of every error.",
            "type": "object",
            "required": ["error"],
            "additionalProperties": False,
            "properties": {"error": {"$ref": "#/components/schemas/Error"}},
        },
        "Error": {
            "title": "Error",
            "description": "What went wrong.",
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
        },
        "ErrorCode": {
            "title": "ErrorCode",
            "description": "Stable, for programs. New codes may be added.",
            "type": "string",
            "enum": [code.value for code in Code],
        },
    }
)
"""The schemas of errors, beside those of structs."""
