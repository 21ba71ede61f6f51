"""The streams of signed-in pages: each names what changed, among the topics that its page asked to follow.

A stream carries no data. The page reads itself again, with the rights that its visitor has then. The stream ends when
the session ends, and when the visitor may not see one of its topics any more.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from litestar.types import ASGIApp

from app.accounts import sessions
from app.accounts.sessions_repository import Session
from app.core import clock, waiting
from app.core.errors import invalid
from app.core.waiting import DatabaseUnavailable
from app.identity import cookies
from app.identity.identity import PageRequest, visitor_of
from app.live import topics
from app.live.hub import LiveHub
from app.live.stream import counted

MAX_TOPICS = 24
"""Topics of one page."""

CHECK_LIMIT_S = 5.0
"""A check of the visitor's rights waits no longer than this for the database."""

_MOMENT_MS = re.compile(r"[0-9]{13}", re.ASCII)


def asked_topics(request: PageRequest) -> Sequence[str]:
    """The topics in the request's address, each once. Raises INVALID_INPUT for none or too many."""
    asked = list(dict.fromkeys(request.query_params.getall("topic", [])))
    if not asked or len(asked) > MAX_TOPICS:
        raise invalid("topic", f"must be given 1 to {MAX_TOPICS} times")
    return asked


def page_read_at(request: PageRequest) -> datetime | None:
    """When the page was read that now follows changes; None where the address doesn't say."""
    since = request.query_params.get("since", "")
    return datetime.fromtimestamp(int(since) / 1000, UTC) if _MOMENT_MS.fullmatch(since) else None


def unknown_topic() -> Exception:
    """The error for a topic that no page has."""
    return invalid("topic", "is not one that pages follow")


def stream(
    request: PageRequest,
    hub: LiveHub,
    names: Mapping[str, str],
    *,
    rights: Sequence[str],
    may_follow: Callable[[Session], Awaitable[bool]],
) -> ASGIApp:
    """The answer to a page that follows these topics: `names` has the page's own name of each.

    `may_follow` says whether the session's account may still see them; it is asked when one of the topics `rights`
    changes, and every minute. Raises IP_RATE_LIMITED where the account has too many pages open.
    """
    account_id = visitor_of(request).account_id
    token = request.cookies.get(cookies.SESSION, "")
    hub.take_place(request.scope, account_id)

    async def may_go_on() -> bool:
        try:
            with waiting.budget(CHECK_LIMIT_S):
                session = await sessions.find(token, clock.now())
                return session is not None and await may_follow(session)
        except DatabaseUnavailable:  # the page connects again, and is asked then
            return False

    return hub.stream(
        names,
        since=page_read_at(request),
        rights=(topics.of_thing("account", account_id), *rights),
        may_go_on=may_go_on,
    )


def route_options(opt: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the route of a stream is declared with."""
    return {"middleware": [counted], "opt": dict(opt or {})}
