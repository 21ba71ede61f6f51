"""`/invitation`: the page that the email links to.

Whoever has no account yet chooses a name and a password there, and has joined: opening the link has confirmed the
address. Others sign in on the same page, and then accept.
"""

from typing import Any
from urllib.parse import quote

from litestar import Response, Router, get

from app.accounts import passwords, people, sessions
from app.accounts import repository as accounts_repository
from app.accounts.sign_in import SignedIn
from app.cabinet import nav
from app.core import clock
from app.core.errors import ApiError, Code
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import signed_in_router, signed_out_router
from app.identity.identity import Identity, PageRequest, address_of, site_of, user_agent_of, visitor_of
from app.identity.targets import SECOND_STEP
from app.merchants import invitations
from app.merchants.invitations import OpenInvitation
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
        return await invited(request, found, token, Form.empty(email=found.email))

    async def invited(request: PageRequest, found: OpenInvitation, token: str, form: Form) -> Response[Any]:
        context = {
            "invitation": found,
            "role_words": DESCRIPTIONS[found.role],
            "token": token,
            "following": f"/invitation/accept?token={quote(token)}",
            "has_account": await accounts_repository.by_email(found.email) is not None,
            "form": form,
        }
        return identity.page(request, "cabinet/invitation.html", context, status=422 if form.errors else 200)

    async def check_account(request: PageRequest, form: Form) -> None:
        for name, words in (("name", "Enter your name."), ("password", "Enter a password of 8 to 128 characters.")):
            if not form.secret(name).strip():
                form.record(name, words)
        with form.gathering():
            people.checked_name(form.text("name"))

    @form_post(
        "/",
        does="Join a team with a new account",
        step_up=NoStepUp("nobody is signed in; the link in the email works once"),
        carries=("token",),
        check=check_account,
    )
    async def join(request: PageRequest) -> Response[Any]:
        form, now, address, site = await identity.read_form(request), clock.now(), address_of(request), site_of(request)
        token, password = form.text("token")[:MAX_TOKEN_LENGTH], form.secret("password")
        found = await invitations.find(token, now)
        if found is None:
            return identity.page(request, "cabinet/invitation_gone.html", {}, status=GONE)
        try:
            await check_account(request, form)
            form.forget("password")
            with form.gathering():
                passwords.check(password, email=found.email)
            form.refuse_if_wrong()
            with form.catching():
                await identity.sign_up.create_invited(
                    email=found.email,
                    name=form.text("name"),
                    password=password,
                    site=site,
                    place=identity.place(request),
                    now=now,
                    time_zone=form.text("time_zone"),
                )
                opened = await identity.sign_in.with_password(
                    email=found.email,
                    password=password,
                    address=address,
                    site=site,
                    user_agent=user_agent_of(request),
                    browser=identity.browser(request),
                    now=now,
                )
        except FormRefused:
            return await invited(request, found, token, form)
        assert isinstance(opened, SignedIn), "a new account has no second step"
        await identity.start_session(request, opened.token)
        session = await sessions.find(opened.token, now)
        assert session is not None, "it has just been opened"
        try:
            merchant_id = await invitations.accept(token, account_id=session.account_id, address=address, now=now)
        except ApiError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            return identity.page(request, "cabinet/invitation_gone.html", {}, status=GONE)
        words = f"Your account is ready. Welcome to the team of {found.merchant_name}."
        link = ("Turn on two-step verification", SECOND_STEP)
        return identity.redirect(request, f"/cabinet/{merchant_id}/live", flash=words, link=link)

    @get("/accept")
    async def accept_page(request: PageRequest) -> Response[Any]:
        token = request.query_params.get("token", "")[:MAX_TOKEN_LENGTH]
        return await shown(request, token, Form.empty())

    @form_post(
        "/accept",
        does="Join a team",
        step_up=NoStepUp("the link in the email works once; it takes no right from anybody"),
        carries=("token",),
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
        signed_out_router("/invitation", [invitation_page, join], identity),
        signed_in_router("/invitation", [accept_page, accept], identity, nav.of_request),
    ]
