"""`live`: the stream of a merchant's open pages. What each topic is about: app/live/topics.py."""

from types import MappingProxyType
from typing import Any

from litestar import get
from litestar.types import ASGIApp

from app.accounts.sessions_repository import Session
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.core.errors import ApiError, Code
from app.identity import live
from app.identity.identity import PageRequest
from app.live import topics
from app.live.hub import LiveHub
from app.merchants.members import Member, member
from app.merchants.roles import Permission

TOPICS = MappingProxyType(
    {
        "invoices": Permission.VIEW,
        "links": Permission.VIEW,
        "payouts": Permission.PAYOUTS_VIEW,
        "refunds": Permission.VIEW,
        "reviews": Permission.VIEW,
        "balances": Permission.BOOKS_VIEW,
        "exports": Permission.EXPORTS_VIEW,
        "export": Permission.EXPORTS_VIEW,
        "invoice": Permission.VIEW,
        "payout": Permission.PAYOUTS_VIEW,
        "refund": Permission.VIEW,
        "events": Permission.EVENTS_VIEW,
        "webhooks": Permission.WEBHOOKS_VIEW,
        "deliveries": Permission.WEBHOOKS_VIEW,
        "delivery": Permission.WEBHOOKS_VIEW,
        "keys": Permission.KEYS_VIEW,
        "team": Permission.TEAM_VIEW,
        "settings": Permission.SETTINGS_VIEW,
        "switches": Permission.VIEW,
        "audit": Permission.AUDIT_OF_MONEY_VIEW,
    }
)
"""What a member must be allowed to see to follow a topic: of a list, or of one thing (`invoice:INV-…`)."""

OF_ONE = frozenset(("invoice", "payout", "refund", "delivery", "export"))
"""Topics of one thing, which have its id after a colon."""

MAX_ID_LENGTH = 60


def handlers(cabinet: Cabinet, hub: LiveHub) -> list[Any]:
    """`live?topic=…&topic=…`."""

    @get("/live", **live.route_options(needs(Permission.VIEW)))
    async def follow(request: PageRequest) -> ASGIApp:
        ctx, asked = context_of(request), live.asked_topics(request)
        kinds = {topic: _kind(topic) for topic in asked}
        # A page may have parts that only some members see: what others may not see is left out.
        seen = [topic for topic in asked if ctx.may(TOPICS[kinds[topic]])]
        if not seen:
            ctx.member.require(TOPICS[kinds[asked[0]]])
        names = {await _topic_of(cabinet, ctx, kinds[topic], topic): topic for topic in seen}

        async def may_follow(session: Session) -> bool:
            found = await member(session.account_id, ctx.merchant_id, address=None)
            return found is not None and all(_may(found, kinds[topic]) for topic in seen)

        rights = topics.of_merchant(ctx.merchant_id, ctx.mode, "team", "settings")
        return live.stream(request, hub, names, rights=rights, may_follow=may_follow)

    return [follow]


def _kind(topic: str) -> str:
    kind, colon, thing_id = topic.partition(":")
    if kind not in TOPICS or bool(colon) != (kind in OF_ONE) or not _is_id(thing_id if colon else "x"):
        raise live.unknown_topic()
    return kind


def _is_id(text: str) -> bool:
    return 0 < len(text) <= MAX_ID_LENGTH and text.isascii() and text.replace("-", "").isalnum()


def _may(found: Member, kind: str) -> bool:
    return found.may(TOPICS[kind])


async def _topic_of(cabinet: Cabinet, ctx: MemberContext, kind: str, topic: str) -> str:
    """The topic as it is published. Raises NOT_FOUND for an invoice, payout or refund of somebody else."""
    services, thing_id = cabinet.services, topic.partition(":")[2]
    if kind == "switches":
        return topics.of_platform(kind)[0]
    found: object = None
    if kind == "invoice":
        found = await services.invoice_reader.get(ctx.merchant_id, ctx.mode, thing_id)
    elif kind == "payout":
        found = await services.withdrawal_reader.payout(ctx.merchant_id, ctx.mode, thing_id)
    elif kind == "refund":
        found = await services.withdrawal_reader.refund(ctx.merchant_id, ctx.mode, thing_id)
    else:
        return topics.of_merchant(ctx.merchant_id, ctx.mode, topic)[0]
    if found is None:
        raise ApiError(Code.NOT_FOUND, "there is nothing here")
    return topics.of_thing(kind, thing_id)
