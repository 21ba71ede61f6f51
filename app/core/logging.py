"""Structured logs: one JSON object a line on stderr, with the request's id wherever there is one."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

from app.core import tracing
from app.core.leaving_out import leaving_out

with leaving_out("rich"):  # for tracebacks in colour, with the frames' variables: not for us
    import structlog
    import structlog.tracebacks

_SECRET_WORDS = ("secret", "password", "authorization", "api_key", "pepper", "token", "mnemonic", "private")
_HIDDEN = "[hidden]"

# Without the frames' local variables, which structlog's own renderer adds: a spending key may be one of them.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure(*, level: str, json: bool) -> None:
    """Set up structlog and the standard library's logging alike. Call once, at process start."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_trace_id,
        hide_secrets,
        _TRACEBACKS if json else structlog.processors.ExceptionPrettyPrinter(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # httpx logs each request's whole URL at INFO: node URLs often hold an access key.
    # arq logs the start and the end of each job: several a second.
    for chatty in ("httpx", "httpcore", "piccolo", "arq"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module: `log = get_logger(__name__)`."""
    return structlog.stdlib.get_logger(name)


def add_trace_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name the trace in which it was logged, where one is recorded."""
    if (trace_id := tracing.trace_id()) is not None:
        event["trace_id"] = trace_id
    return event


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Remove fields whose name suggests a secret, in case code logs one by mistake."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = _HIDDEN
    return event
