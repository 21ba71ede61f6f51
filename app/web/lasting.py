"""Answers that last: an event stream goes on at the edge, after the layers that let its request in have ended.

Litestar and its layers keep some fifteen coroutines and the parsed request as long as a request lasts, 12 kB in all.
That is little for an answer of a millisecond, and much for thousands of streams that wait for half an hour each.
"""

from collections.abc import Awaitable, Callable
from typing import Any

LASTING = "lasting"
"""Where the scope's state holds the rest of an answer whose headers are sent."""

_KEPT = ("type", "method", "path", "path_template")
"""What the edge still needs of a request, for its log and its figures, when the answer ends. All else is forgotten."""

Rest = Callable[[Any, Any], Awaitable[None]]
"""Sends the rest; takes ASGI's `receive` and `send`."""


async def go_on(scope: Any, receive: Any, send: Any) -> None:
    """Send the rest of an answer that lasts; nothing for others."""
    rest: Rest | None = scope["state"].pop(LASTING, None)
    if rest is not None:
        kept = {name: scope[name] for name in _KEPT if name in scope}
        scope["state"].clear()
        scope.clear()
        scope.update(kept)
        await rest(receive, send)
