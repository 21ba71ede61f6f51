"""OpenTelemetry traces, off unless `TRACES_URL` is set; the packages are those of the extra `tracing`.

While it is off nothing of OpenTelemetry is imported, and a span costs a function call. What follows after the commit,
in another process or minutes later, belongs to the same trace by its context (`app/core/carried_traces.py`).
A context that a client sends is ignored: strangers would choose what is recorded.

A span says what happened and how long it took. It never holds personal data, secrets, addresses, amounts or messages of
errors: its attributes are those of `ATTRIBUTES`, and no others.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any, Literal

from app.core.deployment import DeploymentError

Kind = Literal["internal", "server", "client", "producer", "consumer"]

ATTRIBUTES = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "network": "swap_pay.network",
    "first_block": "swap_pay.block.first",
    "last_block": "swap_pay.block.last",
    "transfers": "swap_pay.transfers",
    "verdict": "swap_pay.deposit.verdict",
    "event_type": "swap_pay.event.type",
    "attempt": "swap_pay.webhook.attempt",
    "outcome": "swap_pay.outcome",
    "job": "swap_pay.job",
}
"""What a span may say, with its name in OpenTelemetry. All values are ours: route templates, types, names, counts."""

EXPORT_TIMEOUT_S = 5


class NotInstalled(DeploymentError):
    """TRACES_URL is set, and the packages of the extra `tracing` are missing."""


class Span:
    """A span that is being recorded; without tracing one that records nothing."""

    def __init__(self, recorded: Any = None) -> None:
        self._recorded = recorded

    def name(self, name: str) -> None:
        """Give it a better name, once that is known."""
        if self._recorded is not None:
            self._recorded.update_name(name)

    def set(self, **attributes: str | int) -> None:
        """Set attributes, by their keys in `ATTRIBUTES`. Raises KeyError for any other."""
        if self._recorded is not None:
            for key, value in attributes.items():
                self._recorded.set_attribute(ATTRIBUTES[key], value)

    def fail(self, kind: str) -> None:
        """Mark it as failed; `kind` is the name of an error's class or of a result."""
        if self._recorded is not None:
            self._recorded.set_status(_otel.StatusCode.ERROR, kind)


class _Otel:
    """What is used of OpenTelemetry, imported when tracing begins."""

    def __init__(self) -> None:
        try:
            from opentelemetry import context, trace  # noqa: PLC0415 - not installed everywhere
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415
        except ImportError as error:
            raise NotInstalled(
                f"TRACES_URL is set: install swap-pay-gateway[tracing] ({error.name} is missing)"
            ) from None
        self.context, self.trace, self.StatusCode = context, trace, trace.StatusCode
        self.exporter, self.resource, self.provider = OTLPSpanExporter, Resource, TracerProvider
        self.batches, self.sampler = BatchSpanProcessor, lambda share: ParentBased(TraceIdRatioBased(share))
        self.propagator = TraceContextTextMapPropagator()


_otel: Any = None
_provider: Any = None
_tracer: Any = None


def require(url: str | None) -> None:
    """Raise NotInstalled where a URL is set and the packages are missing."""
    global _otel
    if url is not None and _otel is None:
        _otel = _Otel()


def begin(url: str | None, *, percent: int, process: str) -> None:
    """Record spans of this process from now on, and send them to a collector by OTLP over HTTP; without a URL nothing.

    `percent` of the traces are recorded: each whole, in every process. Raises NotInstalled.
    """
    global _provider, _tracer
    if url is None or _tracer is not None:
        return
    require(url)
    _provider = _otel.provider(
        sampler=_otel.sampler(percent / 100),
        resource=_otel.resource.create({"service.name": f"swap-pay-{process}"}),
        shutdown_on_exit=False,
    )
    exporter = _otel.exporter(endpoint=url, timeout=EXPORT_TIMEOUT_S)
    _provider.add_span_processor(_otel.batches(exporter, export_timeout_millis=EXPORT_TIMEOUT_S * 1000))
    _tracer = _provider.get_tracer("swap-pay")


def end() -> None:
    """Send what is left, and record nothing any more. Waits for the collector, so call it in a thread."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        provider.shutdown()


def is_on() -> bool:
    """Whether this process records spans."""
    return _tracer is not None


def trace(name: str, *, kind: Kind = "internal", **attributes: str | int) -> AbstractContextManager[Span]:
    """Record what the block does: a trace of its own, or a part of the one around it."""
    return _NO_SPAN if _tracer is None else _record(name, kind, None, None, attributes)


def part(name: str, *, kind: Kind = "internal", **attributes: str | int) -> AbstractContextManager[Span]:
    """Record what the block does as a part of the trace around it; where there is none, nothing."""
    return _NO_SPAN if context() is None else _record(name, kind, None, None, attributes)


def continued(
    name: str,
    parent: str | None,
    *,
    kind: Kind = "internal",
    began_at: datetime | None = None,
    **attributes: str | int,
) -> AbstractContextManager[Span]:
    """Record what the block does as a part of a trace that was carried here; without one nothing.

    `began_at`: when it began, if that was earlier.
    """
    return _NO_SPAN if _tracer is None or parent is None else _record(name, kind, parent, began_at, attributes)


@contextmanager
def _record(
    name: str, kind: Kind, parent: str | None, began_at: datetime | None, attributes: Mapping[str, str | int]
) -> Iterator[Span]:
    """An error that leaves the block marks the span with its class alone: its message may hold anything."""
    with _tracer.start_as_current_span(
        name,
        context=None if parent is None else _otel.propagator.extract({"traceparent": parent}, _otel.context.Context()),
        kind=_otel.trace.SpanKind[kind.upper()],
        start_time=None if began_at is None else int(began_at.timestamp() * 1_000_000) * 1_000,
        record_exception=False,
        set_status_on_exception=False,
    ) as recorded:
        current = Span(recorded)
        current.set(**attributes)
        try:
            yield current
        except Exception as error:
            current.fail(type(error).__name__)
            raise


def leave() -> None:
    """Be in no trace any more, in this task."""
    if _tracer is not None:
        _otel.context.attach(_otel.context.Context())


def context() -> str | None:
    """The current span's context for others to continue (W3C traceparent); None where nothing is recorded."""
    if _tracer is None:
        return None
    if not _otel.trace.get_current_span().is_recording():
        return None
    carrier: dict[str, str] = {}
    _otel.propagator.inject(carrier)
    return carrier.get("traceparent")


def trace_id() -> str | None:
    """The current trace's id for logs, as collectors show it; None where nothing is recorded."""
    current = context()
    return None if current is None else current.split("-")[1]


_NO_SPAN = nullcontext(Span())
