"""Calls the handlers of the merchant API and sends their responses.

Litestar finds the route (app/api/straight.py), the guard calls us, and the edge answers errors. Litestar's general way
(extractors, a graph of dependencies, a model of the signature, a response made of a response) costs more than all the
rest of reading an invoice, and our handlers have only five kinds of parameters.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

import msgspec
from litestar import Request, Response
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler

from app.api.deprecations import Watch
from app.web import admission, bodies

PRINCIPAL, PARAMETERS, REQUEST, DATA = "principal", "parameters", "request", "data"
"""What a handler may take besides the parameters of its path. The guard puts the first two into the scope's state."""

_encode = msgspec.json.Encoder().encode


class Call:
    """How one handler is called and its answer sent."""

    def __init__(self, handler: HTTPRouteHandler, watch: Watch | None = None) -> None:
        """`watch` is told which fields a body has, where it watches some."""
        self._handler = handler
        self._watch = watch if watch is not None and watch.parameters else None
        self._function: Callable[..., Any] = handler.fn
        self._is_async = inspect.iscoroutinefunction(handler.fn)
        names = set(inspect.signature(handler.fn).parameters)
        self._takes_request = REQUEST in names
        self._type_of_data: Any = get_type_hints(handler.fn)[DATA] if DATA in names else None
        self._from_state = tuple(names & {PRINCIPAL, PARAMETERS})
        self._from_path = tuple(names - {PRINCIPAL, PARAMETERS, REQUEST, DATA})

    def refuse_unknown(self, path_parameters: set[str]) -> None:
        """Raise ImproperlyConfiguredException if the handler has a parameter that no request can fill."""
        unknown = set(self._from_path) - path_parameters
        if unknown:
            raise ImproperlyConfiguredException(f"{self._handler} takes {min(unknown)!r}, which is not in its path")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request that the guard let through. Raises what the handler raises, and the errors of
        app/web/bodies.py."""
        state, path = scope["state"], scope["path_params"]
        given = {name: state[name] for name in self._from_state}
        for name in self._from_path:
            given[name] = path[name]
        if self._takes_request:
            given[REQUEST] = Request(scope, receive, send)
        if self._type_of_data is not None:
            with state[admission.STATE].beside_work():
                raw = await bodies.read(scope, receive)
            given[DATA] = bodies.decode(raw, self._type_of_data)
            if self._watch is not None:
                fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
                self._watch.note(state, state[PRINCIPAL], {*fields, *state.get(PARAMETERS, ())})
        answer = self._function(**given)
        if self._is_async:
            answer = await answer
        await self._send(answer, scope, receive, send)

    async def _send(self, answer: Any, scope: Any, receive: Any, send: Any) -> None:
        status, body, headers = self._handler.status_code, b"", []
        if isinstance(answer, Response):  # with a status or headers of its own
            if not _is_stored_json(answer):
                request: Request[Any, Any, Any] = Request(scope, receive, send)
                respond: Callable[..., Awaitable[None]] = await self._handler.to_response(
                    scope["litestar_app"], answer, request
                )
                await respond(scope, receive, send)
                return
            status, body = answer.status_code or status, answer.content
            headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
        elif status != 204:
            body = _encode(answer)
        if status != 204:
            headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _is_stored_json(answer: Response[Any]) -> bool:
    """Whether a response is bytes of JSON with nothing that Litestar would still have to do: a creation's answer."""
    plain = answer.media_type == "application/json" and not answer.cookies and answer.background is None
    return plain and isinstance(answer.content, bytes)
