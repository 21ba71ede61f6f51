"""The offer of a passkey after a sign-in with a code: made until it is answered once, by whatever answer.

It stands between signing in and the page that the person wanted, and leads on to it. Only browsers that have said that
they can make passkeys are led here (sign_in_pages.py).
"""

from typing import Any

from litestar import Response, Router, get

from app.accounts import repository as accounts_repository
from app.core import clock
from app.identity import redirects
from app.identity.form_routes import NoStepUp, form_post
from app.identity.guard import signed_in_router
from app.identity.identity import Identity, PageRequest, visitor_of
from app.identity.targets import home_of

OFFER = "/account/passkey-offer"


def routers(identity: Identity) -> list[Router]:
    """`/account/passkey-offer`."""

    def wanted(request: PageRequest, path: str) -> str:
        return redirects.own(path, home_of(visitor_of(request).session))

    @get("/")
    async def page(request: PageRequest) -> Response[Any]:
        next_path = wanted(request, request.query_params.get("next", ""))
        if not await identity.passkeys.is_to_be_offered(visitor_of(request).account_id):
            return identity.redirect(request, next_path)
        return identity.page(request, "identity/passkey_offer.html", {"next_path": next_path})

    @form_post(
        "/",
        does="Answer the offer of a passkey",
        step_up=NoStepUp("it only stores that the offer was answered"),
        carries=("next",),
    )
    async def answer(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        next_path = wanted(request, form.text("next"))
        await accounts_repository.answer_passkey_offer(visitor_of(request).account_id, clock.now())
        if form.text("answer") == "add":
            return identity.redirect(request, redirects.with_next("/account/security/passkeys/new", next_path))
        return identity.redirect(request, next_path)

    return [signed_in_router(OFFER, [page, answer], identity)]
