"""The navigation of the pages of a person's own account."""

from app.identity.identity import PageRequest
from app.identity.nav import Nav, NavItem

_PAGES = (
    ("Profile", "/account", "person"),
    ("Password", "/account/password", "key"),
    ("Sign-in and security", "/account/security", "shield"),
    ("Emails", "/account/emails", "event"),
)


def nav_of_request(request: PageRequest) -> Nav:
    """The navigation for an error page below `/account`."""
    return account_nav(request.scope["path"])


def account_nav(path: str) -> Nav:
    """The navigation for the page at `path`."""
    place = "/account/security" if path.startswith("/account/security") else path.rstrip("/")
    place = "/account" if place == "/account/email" else place
    items = tuple(NavItem(label=label, href=href, icon=icon, current=href == place) for label, href, icon in _PAGES)
    return Nav(area="account", title="Your account", groups=(("", items),), merchants_url="/cabinet/merchants")
