"""Signing in, in one step or two, and out."""

from typing import Any

from litestar import Response, Router, get

from app.accounts import credentials, sessions
from app.accounts.passkeys import PasskeyRefused
from app.accounts.sign_in import SignedIn
from app.accounts.totp import CodeRefused
from app.core import clock
from app.identity import cookies, redirects
from app.identity.fields import EMPTY_EMAIL
from app.identity.form_routes import EVERY_PAGE, NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import signed_in_router, signed_out_router
from app.identity.identity import Identity, PageRequest, address_of, site_of, user_agent_of, visitor_of
from app.identity.passkey_forms import Asked, answer_of
from app.identity.passkey_offer import OFFER
from app.identity.targets import home_of


def routers(identity: Identity) -> list[Router]:
    """`/sign-in`, `/sign-in/code`, `/sign-out`."""

    async def signed_in(request: PageRequest, result: SignedIn, next_path: str) -> Response[Any]:
        await identity.start_session(request, result.token)
        session = await sessions.find(result.token, clock.now())
        target = redirects.own(next_path, home_of(session))
        if session is not None and result.second_step == "authenticator" and await makes_passkeys(request):
            offer = redirects.with_next(OFFER, target)
            if offer != OFFER and await identity.passkeys.is_to_be_offered(session.account_id):
                return identity.redirect(request, offer)
        return identity.redirect(request, target)

    async def makes_passkeys(request: PageRequest) -> bool:
        """Whether the browser has said that it can make passkeys (static/js/passkeys.js)."""
        return (await identity.read_form(request)).text("makes_passkeys") == "yes"

    def password_context(request: PageRequest) -> dict[str, Any]:
        return {"next_path": redirects.own(request.query_params.get("next"), "")}

    @get("/sign-in")
    async def password_page(request: PageRequest) -> Response[Any]:
        context = password_context(request)
        session = await sessions.find(request.cookies.get(cookies.SESSION, ""), clock.now())
        if session is not None:
            return identity.redirect(request, context["next_path"] or home_of(session))
        return identity.page(request, "identity/sign_in.html", {"form": Form.empty(), **context, **asked(request)})

    def asked(request: PageRequest) -> dict[str, Any]:
        """What the page asks a passkey for, before anybody is known; nothing where there can be none."""
        if not identity.passkeys.can_be:
            return {"asked": None}
        return {"asked": Asked.of(*identity.passkeys.to_ask("sign-in", f"visit:{identity.visit(request)}"))}

    @form_post("/sign-in/passkey", does="Sign in with a passkey", step_up=NoStepUp("it is both steps"), page="/sign-in")
    async def give_passkey(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        next_path, answer = redirects.own(form.text("next"), ""), answer_of(form)
        try:
            if answer is None:
                raise form.refuse("", "Your browser gave no passkey. Try again, or use your password.")
            with form.catching():
                result = await identity.sign_in.with_passkey(
                    answer.answer,
                    answer.signed,
                    visit=identity.visit(request),
                    address=address_of(request),
                    site=site_of(request),
                    user_agent=user_agent_of(request),
                    browser=identity.browser(request),
                    now=clock.now(),
                )
        except (PasskeyRefused, FormRefused) as error:
            if isinstance(error, PasskeyRefused):
                form.refuse("", str(error))
            context = {"next_path": next_path, **asked(request)}
            return identity.refused(request, form, "identity/sign_in.html", context)
        return await signed_in(request, result, next_path)

    @form_post("/sign-in", does="Sign in", step_up=NoStepUp("nobody is signed in yet"), carries=("next",))
    async def give_password(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        next_path = redirects.own(form.text("next"), "")
        password = form.secret("password")
        form.forget("password")
        try:
            if not form.text("email"):
                form.record("email", EMPTY_EMAIL)
            if not password:
                form.record("password", "Enter your password.")
            form.refuse_if_wrong()
            with form.catching():
                result = await identity.sign_in.with_password(
                    email=form.text("email"),
                    password=password,
                    address=address_of(request),
                    site=site_of(request),
                    user_agent=user_agent_of(request),
                    browser=identity.browser(request),
                    now=clock.now(),
                )
        except FormRefused:
            context = {"next_path": next_path, **asked(request)}
            return identity.refused(request, form, "identity/sign_in.html", context)
        if isinstance(result, SignedIn):
            return await signed_in(request, result, next_path)
        await identity.wait_for_code(request, result.token)
        return identity.redirect(request, redirects.with_next("/sign-in/code", next_path))

    def start_again(request: PageRequest, next_path: str) -> Response[Any]:
        words = "That took longer than ten minutes. Please sign in again."
        return identity.redirect(request, redirects.with_next("/sign-in", next_path), flash=words, tone="caution")

    @get("/sign-in/code")
    async def code_page(request: PageRequest) -> Response[Any]:
        context = password_context(request)
        if not await identity.sign_in.is_waiting(request.cookies.get(cookies.VISIT, ""), clock.now()):
            return identity.redirect(request, redirects.with_next("/sign-in", context["next_path"]))
        context |= {"form": Form.empty(), "asked": await asked_for_second_step(request)}
        return identity.page(request, "identity/sign_in_code.html", context)

    async def asked_for_second_step(request: PageRequest) -> Asked | None:
        """What the page asks a passkey for; None where the person has none, or there can be none."""
        if not identity.passkeys.can_be:
            return None
        token = request.cookies.get(cookies.VISIT, "")
        known = await identity.sign_in.known_passkeys(token, clock.now())
        return Asked.of(*identity.passkeys.to_ask("second step", f"half:{token}", known)) if known else None

    @form_post(
        "/sign-in/code",
        does="Sign in, the second step",
        step_up=NoStepUp("it is the code itself"),
        carries=("next",),
    )
    async def give_code(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        next_path = redirects.own(form.text("next"), "")
        code, passkey, token = form.text("code"), answer_of(form), request.cookies.get(cookies.VISIT, "")
        form.forget("code")
        who: dict[str, Any] = {
            "address": address_of(request),
            "user_agent": user_agent_of(request),
            "browser": identity.browser(request),
            "now": clock.now(),
        }
        try:
            if passkey is None:
                result = await identity.sign_in.with_code(token, code, **who)
            else:
                result = await identity.sign_in.with_passkey_after_password(
                    token, passkey.answer, passkey.signed, **who
                )
        except CodeRefused as error:
            form.record("code", str(error))
            context = {"next_path": next_path, "asked": await asked_for_second_step(request)}
            return identity.refused(request, form, "identity/sign_in_code.html", context)
        if result is None:
            return start_again(request, next_path)
        return await signed_in(request, result, next_path)

    @form_post("/", does="Sign out", step_up=NoStepUp("it ends one’s own session and nothing else"), page=EVERY_PAGE)
    async def sign_out(request: PageRequest) -> Response[Any]:
        visitor = visitor_of(request)
        await credentials.sign_out(
            visitor.account_id, visitor.session.id, action="signed_out", address=address_of(request), now=clock.now()
        )
        cookies.drop(request, cookies.SESSION)
        return identity.redirect(request, "/sign-in", flash="You are signed out.")

    return [
        signed_out_router("/", [password_page, give_password, give_passkey, code_page, give_code], identity),
        signed_in_router("/sign-out", [sign_out], identity),
    ]
