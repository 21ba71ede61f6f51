"""A forgotten password: request a link, and set a new password with it. It signs nobody in."""

from typing import Any

from litestar import Response, Router, get

from app.core import clock
from app.identity.constant_time import minimum_duration
from app.identity.fields import check_email
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import signed_out_router
from app.identity.identity import Identity, PageRequest, address_of, site_of

GONE = 410


def routers(identity: Identity) -> list[Router]:
    """`/forgot-password`, `/reset-password`."""

    def gone(request: PageRequest) -> Response[Any]:
        again = {"again": "/forgot-password", "again_label": "Ask for a new link"}
        return identity.page(request, "identity/link_gone.html", again, status=GONE)

    @get("/forgot-password")
    async def forgot_page(request: PageRequest) -> Response[Any]:
        return identity.page(request, "identity/forgot_password.html", {"form": Form.empty()})

    async def check_forgot(request: PageRequest, form: Form) -> None:
        check_email(form)

    @form_post(
        "/forgot-password",
        does="Ask for a link to choose a new password",
        step_up=NoStepUp("nobody is signed in; emails are throttled"),
        check=check_forgot,
    )
    async def forgot(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        try:
            await check_forgot(request, form)
            form.refuse_if_wrong()
            with form.catching():
                async with minimum_duration():
                    await identity.password_changes.request_reset(
                        email=form.text("email"), address=address_of(request), site=site_of(request), now=clock.now()
                    )
        except FormRefused:
            return identity.refused(request, form, "identity/forgot_password.html")
        return identity.redirect(request, "/forgot-password/sent")

    @get("/forgot-password/sent")
    async def sent(request: PageRequest) -> Response[Any]:
        return identity.page(request, "identity/forgot_password_sent.html")

    @get("/reset-password")
    async def reset_page(request: PageRequest) -> Response[Any]:
        token = request.query_params.get("token", "")
        second_steps = await identity.password_changes.second_steps(token, clock.now())
        if second_steps is None:
            return gone(request)
        context = {"form": Form.empty(), "token": token, "second_steps": second_steps}
        return identity.page(request, "identity/reset_password.html", context)

    @form_post(
        "/reset-password",
        does="Choose a new password",
        step_up=NoStepUp("nobody is signed in; the link in the email works once"),
        carries=("token",),
    )
    async def reset(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        token, password = form.text("token"), form.secret("password")
        form.forget("password")
        try:
            if not password:
                raise form.refuse("password", "Enter a new password of 8 to 128 characters.")
            with form.catching():
                done = await identity.password_changes.reset(
                    token, password, address=address_of(request), now=clock.now()
                )
        except FormRefused:
            second_steps = await identity.password_changes.second_steps(token, clock.now())
            context = {"token": token, "second_steps": second_steps}
            return identity.refused(request, form, "identity/reset_password.html", context)
        if not done:
            return gone(request)
        words = "Your password is changed, and everybody is signed out. Sign in with the new one."
        return identity.redirect(request, "/sign-in", flash=words)

    return [signed_out_router("/", [forgot_page, forgot, sent, reset_page, reset], identity)]
