"""“This wasn’t me”: the page of the link in an email about a sign-in. Nobody need be signed in."""

from typing import Any

from litestar import Response, Router, get

from app.core import clock, zones
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form
from app.identity.guard import signed_out_router
from app.identity.identity import Identity, PageRequest, address_of

GONE = 410

CHOOSE = "Everybody is signed out, and your old password no longer works. Choose a new one."


def routers(identity: Identity) -> list[Router]:
    """`/not-me`."""

    def gone(request: PageRequest) -> Response[Any]:
        again = {"again": "/forgot-password", "again_label": "Choose a new password"}
        return identity.page(request, "identity/link_gone.html", again, status=GONE)

    @get("/not-me")
    async def page(request: PageRequest) -> Response[Any]:
        token, now = request.query_params.get("token", ""), clock.now()
        sign_in = await identity.not_me.find(token, now)
        if sign_in is None:
            return gone(request)
        context = {
            "form": Form.empty(),
            "token": token,
            "sign_in": sign_in,
            "zone": sign_in.zone,
            "zone_name": zones.with_offset(sign_in.zone, now),
        }
        return identity.page(request, "identity/not_me.html", context)

    @form_post(
        "/not-me",
        does="Say that a sign-in was somebody else’s",
        step_up=NoStepUp("nobody need be signed in; the link in the email works once, and takes rights away"),
        carries=("token",),
    )
    async def disown(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        done = await identity.not_me.disown(form.text("token"), address=address_of(request), now=clock.now())
        if done is None:
            return gone(request)
        if done.reset_token is None:
            return identity.redirect(request, "/not-me/done")
        return identity.redirect(request, f"/reset-password?token={done.reset_token}", flash=CHOOSE)

    @get("/not-me/done")
    async def done_page(request: PageRequest) -> Response[Any]:
        return identity.page(request, "identity/not_me_done.html")

    return [signed_out_router("/", [page, disown, done_page], identity)]
