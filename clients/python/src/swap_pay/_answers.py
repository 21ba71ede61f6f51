"""What an HTTP answer means: a value, or one of the errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from swap_pay import _failures
from swap_pay._failures import SwapPayError, UnexpectedAnswer
from swap_pay._generated.errors import BY_CODE
from swap_pay._retries import parse_retry_after

T = TypeVar("T")

SHOWN_CHARS = 200
"""How much of a page that is no answer of the gateway an error shows."""


def value_of(response: httpx.Response, read: Callable[[Any], T]) -> T:
    """The value of a successful answer. Raises UnexpectedAnswer."""
    if response.status_code == 204:
        return read(None)
    try:
        return read(response.json())
    except KeyError as missing:
        problem = f"the answer lacks {missing}: the gateway is older than this version of swap-pay"
    except (ValueError, TypeError, AttributeError) as error:
        problem = f"the answer is not that of the API ({error}): is the address that of a Swap Pay gateway?"
    raise UnexpectedAnswer(problem, status=response.status_code, request_id=response.headers.get("X-Request-Id"))


def error_of(response: httpx.Response) -> SwapPayError:
    """The error of an answer that is not successful."""
    status = response.status_code
    said = _envelope(response)
    code, invoice_id = _text(said, "code"), _text(said, "invoice_id")
    kind = BY_CODE.get(code or "", _failures.class_of_status(status))
    if kind is _failures.DuplicateOrderId and invoice_id is None:
        kind = _failures.Conflict  # of an older gateway, which does not name it
    if status < 400:
        kind = UnexpectedAnswer
    return kind(
        _text(said, "message") or f"status {status}: {response.text[:SHOWN_CHARS]}",
        code=code,
        status=status,
        request_id=_text(said, "request_id") or response.headers.get("X-Request-Id"),
        retry_after_s=parse_retry_after(response.headers.get("Retry-After")),
        invoice_id=invoice_id,
    )


def _envelope(response: httpx.Response) -> dict[str, Any]:
    try:
        error = response.json()["error"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _text(said: dict[str, Any], name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) else None
