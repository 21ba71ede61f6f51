"""Every page of the portal: signing in, signing up, one's own account."""

from litestar import Router

from app.portal import account_pages, password_pages, security_pages, sign_in_pages, sign_up_pages
from app.portal.portal import Portal


def routes(portal: Portal) -> list[Router]:
    """What app/asgi.py serves."""
    return [
        *sign_in_pages.routers(portal),
        *sign_up_pages.routers(portal),
        *password_pages.routers(portal),
        *account_pages.routers(portal),
        *security_pages.routers(portal),
    ]
