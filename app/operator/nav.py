"""The desk's navigation."""

from app.backoffice.queue import NOTHING_WAITS, Counts
from app.identity.identity import PageRequest
from app.identity.nav import Nav, NavItem


def nav_of_request(request: PageRequest) -> Nav:
    """The navigation of an error's page, without counts."""
    return desk_nav(request.url.path, NOTHING_WAITS)


def desk_nav(path: str, counts: Counts) -> Nav:
    """The groups of the navigation, the same on every page; the item that leads to `path` is the current one."""

    def item(label: str, href: str, icon: str, count: int = 0) -> NavItem:
        current = path == href or (href != "/desk" and path.startswith(f"{href}/"))
        return NavItem(label=label, href=href, icon=icon, current=current, count=count)

    return Nav(
        area="desk",
        title="Operator desk",
        groups=(
            (
                "Waiting",
                (
                    item("Queue", "/desk", "desk", counts.total),
                    item("Approvals", "/desk/approvals", "payout", counts.approvals),
                    item("Reviews", "/desk/reviews", "eye", counts.reviews),
                    item("Applications", "/desk/applications", "mail", counts.applications),
                    item("Holds", "/desk/holds", "pause", counts.holds),
                    item("Alerts", "/desk/alerts", "bell", counts.alerts),
                ),
            ),
            (
                "Platform",
                (
                    item("Look up", "/desk/look-up", "search"),
                    item("Merchants", "/desk/merchants", "merchant"),
                    item("Networks", "/desk/networks", "network"),
                    item("Ledgers", "/desk/ledgers", "ledger"),
                    item("Reconciliation", "/desk/reconciliation", "scale"),
                    item("Switches", "/desk/switches", "settings"),
                ),
            ),
            (
                "Record",
                (
                    item("Your decisions", "/desk/history", "person"),
                    item("Audit log", "/desk/audit", "list"),
                    item("Operators", "/desk/operators", "team"),
                ),
            ),
        ),
        modes=(),
        merchants_url="/cabinet/merchants",
        search_url="/desk/search",
        live_url="/desk/live",
        live_counts="queue",
        live_banners="queue",
    )
