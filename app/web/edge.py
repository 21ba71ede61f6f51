"""The outermost layer: everything that is done for each request and each answer.

A plain ASGI layer around the whole app, because Litestar's own middleware does not see unknown routes.

It sets `request_id`, `client_address` and `requested_path` in `scope["state"]`. The last is the path as it was sent:
Litestar removes slashes at the end and double slashes. A guard may set `rate_limit` there, which is sent as headers,
and the lists `headers` and `cookies`, which are sent even with an error. A layer may set `close_connection`, to end the
connection after the answer; in a process that is about to stop each answer does.

`BodyTimeout` wraps everything that answers, since a body may be read after its answer; `StrictHttp` and `Admission` are
between it and Litestar. They refuse by raising ApiError, and so do the handlers of the merchant API; that is answered
here.
"""

import time
from typing import Any

import structlog
from litestar import Litestar

from app.core import metrics, tracing, waiting
from app.core.errors import ApiError, Code
from app.core.logging import get_logger
from app.core.settings import Settings
from app.web import errors, lasting, request_id
from app.web.access_log import AccessLog
from app.web.admission import Admission
from app.web.body_timeout import BodyTimeout
from app.web.client_address import ClientAddresses
from app.web.headers import SecurityHeaders, is_api
from app.web.methods import STATUSES_WITH_ALLOW, Methods, with_all_allowed
from app.web.paths import has_one_spelling
from app.web.standby_reads import StandbyReads
from app.web.stopping import Stopping
from app.web.strict_http import StrictHttp

log = get_logger(__name__)

LATENCY_BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

UNMATCHED = "unmatched"
"""The label of requests for unknown routes: one for all of them."""

REQUESTS = metrics.histogram(
    "swap_pay_http_request_seconds",
    "Requests answered, by route template and status",
    ["method", "route", "status"],
    buckets=LATENCY_BUCKETS_S,
)

UNTRACED = ("/healthz", "/readyz", "/metrics", "/static/")
"""Asked too often, and about nothing that happens."""

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class Edge:
    """Wraps the app. Serve this, not the Litestar app itself."""

    def __init__(
        self, app: Litestar, settings: Settings, stopping: Stopping | None = None, straight: Any = None
    ) -> None:
        """`straight` answers some requests itself, and passes the others to `app` (app/api/straight.py)."""
        self._app = app
        layers = StrictHttp(Methods(Admission(straight or app)))
        self._layers = layers if settings.database_read_url is None else StandbyReads(layers)
        self._timed = BodyTimeout(self._answer_traced if tracing.is_on() else self._answer, settings)
        self.lifespan = app.lifespan
        self._addresses = ClientAddresses(settings.trusted_proxies)
        self._security = SecurityHeaders(settings)
        self._access_log = AccessLog(level=settings.log_level, json=settings.log_format == "json")
        self._database_wait_s = settings.database_wait_s
        self._stopping = stopping or Stopping()
        self._timers: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection. A lifespan is passed on unchanged."""
        if scope["type"] != "http":
            await self._layers(scope, receive, send)
            if scope["type"] == "lifespan":
                self._access_log.flush()
            return
        await self._timed(scope, receive, send)

    async def _answer_traced(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith(UNTRACED):
            await self._answer(scope, receive, send)
            return
        status = 0

        async def noting(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        with tracing.trace("request", kind="server") as span:
            try:
                await self._answer(scope, receive, noting)
            finally:
                method = scope["method"] if scope["method"] in _METHODS else "other"
                template = scope.get("path_template") or UNMATCHED
                span.name(f"{method} {template}")
                span.set(method=method, route=template, status=status)
                if status >= 500:
                    span.fail(str(status))

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        started_s = time.perf_counter()
        path = scope["path"]
        chosen = request_id.choose(scope["headers"])
        address = self._addresses.of(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = chosen
        state["client_address"] = address
        state["requested_path"] = path
        structlog.contextvars.bind_contextvars(request_id=chosen)
        status = 0

        async def send_with_headers(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message["headers"])
                if status in STATUSES_WITH_ALLOW:
                    headers[:] = with_all_allowed(path, headers)
                headers += self._security.missing(path, headers)
                headers.append((request_id.HEADER, chosen.encode()))
                window = state.get("rate_limit")
                if window is not None:
                    headers += window.headers()
                headers += state.get("headers", ())
                if "cookies" in state:
                    headers += [(b"set-cookie", cookie) for cookie in state["cookies"]]
                if self._stopping.has_begun or state.get("close_connection"):
                    headers.append((b"connection", b"close"))
            await send(message)

        try:
            if "\0" in path and not is_api(path):  # no column can hold it; no page has its substitute
                scope["path"] = path.replace("\0", "\N{REPLACEMENT CHARACTER}")
            if "\0" in scope["path"] or not has_one_spelling(scope):
                raise ApiError(Code.NOT_FOUND, errors.NOTHING_HERE)
            with waiting.budget(self._database_wait_s):
                await self._layers(scope, receive, send_with_headers)
            await lasting.go_on(scope, receive, send)
        except Exception as error:  # of a layer, or of the API's handlers; Litestar has answered what others raise
            if status:  # too late for another answer; a broken one must not look complete
                log.exception("request_failed")
                raise
            await _answer_plainly(scope, send_with_headers, chosen, error)
        finally:
            took_s = time.perf_counter() - started_s
            template = scope.get("path_template") or UNMATCHED
            self._timer(scope["method"], template, status).observe(took_s)
            self._access_log.write(scope, chosen, address, template, status, took_s)

    def _timer(self, method: str, template: str, status: int) -> Any:
        known = self._timers.get((method, template, status))
        if known is None:
            known = REQUESTS.labels(method if method in _METHODS else "other", template, str(status))
            if method in _METHODS:
                self._timers[method, template, status] = known
        return known


async def _answer_plainly(scope: Any, send: Any, chosen: str, error: Exception) -> None:
    """An error's envelope where Litestar does not render it, for pages too."""
    view, more = errors.shown(error, chosen)
    body = errors.envelope(view)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in more.items()]
    await send({"type": "http.response.start", "status": view.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": body, "more_body": False})
