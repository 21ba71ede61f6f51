"""`live`: the stream of the desk's open pages. What each topic is about: app/live/topics.py."""

from typing import Any

from litestar import get
from litestar.types import ASGIApp

from app.accounts.sessions_repository import Session
from app.identity import live
from app.identity.identity import PageRequest
from app.live import topics
from app.live.hub import LiveHub

TOPICS = frozenset(
    ("queue", "approvals", "reviews", "alerts", "networks", "merchants", "holds", "reconciliation", "ledgers", "audit")
)
"""Topics of the desk's lists."""

OF_ONE = ("payout:", "refund:", "invoice:")
"""Topics of one thing, of any merchant: they are followed by its id."""


def handlers(hub: LiveHub) -> list[Any]:
    """`live?topic=…&topic=…`."""

    @get("/live", **live.route_options())
    async def follow(request: PageRequest) -> ASGIApp:
        names = {_topic_of(topic): topic for topic in live.asked_topics(request)}

        async def may_follow(session: Session) -> bool:
            return session.is_operator and session.has_second_step

        return live.stream(request, hub, names, rights=(), may_follow=may_follow)

    return [follow]


def _topic_of(topic: str) -> str:
    if topic in TOPICS:
        return topics.of_desk(topic)[0]
    if topic.startswith(OF_ONE) and topic.partition(":")[2].replace("-", "").isalnum():
        return topic
    raise live.unknown_topic()
