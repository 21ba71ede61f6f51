"""Every page of identity: sign-in, sign-up, a person's own account."""

from litestar import Router

from app.identity import (
    account_pages,
    not_me_pages,
    passkey_offer,
    passkey_pages,
    password_pages,
    security_pages,
    sign_in_pages,
    sign_up_pages,
)
from app.identity.identity import Identity


def routes(identity: Identity) -> list[Router]:
    """The routers for app/asgi.py."""
    return [
        *sign_in_pages.routers(identity),
        *sign_up_pages.routers(identity),
        *password_pages.routers(identity),
        *not_me_pages.routers(identity),
        *account_pages.routers(identity),
        *security_pages.routers(identity),
        *passkey_offer.routers(identity),
        *passkey_pages.routers(identity),
    ]
