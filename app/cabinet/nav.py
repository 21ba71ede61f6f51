"""The side navigation of a merchant's pages, and the banners above them."""

from collections.abc import AsyncIterator
from datetime import tzinfo
from typing import Any

import msgspec
from litestar import Request

from app.cabinet.context import MemberContext, known_context
from app.core import zones
from app.identity.nav import TEST_MODE, Banner, Nav, NavItem
from app.merchants import applications, switches
from app.merchants.roles import Permission, Standing
from app.merchants.terms import Mode
from app.reports import reviews
from app.webhooks import endpoints_repository
from app.webhooks.endpoints_repository import EndpointView
from app.webhooks.pausing import answer_in_words


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the navigation: below `place`, shown to members with `permission`."""

    group: str
    label: str
    place: str
    icon: str
    permission: Permission = Permission.VIEW


ENTRIES: tuple[Entry, ...] = (
    Entry(group="", label="Home", place="", icon="home"),
    Entry(group="Money", label="Invoices", place="invoices", icon="invoice"),
    Entry(group="Money", label="Payment links", place="payment-links", icon="link"),
    Entry(group="Money", label="Till", place="till", icon="till", permission=Permission.INVOICES_WRITE),
    Entry(group="Money", label="Payouts", place="payouts", icon="payout", permission=Permission.PAYOUTS_VIEW),
    Entry(group="Money", label="Refunds", place="refunds", icon="refund"),
    Entry(group="Money", label="Reviews", place="reviews", icon="eye"),
    Entry(group="Money", label="Find a transaction", place="transactions", icon="search"),
    Entry(group="Books", label="Balances", place="balances", icon="balance", permission=Permission.BOOKS_VIEW),
    Entry(group="Books", label="Reports", place="reports", icon="chart", permission=Permission.BOOKS_VIEW),
    Entry(group="Books", label="Statements", place="statements", icon="scale", permission=Permission.BOOKS_VIEW),
    Entry(group="Books", label="Ledger", place="ledger", icon="ledger", permission=Permission.BOOKS_VIEW),
    Entry(group="Books", label="Exports", place="exports", icon="download", permission=Permission.EXPORTS_VIEW),
    Entry(group="Developers", label="API keys", place="keys", icon="key", permission=Permission.KEYS_VIEW),
    Entry(group="Developers", label="Webhooks", place="webhooks", icon="webhook", permission=Permission.WEBHOOKS_VIEW),
    Entry(group="Developers", label="Events", place="events", icon="event", permission=Permission.EVENTS_VIEW),
    Entry(group="Business", label="Team", place="team", icon="team", permission=Permission.TEAM_VIEW),
    Entry(group="Business", label="Security", place="security", icon="shield", permission=Permission.SECURITY_VIEW),
    Entry(group="Business", label="Settings", place="settings", icon="settings", permission=Permission.SETTINGS_VIEW),
    Entry(group="Business", label="Audit log", place="audit", icon="list", permission=Permission.AUDIT_OF_MONEY_VIEW),
)
"""In the order in which they are shown; those of a group stand together."""

_STANDING_BANNERS: dict[Standing, Banner] = {
    "pending": Banner(
        tone="neutral",
        title="Awaiting approval.",
        text="We are reading the application. Live mode opens once it is approved; test mode is open now.",
    ),
    "rejected": Banner(
        tone="caution",
        title="Not approved.",
        text="The application was rejected. You can correct it and apply again. Test mode stays open.",
    ),
    "suspended": Banner(
        tone="critical",
        title="Suspended.",
        text="API keys are refused, and no invoices, payouts or refunds can be made. Balances are untouched.",
    ),
    "banned": Banner(
        tone="critical",
        title="Closed.",
        text="This merchant was banned. Everything can be read and exported, nothing changed.",
    ),
}


async def nav_of(ctx: MemberContext, path: str, zone: tzinfo, *, bare: bool = False) -> Nav:
    """The frame of a merchant's page at `path`, for a reader in `zone`. A `bare` one is for a page whose frame is not
    shown."""
    if bare:
        return Nav(area="cabinet", title=ctx.member.merchant_name, groups=(), live_url=ctx.path("live"))
    open_reviews = await reviews.open_count(ctx.merchant_id, ctx.mode)
    return _nav(ctx, path, open_reviews, tuple([banner async for banner in _banners(ctx, zone)]))


def of_request(request: Request[Any, Any, Any]) -> Nav:
    """The frame of an error's page: the merchant's, if the guard found one, without counts and banners."""
    ctx = known_context(request)
    return outside() if ctx is None else _nav(ctx, request.scope["path"], 0, ())


def _nav(ctx: MemberContext, path: str, open_reviews: int, banners: tuple[Banner, ...]) -> Nav:
    place = path.removeprefix(ctx.base).strip("/")
    groups: dict[str, list[NavItem]] = {}
    for entry in ENTRIES:
        if ctx.may(entry.permission):
            groups.setdefault(entry.group, []).append(
                NavItem(
                    label=entry.label,
                    href=ctx.path(entry.place) if entry.place else ctx.base,
                    icon=entry.icon,
                    current=_is_below(place, entry.place),
                    count=open_reviews if entry.place == "reviews" else 0,
                )
            )
    if not groups:  # a role that only a newer version knows
        return outside(ctx.member.merchant_name)
    return Nav(
        area="cabinet",
        title=ctx.member.merchant_name,
        groups=tuple((label, tuple(items)) for label, items in groups.items()),
        modes=(
            ("Live", _in_mode(ctx, "live", place), ctx.mode == "live"),
            (TEST_MODE, _in_mode(ctx, "test", place), ctx.mode == "test"),
        ),
        merchants_url="/cabinet/merchants",
        search_url=ctx.path("search"),
        banners=banners,
        roles_url=ctx.path("team/roles"),
        live_url=ctx.path("live"),
        live_counts="reviews",
        live_banners="webhooks settings switches",
    )


def _in_mode(ctx: MemberContext, mode: Mode, place: str) -> str:
    """The page of the navigation that one is on or below, in a mode: one thing of a list is only in its own mode."""
    above = [entry for entry in ENTRIES if entry.place and _is_below(place, entry.place)]
    kept = [entry.place for entry in above if ctx.member.may(entry.permission)]
    return "/".join((f"/cabinet/{ctx.merchant_id}/{mode}", *kept))


def outside(title: str = "Your merchants") -> Nav:
    """The frame of pages without a merchant."""
    items = (NavItem(label="Merchants", href="/cabinet/merchants", icon="merchant", current=True),)
    return Nav(area="cabinet", title=title, groups=(("", items),))


async def _banners(ctx: MemberContext, zone: tzinfo) -> AsyncIterator[Banner]:
    standing = _STANDING_BANNERS.get(ctx.member.standing)
    if ctx.member.standing == "pending" and not await applications.of_merchant(ctx.merchant_id):
        yield Banner(
            tone="neutral",
            title="Test mode only.",
            text="Apply when you want to take real payments. A person reads the application.",
            href=ctx.path("application") if ctx.may(Permission.APPLICATION_WRITE) else "",
            link="Apply",
        )
    elif standing is not None:
        yield standing
    if ctx.member.standing not in ("suspended", "banned"):  # all others create invoices, if only in test mode
        for switch in await switches.states():
            if switch.paused_at is not None:
                yield Banner(
                    tone="caution",
                    title=f"New {switch.name} are paused by the gateway",
                    text=f"since {zones.in_words(switch.paused_at, zone)}: {switch.reason}",
                )
    if ctx.may(Permission.WEBHOOKS_VIEW):
        stopped = await endpoints_repository.list_stopped(ctx.merchant_id, ctx.mode)
        if stopped:
            yield Banner(
                tone="critical",
                title="Webhooks are paused." if len(stopped) > 1 else "A webhook is paused.",
                text=f"{_why_stopped(stopped[0])} Events wait until it is enabled again; none is lost.",
                href=ctx.path("webhooks", stopped[0].id) if len(stopped) == 1 else ctx.path("webhooks"),
                link="See why, and enable it",
            )


def _why_stopped(endpoint: EndpointView) -> str:
    """Why an endpoint gets nothing now, by what it answered last."""
    if endpoint.status_reason == "gone":
        return f"{endpoint.url} answered HTTP 410 Gone."
    if endpoint.stopped_by is None:
        return f"Deliveries to {endpoint.url} failed."
    if endpoint.stopped_by.startswith("HTTP"):
        return f"{endpoint.url} answered {endpoint.stopped_by}."
    return f"{endpoint.url} did not answer ({answer_in_words(endpoint.stopped_by)})."


def _is_below(place: str, entry: str) -> bool:
    return place == entry or (bool(entry) and place.startswith(f"{entry}/"))
