"""The check of one field when it is left: the page sends its form with the field's name in a header.

The same rules run as for the form itself; nothing is carried out, and only the messages of that field are answered.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request, Response

from app.core.errors import ApiError, Code
from app.identity.forms import Form, FormRefused
from app.identity.identity import Identity, known_visitor, site_of
from app.web.rate_limits import refuse_exceeded

HEADER = "x-check-field"

MAX_PER_MINUTE = 120
"""Checks of one person, or of one client address without a session, in a minute: two a second."""

TEMPLATE = "components/_field_messages.html"


def is_check(request: Request[Any, Any, Any]) -> bool:
    """Whether a request is for the check of a field."""
    return HEADER in request.headers


async def checked_field(
    request: Request[Any, Any, Any],
    identity: Identity,
    check: Callable[[Request[Any, Any, Any], Form], Awaitable[Any]] | None,
) -> Response[Any]:
    """The error and the note of the field that the request names; empty where it has neither.

    Raises NOT_FOUND for a form without a check, RATE_LIMITED.
    """
    if check is None:
        raise ApiError(Code.NOT_FOUND, "there is nothing here")
    visitor = known_visitor(request)
    who = visitor.account_id if visitor else site_of(request)
    window = await identity.rate_limiter.take(f"check:{who}", MAX_PER_MINUTE)
    refuse_exceeded(window, Code.RATE_LIMITED, "this page")
    form, name = await identity.read_form(request), request.headers[HEADER]
    try:
        with form.catching():
            await check(request, form)
    except FormRefused:
        pass
    context = {"name": name, "error": form.errors.get(name, ""), "note": form.notes.get(name, "")}
    return identity.fragment(TEMPLATE, context)
