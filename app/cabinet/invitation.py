"""`/invitation`: the page that the email links to. Sign in or up with the invited address, then accept."""

from typing import Any
from urllib.parse import quote

from litestar import Response, Router, get

from app.cabinet import nav
from app.core import clock
from app.core.errors import ApiError, Code
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import signed_in_router, signed_out_router
from app.identity.identity import Identity, PageRequest, visitor_of
from app.merchants import invitations
from app.merchants.roles import DESCRIPTIONS

GONE = 410

MAX_TOKEN_LENGTH = 64


def routers(identity: Identity) -> list[Router]:
    """`/invitation` for everybody with the link, `/invitation/accept` for people who are signed in."""

    @get("/")
    async def invitation_page(request: PageRequest) -> Response[Any]:
        token = request.query_params.get("token", "")[:MAX_TOKEN_LENGTH]
        found = await invitations.find(token, clock.now())
        if found is None:
            return identity.page(request, "cabinet/invitation_gone.html", {}, status=GONE)
        visitor = await identity.recognise(request)
        if visitor is not None:
            return identity.redirect(request, f"/invitation/accept?token={quote(token)}")
        following = quote(f"/invitation/accept?token={quote(token)}", safe="")
        context = {"invitation": found, "role_words": DESCRIPTIONS[found.role], "following": following}
        return identity.page(request, "cabinet/invitation.html", context)

    @get("/accept")
    async def accept_page(request: PageRequest) -> Response[Any]:
        token = request.query_params.get("token", "")[:MAX_TOKEN_LENGTH]
        return await shown(request, token, Form.empty())

    @form_post(
        "/accept",
        does="Join a team",
        step_up=NoStepUp("the link in the email works once; it takes no right from anybody"),
    )
    async def accept(request: PageRequest) -> Response[Any]:
        form, visitor = await identity.read_form(request), visitor_of(request)
        token = form.text("token")[:MAX_TOKEN_LENGTH]
        try:
            with form.catching():
                merchant_id = await invitations.accept(
                    token, account_id=visitor.account_id, address=visitor.address, now=clock.now()
                )
        except FormRefused:
            return await shown(request, token, form)
        except ApiError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            return identity.page(request, "cabinet/invitation_gone.html", {}, status=GONE)
        return identity.redirect(request, f"/cabinet/{merchant_id}/live", flash="Welcome to the team.")

    async def shown(request: PageRequest, token: str, form: Form) -> Response[Any]:
        found = await invitations.find(token, clock.now())
        if found is None:
            return identity.page(request, "cabinet/invitation_gone.html", {}, status=GONE)
        context = {
            "nav": nav.outside("Invitation"),
            "invitation": found,
            "role_words": DESCRIPTIONS[found.role],
            "is_theirs": visitor_of(request).session.email == found.email,
            "token": token,
            "form": form,
        }
        status = 422 if form.errors else 200
        return identity.page(request, "cabinet/invitation_accept.html", context, status=status)

    return [
        signed_out_router("/invitation", [invitation_page], identity),
        signed_in_router("/invitation", [accept_page, accept], identity, nav.of_request),
    ]
