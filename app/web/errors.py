"""The one renderer of errors: each exception becomes a code of the catalogue, with its status and its envelope.

Below `/api` the answer is `{"error": {"code", "message", "request_id"}}`, with `invoice_id` too where one is in
conflict; elsewhere it is a page, rendered by the function that the app is created with. Any other exception becomes
INTERNAL: its traceback is logged with the request's id, and the client gets only that id.
"""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import ParamType
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from app.core.errors import ApiError, Code
from app.core.logging import get_logger
from app.core.waiting import BUSY_ERRORS, DatabaseUnavailable
from app.web.bodies import ENDED_EARLY
from app.web.headers import is_api

log = get_logger(__name__)

NOTHING_HERE = "there is nothing here"
INTERNAL_MESSAGE = "something went wrong on our side; quote the request id when you ask us about it"

UNAVAILABLE_MESSAGE = "the database does not answer; try again in a few seconds"

UNAVAILABLE_RETRY_S = 5
BUSY_RETRY_S = 1
"""`Retry-After` while the database is unavailable, and where only this statement failed because of others."""

MAX_MESSAGE_LENGTH = 500
"""A message may quote what the client sent, up to this length."""

DISCONNECTED = "client disconnected prematurely"
"""What Litestar raises, as a fault of the server, when the client left while its body was read."""

_CODE_OF_STATUS = {
    404: (Code.NOT_FOUND, NOTHING_HERE),
    405: (Code.METHOD_NOT_ALLOWED, "the method is not allowed here"),
    413: (Code.BODY_TOO_LARGE, "the body is too large"),
    415: (Code.UNSUPPORTED_MEDIA_TYPE, "the content type is not supported here"),
}


class ErrorView(msgspec.Struct, frozen=True, kw_only=True):
    """The content of an error's answer. Pages leave `invoice_id` out."""

    status: int
    code: str
    message: str
    request_id: str
    invoice_id: str | None = None


RenderErrorPage = Callable[[Request[Any, Any, Any], ErrorView], str]
"""Renders an error page: given the request (for its language) and the error, the whole HTML document. It must not
fail on any status, and must not need a session, a merchant or the database."""


class _Body(msgspec.Struct, omit_defaults=True):
    code: str
    message: str
    request_id: str
    invoice_id: str | None = None


class _Envelope(msgspec.Struct):
    error: _Body


_encode = msgspec.json.Encoder().encode


def exception_handlers(render_page: RenderErrorPage | None = None) -> ExceptionHandlersMap:
    """What to give to `Litestar(exception_handlers=…)`. Without `render_page` pages get a bare document."""

    def render(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        view, headers = shown(error, request.scope.get("state", {}).get("request_id", ""))
        if is_api(request.scope["path"]):
            return Response(envelope(view), status_code=view.status, media_type="application/json", headers=headers)
        page = (render_page or _bare_page)(request, view)
        return Response(page, status_code=view.status, media_type="text/html", headers=headers)

    return {Exception: render}


def shown(error: Exception, request_id: str) -> tuple[ErrorView, dict[str, str]]:
    """What is answered for an exception, and the headers that belong to it. Logs faults of our own."""
    fault = classify(error)
    view = ErrorView(
        status=fault.status,
        code=fault.code,
        message=fault.message[:MAX_MESSAGE_LENGTH],
        request_id=request_id,
        invoice_id=fault.invoice_id,
    )
    return view, _headers(fault, error)


def classify(error: Exception) -> ApiError:
    """The error of the catalogue for any exception. Logs faults of our own."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ValidationException):
        if _is_about_the_path(error):
            return ApiError(Code.NOT_FOUND, NOTHING_HERE)
        return ApiError(Code.INVALID_INPUT, _validation_message(error))
    if isinstance(error, HTTPException) and error.status_code < 500:
        code, message = _CODE_OF_STATUS.get(error.status_code, (Code.INVALID_INPUT, error.detail))
        return ApiError(code, message)
    if isinstance(error, HTTPException) and error.detail == DISCONNECTED:
        return ApiError(Code.INVALID_INPUT, ENDED_EARLY)
    if isinstance(error, DatabaseUnavailable):
        log.warning("database_unavailable", error=str(error))
        return ApiError(Code.UNAVAILABLE, UNAVAILABLE_MESSAGE, retry_after_s=UNAVAILABLE_RETRY_S)
    if isinstance(error, BUSY_ERRORS):
        log.warning("database_busy", error=str(error))
        return ApiError(Code.UNAVAILABLE, UNAVAILABLE_MESSAGE, retry_after_s=BUSY_RETRY_S)
    log.error("request_failed", exc_info=error)
    return ApiError(Code.INTERNAL, INTERNAL_MESSAGE)


def envelope(view: ErrorView) -> bytes:
    """The JSON of an error."""
    return _encode(_Envelope(_Body(view.code, view.message, view.request_id, view.invoice_id)))


def _headers(fault: ApiError, error: Exception) -> dict[str, str]:
    headers: dict[str, str] = {}
    given: Mapping[str, str] = (isinstance(error, HTTPException) and error.headers) or {}
    for name, value in given.items():
        if name.lower() == "allow":  # RFC 9110, section 15.5.6: a 405 must say what is allowed
            headers["Allow"] = value
    if fault.retry_after_s is not None:
        headers["Retry-After"] = str(fault.retry_after_s)
    elif fault.status == 503:
        headers["Retry-After"] = "30"
    return headers


def _is_about_the_path(error: ValidationException) -> bool:
    """Whether a part of the path can't be an id, such as a row's number of a hundred digits."""
    faults = error.extra if isinstance(error.extra, list) else []
    return any(isinstance(fault, dict) and fault.get("source") == ParamType.PATH for fault in faults)


def _validation_message(error: ValidationException) -> str:
    """`field: problem` of the first fault that Litestar found, without echoing the request's address."""
    faults = error.extra if isinstance(error.extra, list) else []
    for fault in faults:
        if isinstance(fault, dict) and "message" in fault:
            return f"{fault['key']}: {fault['message']}" if "key" in fault else str(fault["message"])
    return error.detail.partition(" for ")[0]


def _bare_page(_: Request[Any, Any, Any], view: ErrorView) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{view.status}</title>'
        f"<h1>{escape(view.message)}</h1><p>{escape(view.code)}, request {escape(view.request_id)}</p></html>"
    )
