"""The side navigation of a merchant's pages, and the banners above them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import tzinfo

from app.cabinet.context import MemberContext
from app.core import zones
from app.identity.nav import TEST_MODE, Banner, Nav, NavItem
from app.merchants import switches
from app.merchants.roles import Permission, Standing
from app.reports import reviews
from app.webhooks import endpoints_repository
from app.webhooks.endpoints_repository import EndpointView
from app.webhooks.pausing import answer_in_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A page of the navigation: below `place`, shown to members with `permission`."""

    group: str
    label: str
    place: str
    icon: str
    permission: Permission = Permission.VIEW


ENTRIES: tuple[Entry, ...] = (
    Entry(group="", label="Home", place="", icon="home"),
    Entry(group="Money", label="Invoices", place="invoices", icon="invoice"),
    Entry(group="Money", label="Payouts", place="payouts", icon="payout"),
    Entry(group="Money", label="Refunds", place="refunds", icon="refund"),
    Entry(group="Money", label="Reviews", place="reviews", icon="eye"),
    Entry(group="Money", label="Find a transaction", place="transactions", icon="search"),
    Entry(group="Books", label="Balances", place="balances", icon="balance"),
    Entry(group="Books", label="Reports", place="reports", icon="chart"),
    Entry(group="Books", label="Ledger", place="ledger", icon="ledger"),
    Entry(group="Books", label="Exports", place="exports", icon="download"),
    Entry(group="Developers", label="API keys", place="keys", icon="key", permission=Permission.KEYS_VIEW),
    Entry(group="Developers", label="Webhooks", place="webhooks", icon="webhook", permission=Permission.WEBHOOKS_VIEW),
    Entry(group="Developers", label="Events", place="events", icon="event", permission=Permission.EVENTS_VIEW),
    Entry(group="Business", label="Team", place="team", icon="team", permission=Permission.TEAM_VIEW),
    Entry(group="Business", label="Security", place="security", icon="shield", permission=Permission.SECURITY_VIEW),
    Entry(group="Business", label="Settings", place="settings", icon="settings", permission=Permission.SETTINGS_VIEW),
    Entry(group="Business", label="Audit log", place="audit", icon="list", permission=Permission.AUDIT_VIEW),
)
"""In the order in which they are shown; those of a group stand together."""

_STANDING_BANNERS: dict[Standing, Banner] = {
    "pending": Banner(
        tone="neutral",
        title="Awaiting approval.",
        text="We are reading the application. Payments can be taken once it is approved.",
    ),
    "rejected": Banner(
        tone="caution",
        title="Not approved.",
        text="The application was rejected. You can correct it and apply again.",
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


async def nav_of(ctx: MemberContext, path: str, zone: tzinfo) -> Nav:
    """The frame of a merchant's page at `path`, for a reader in `zone`."""
    open_reviews = await reviews.open_count(ctx.merchant_id, ctx.mode)
    place = path.removeprefix(ctx.base).strip("/")
    groups: dict[str, list[NavItem]] = {}
    for entry in ENTRIES:
        if ctx.member.may(entry.permission):
            groups.setdefault(entry.group, []).append(
                NavItem(
                    label=entry.label,
                    href=ctx.path(entry.place) if entry.place else ctx.base,
                    icon=entry.icon,
                    current=_is_below(place, entry.place),
                    count=open_reviews if entry.place == "reviews" else 0,
                )
            )
    return Nav(
        area="cabinet",
        title=ctx.member.merchant_name,
        groups=tuple((label, tuple(items)) for label, items in groups.items()),
        modes=(
            ("Live", f"/cabinet/{ctx.merchant_id}/live", ctx.mode == "live"),
            (TEST_MODE, f"/cabinet/{ctx.merchant_id}/test", ctx.mode == "test"),
        ),
        merchants_url="/cabinet",
        banners=tuple([banner async for banner in _banners(ctx, zone)]),
        live_url=ctx.path("live"),
        live_counts="reviews",
        live_banners="webhooks settings",
    )


def outside(title: str = "Your merchants") -> Nav:
    """The frame of pages without a merchant."""
    items = (NavItem(label="Merchants", href="/cabinet", icon="merchant", current=True),)
    return Nav(area="cabinet", title=title, groups=(("", items),))


async def _banners(ctx: MemberContext, zone: tzinfo) -> AsyncIterator[Banner]:
    standing = _STANDING_BANNERS.get(ctx.member.standing)
    if standing is not None:
        yield standing
    if ctx.member.standing == "approved":
        for switch in await switches.states():
            if switch.paused_at is not None:
                yield Banner(
                    tone="caution",
                    title=f"New {switch.name} are paused by the gateway",
                    text=f"since {zones.in_words(switch.paused_at, zone)}: {switch.reason}",
                )
    if ctx.member.may(Permission.WEBHOOKS_VIEW):
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
