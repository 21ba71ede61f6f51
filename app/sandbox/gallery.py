"""The gallery: every component of the signed-in pages in every state, for review and tests. Sandbox only.

Its data is invented here; templates, style sheets and scripts are the real ones. Each component of a page must be in
the gallery.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from litestar import Request, Response, get

from app.accounts.sessions_repository import Session
from app.core import zones
from app.core.errors import ApiError, Code
from app.core.money import group_digits
from app.identity import charts
from app.identity.forms import Form
from app.identity.nav import Banner, Nav, NavItem
from app.identity.visitor import Visitor
from app.web.pages import Pages
from app.web.routing import Router

NOW = datetime(2026, 11, 24, 9, 41, 7, tzinfo=UTC)
"""The gallery's fixed time, so that two screenshots can be compared."""

PAGES = {
    "basics": ("Basics", "home"),
    "forms": ("Forms", "edit"),
    "errors": ("Forms with errors", "caution"),
    "tables": ("Tables and lists", "list"),
    "data": ("Facts and figures", "balance"),
    "charts": ("Charts", "chart"),
    "states": ("Empty, loading, failed", "clock"),
    "long": ("Long words", "ledger"),
    "test-mode": ("Test mode", "flask"),
}
"""Pages in the frame, by their place in the address: title and icon."""

IDENTITY_PAGES = {"identity": "gallery/identity.html", "identity-error": "gallery/identity.html"}

LONG_NAME = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenauszahlungsstelle Nord-Nordwest & Söhne"
HASH = "0x3f1a9c0b5e7d2846a1c3f5b7d9e0a2c4b6d8f0a1b3c5d7e9f1a2b4c6d877e0b2"
VOLUME = [412, 380, 0, 655, 720, 1204, 330, 215, 498, 610, 875, 940, 1320, 402, 377]
VOLUME += [551, 690, 1010, 1188, 96, 460, 583, 720, 812, 1402, 1260, 388, 290, 645, 905]


class Row(msgspec.Struct, frozen=True):
    """An invoice as a list shows one."""

    id: str
    description: str
    amount: str
    asset: str
    state: str
    at: datetime


class Entry(msgspec.Struct, frozen=True):
    """One entry of a timeline."""

    title: str
    at: datetime
    tone: str = "neutral"
    text: str = ""
    by: str = ""


ROWS = (
    Row("INV-0K3V9ZQ2TA", "Order 1042 · two linen shirts", "5.00", "USDT", "paid", NOW - timedelta(minutes=4)),
    Row("INV-7WX2M4B8QD", "Order 1041 · oak tray", "1250.50", "USDT", "confirming", NOW - timedelta(minutes=31)),
    Row("INV-2C9F6H0JKN", "", "0.001234567890123456", "ETH", "awaiting_deposit", NOW - timedelta(hours=2)),
    Row("INV-5RT8V1Y3ZA", "Order 1039 · gift card", "20.00", "USDC", "manual_review", NOW - timedelta(hours=5)),
    Row("INV-8B4D6F9G2H", "Order 1038", "88.10", "USDT", "expired", NOW - timedelta(days=1)),
    Row("INV-1J3K5M7N9P", "Order 1031 · returned", "42.00", "USDT", "partially_refunded", NOW - timedelta(days=3)),
)

HISTORY = (
    Entry("Invoice created", NOW - timedelta(minutes=42), by="API key “shop server”"),
    Entry("Payment seen", NOW - timedelta(minutes=12), "progress", "5.000073 USDT, exactly the requested amount."),
    Entry("Paid", NOW - timedelta(minutes=8), "positive", "20 of 20 confirmations; 4.960073 USDT credited."),
    Entry("Refund needs review", NOW - timedelta(minutes=2), "caution", by="kim@harbour-and-pine.example"),
    Entry("Webhook failed", NOW, "critical", "HTTP 503 after 312 ms. Next attempt in 30 s."),
)

STATES = (
    "awaiting_deposit",
    "confirming",
    "paid",
    "partially_refunded",
    "refunded",
    "expired",
    "cancelled",
    "manual_review",
    "closed",
    "pending_approval",
    "approved",
    "submitted",
    "confirmed",
    "rejected",
    "failed",
    "active",
    "paused",
    "revoked",
    "delivered",
    "dead_letter",
)


def routes(pages: Pages) -> Router:
    """`/gallery` and the pages below it."""

    @get("/", sync_to_thread=False)
    def first() -> Response[bytes]:
        return pages.page("gallery/basics.html", context("basics"))

    @get("/{name:str}", sync_to_thread=False)
    def page(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
        if name in IDENTITY_PAGES:
            return pages.page(IDENTITY_PAGES[name], context(name))
        if name not in PAGES:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        return pages.page(f"gallery/{name.replace('-', '_')}.html", context(name))

    return Router("/gallery", route_handlers=[first, page], include_in_schema=False)


def addresses() -> list[str]:
    """The path of every page of the gallery."""
    return [f"/gallery/{name}" for name in (*PAGES, *IDENTITY_PAGES)]


def context(name: str) -> dict[str, Any]:
    """The template context of all pages."""
    wrong = name in ("errors", "identity-error")
    return {
        "visitor": _visitor(),
        "zone": _visitor().zone,
        "zone_name": zones.with_offset(_visitor().zone, NOW),
        "csrf_token": "gallery",
        "needs_code": True,
        "flash": None,
        "path": f"/gallery/{name}",
        "nav": _nav(name),
        "form": _wrong_form() if wrong else _form(),
        "rows": ROWS,
        "history": HISTORY,
        "states": STATES,
        "hash": HASH,
        "long_name": LONG_NAME,
        "now": NOW,
        "passkey": None,
        **_charts(),
    }


def _visitor() -> Visitor:
    session = Session(
        id="SES-0000000000",
        account_id="ACC-0000000000",
        email="robin@harbour-and-pine.example",
        name="Robin Ferreira",
        is_operator=True,
        has_totp=True,
        passkey_ids=[],
        code_given_at=None,
        created_at=NOW,
        last_seen_at=NOW,
        address="192.0.2.7",
        user_agent="Gallery",
        token_hash=b"",
        time_zone="Asia/Tokyo",
    )
    return Visitor(session, "192.0.2.7")


def _nav(name: str) -> Nav:
    items = tuple(
        NavItem(label=title, href=f"/gallery/{place}", icon=icon, current=place == name)
        for place, (title, icon) in PAGES.items()
    )
    merchant = (
        NavItem(label="Home", href="/gallery", icon="home"),
        NavItem(label="Invoices", href="/gallery/tables", icon="invoice"),
        NavItem(label="Payouts", href="/gallery/tables", icon="payout"),
        NavItem(label="Refunds", href="/gallery/tables", icon="refund"),
        NavItem(label="Reviews", href="/gallery/tables", icon="eye", count=3),
    )
    is_test = name == "test-mode"
    return Nav(
        area="cabinet",
        title=LONG_NAME if name == "long" else "Harbour & Pine",
        groups=(("", merchant), ("Gallery", items)),
        modes=(("Live", "/gallery/basics", not is_test), ("Test", "/gallery/test-mode", is_test)),
        merchants_url="/gallery",
        banners=_BANNERS.get(name, ()),
    )


_BANNERS: Mapping[str, tuple[Banner, ...]] = {
    "states": (
        Banner(
            title="A webhook is paused.",
            text="shop.example failed 20 times in a row; 14 events wait for it.",
            tone="critical",
            href="/gallery/states",
            link="Look at it and enable it",
        ),
        Banner(text="Payouts are paused by the operator; new ones are accepted and wait.", tone="caution"),
    )
}


def _form() -> Form:
    return Form(
        values={"name": "Shop server", "limit": "60", "url": "https://shop.example/hooks", "payer": "merchant"},
        lists={"scopes": ["invoices.read", "invoices.write"]},
    )


def _wrong_form() -> Form:
    form = Form(values={"name": "", "limit": "6000000", "url": "http://10.0.0.1/hook", "email": "robin@"})
    form.errors = {
        "name": "Enter a name for the key",
        "scopes": "Choose at least one scope",
        "limit": "The limit must be between 1 and 6,000 requests per minute",
        "url": "The address must be https and must not be in a private network",
        "code": "That code was not right. Codes change every 30 seconds",
        "email": "Enter an email address in the form name@example.com",
        "": "Your session has been open in another window: nothing was saved",
    }
    return form


def _charts() -> dict[str, Any]:
    days = [(f"{day.day} {day:%b}", value) for value, day in zip(VOLUME, _days(len(VOLUME)), strict=True)]
    volume = charts.bars(days)
    return {
        "volume": volume,
        "volume_figures": [f"{group_digits(bar.value)}.00 USDT" for bar in volume.bars],
        "volume_ticks": [group_digits(line.value) for line in volume.lines],
        "nothing": charts.bars([(label, 0) for label, _ in days]),
        "few": charts.bars([("Mon", 1), ("Tue", 0), ("Wed", 3)]),
        "stages": charts.funnel([("Created", 412), ("Payment seen", 371), ("Paid", 366), ("Refunded", 9)]),
        "per_cent": charts.per_cent,
        "rising": charts.sparkline(VOLUME[:14]),
        "falling": charts.sparkline(sorted(VOLUME[-14:], reverse=True)),
        "level": charts.sparkline([0] * 14),
    }


def _days(count: int) -> list[datetime]:
    return [NOW - timedelta(days=count - 1 - place) for place in range(count)]
