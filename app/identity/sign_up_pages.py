"""Sign up, and confirm the address by the mailed link."""

from typing import Any

from litestar import Response, Router, get

from app.accounts import links
from app.accounts.sign_in import SignedIn
from app.accounts.sign_up import checked
from app.core import clock
from app.identity import redirects
from app.identity.constant_time import minimum_duration
from app.identity.fields import check_email
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import signed_out_router
from app.identity.identity import Identity, PageRequest, address_of, site_of, user_agent_of
from app.identity.targets import SECOND_STEP

GONE = 410


def routers(identity: Identity) -> list[Router]:
    """`/sign-up`, `/confirm-email`."""

    def gone(request: PageRequest) -> Response[Any]:
        return identity.page(
            request, "identity/link_gone.html", {"again": "/sign-up", "again_label": "Sign up"}, status=GONE
        )

    @get("/sign-up")
    async def page(request: PageRequest) -> Response[Any]:
        next_path = redirects.own(request.query_params.get("next"), "")
        return identity.page(request, "identity/sign_up.html", {"form": Form.empty(), "next_path": next_path})

    async def check_sign_up(request: PageRequest, form: Form) -> None:
        if not form.text("name"):
            form.record("name", "Enter your name.")
        check_email(form)
        if not form.secret("password") and "password" not in form.proofs:
            form.record("password", "Enter a password of 8 to 128 characters.")
        with form.gathering():
            checked(form.text("email"), form.text("name"), form.secret("password"), form.proofs.get("password"))

    @form_post(
        "/sign-up",
        does="Sign up",
        step_up=NoStepUp("nobody is signed in; emails are throttled"),
        carries=("next",),
        check=check_sign_up,
    )
    async def sign_up(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        next_path = redirects.own(form.text("next"), "")
        try:
            async with minimum_duration():
                await check_sign_up(request, form)
                form.refuse_if_wrong()
                with form.catching():
                    await identity.sign_up.request(
                        email=form.text("email"),
                        name=form.text("name"),
                        password=form.secret("password"),
                        proof=form.proofs.get("password"),
                        next_path=next_path or None,
                        site=site_of(request),
                        now=clock.now(),
                    )
        except FormRefused:
            await keep_password(request, form)
            return identity.refused(request, form, "identity/sign_up.html", {"next_path": next_path})
        return identity.redirect(request, "/sign-up/sent")

    async def keep_password(request: PageRequest, form: Form) -> None:
        """Keep a hash of the password while other fields are put right."""
        if "password" in form.errors:
            form.proofs.pop("password", None)
        elif form.secret("password"):
            proof = await identity.sign_up.proof_of(form.secret("password"), site=site_of(request), now=clock.now())
            form.proofs |= {"password": proof} if proof else {}
        form.forget("password")

    @get("/sign-up/sent")
    async def sent(request: PageRequest) -> Response[Any]:
        return identity.page(request, "identity/sign_up_sent.html")

    @get("/confirm-email")
    async def confirm_page(request: PageRequest) -> Response[Any]:
        token = request.query_params.get("token", "")
        if await links.find("sign_up", token, clock.now()) is None:
            return gone(request)
        return identity.page(request, "identity/confirm_email.html", {"form": Form.empty(), "token": token})

    @form_post(
        "/confirm-email",
        does="Confirm the address of a new account",
        step_up=NoStepUp("nobody is signed in; the link in the email works once"),
        carries=("token",),
    )
    async def confirm(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        token, password = form.text("token"), form.secret("password")
        form.forget("password")
        now, address, site = clock.now(), address_of(request), site_of(request)
        try:
            if not password:
                raise form.refuse("password", "Enter the password that you chose when you signed up.")
            with form.catching():
                link = await identity.sign_up.confirm(
                    token, password, place=identity.place(request), now=now, time_zone=form.text("time_zone")
                )
                if link is None:
                    return gone(request)
                result = await identity.sign_in.with_password(
                    email=link.email,
                    password=password,
                    address=address,
                    site=site,
                    user_agent=user_agent_of(request),
                    browser=identity.browser(request),
                    now=now,
                )
        except FormRefused:
            return identity.refused(request, form, "identity/confirm_email.html", {"token": token})
        assert isinstance(result, SignedIn), "a new account has no second step"
        await identity.start_session(request, result.token)
        target = redirects.own(link.next_path, "/cabinet")
        words = "Your email address is confirmed and your account is ready."
        return identity.redirect(request, target, flash=words, link=("Turn on two-step verification", SECOND_STEP))

    return [signed_out_router("/", [page, sign_up, sent, confirm_page, confirm], identity)]
