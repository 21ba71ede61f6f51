"""Sign-in and security: the second step, recovery codes, and the browsers that are or were signed in.

A new secret and new recovery codes are shown once, on the page to which their form redirects (`Identity.show_once`).
"""

from typing import Any

from litestar import Response, Router, get

from app.accounts import (
    codes_repository,
    credentials,
    known_browsers,
    known_browsers_repository,
    sessions_repository,
)
from app.accounts import repository as accounts_repository
from app.accounts.enrolment import Offer
from app.accounts.user_agents import browser_name
from app.core import clock
from app.core.errors import ApiError, Code
from app.identity.account_nav import account_nav, nav_of_request
from app.identity.form_routes import NoStepUp, StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import signed_in_router
from app.identity.identity import Identity, PageRequest, address_of, visitor_of
from app.identity.keeping import kept_of
from app.web.qr import qr
from app.web.row_ids import RowId

SECURITY = "/account/security"


def routers(identity: Identity) -> list[Router]:
    """`/account/security` and what is below it."""

    def show(request: PageRequest, template: str, context: dict[str, Any], status: int = 200) -> Response[Any]:
        nav = account_nav(request.scope["path"])
        return identity.page(request, template, {"nav": nav, "form": Form.empty(), **context}, status=status)

    def show_codes(request: PageRequest, codes: list[str], heading: str) -> Response[Any]:
        return identity.show_once(request, f"{SECURITY}/recovery-codes/shown", {"codes": codes, "heading": heading})

    def show_offer(request: PageRequest, form: Form, offer: Offer, status: int = 200) -> Response[Any]:
        code = qr(offer.uri, label="QR code for your authenticator app")
        return show(request, "identity/authenticator_offer.html", {"form": form, "offer": offer, "qr": code}, status)

    @get("/")
    async def overview(request: PageRequest) -> Response[Any]:
        visitor, now = visitor_of(request), clock.now()
        context = {
            "browsers": await known_browsers_repository.of_account(visitor.account_id),
            "this_browser": known_browsers.hash_of(visitor.account_id, identity.browser(request)),
            "sessions": await sessions_repository.of_account(visitor.account_id, now),
            "browser_name": browser_name,
            "can_have_passkeys": identity.passkeys.can_be,
            "codes_left": await codes_repository.count_recovery_codes(visitor.account_id),
        }
        return show(request, "identity/security.html", context)

    @get("/second-step")
    async def second_step_page(request: PageRequest) -> Response[Any]:
        context = {"can_have_passkeys": identity.passkeys.can_be}
        return show(request, "identity/second_step.html", context)

    @get("/authenticator")
    async def authenticator_page(request: PageRequest) -> Response[Any]:
        return show(request, "identity/authenticator.html", {})

    @form_post("/authenticator", does="Set up an authenticator", step_up=StepUp.FRESH_CODE)
    async def offer_authenticator(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        try:
            person = await identity.require_password_and_code(request, form)
        except FormRefused:
            return show(request, "identity/authenticator.html", {"form": form}, 422)
        offer = identity.enrolment.offer(person, visitor_of(request).session, clock.now())
        return identity.show_once(request, f"{SECURITY}/authenticator/confirm", {"offer": offer.sealed})

    def start_again(request: PageRequest, words: str) -> Response[Any]:
        return identity.nothing_done(request, f"{SECURITY}/authenticator", words)

    @get("/authenticator/confirm")
    async def offered_authenticator(request: PageRequest) -> Response[Any]:
        shown, visitor, now = await identity.shown_once(request), visitor_of(request), clock.now()
        person = await accounts_repository.by_id(visitor.account_id)
        kept = kept_of(request)
        sealed = shown["offer"] if shown else dict(kept.fields).get("offer", "") if kept else ""
        offer = identity.enrolment.reopen(person, visitor.session, sealed, now)
        if offer is None:
            return start_again(request, "The code to scan is shown once. Start again for a new one.")
        return show_offer(request, Form.empty(), offer)

    @form_post(
        "/authenticator/confirm",
        does="Turn on two-step verification",
        step_up=NoStepUp("the offer needs a fresh code, and is only for this session"),
    )
    async def confirm_authenticator(request: PageRequest) -> Response[Any]:
        form, visitor, now = await identity.read_form(request), visitor_of(request), clock.now()
        person = await accounts_repository.by_id(visitor.account_id)
        offer = identity.enrolment.reopen(person, visitor.session, form.text("offer"), now)
        if offer is None:
            return start_again(request, "That took too long. Please start again.")
        code = form.text("code")
        form.forget("code")
        try:
            with form.catching():
                made = await identity.enrolment.confirm(
                    person, visitor.session, offer, code, address=address_of(request), now=now
                )
        except FormRefused:
            return show_offer(request, form, offer, 422)
        await identity.continue_session(request, visitor.session, made.token)
        return show_codes(request, made.codes, "Two-step verification is on")

    @get("/authenticator/off")
    async def off_page(request: PageRequest) -> Response[Any]:
        return show(request, "identity/authenticator_off.html", {})

    @form_post("/authenticator/off", does="Turn off two-step verification", step_up=StepUp.FRESH_CODE)
    async def turn_off(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        try:
            person = await identity.require_password_and_code(request, form)
            with form.catching():
                session = visitor_of(request).session
                token = await identity.enrolment.turn_off(
                    person, session=session, address=address_of(request), now=clock.now()
                )
        except FormRefused:
            return show(request, "identity/authenticator_off.html", {"form": form}, 422)
        await identity.continue_session(request, session, token)
        words = "Two-step verification is off. Your password alone opens your account now."
        return identity.redirect(request, SECURITY, flash=words, tone="caution")

    @get("/recovery-codes")
    async def recovery_page(request: PageRequest) -> Response[Any]:
        left = await codes_repository.count_recovery_codes(visitor_of(request).account_id)
        return show(request, "identity/recovery_codes.html", {"codes_left": left})

    @get("/recovery-codes/shown")
    async def shown_codes(request: PageRequest) -> Response[Any]:
        return show(request, "identity/recovery_codes_shown.html", {"shown": await identity.shown_once(request)})

    @form_post("/recovery-codes", does="Make new recovery codes", step_up=StepUp.FRESH_CODE)
    async def new_recovery_codes(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        try:
            with form.catching():
                await identity.require_fresh_code(request, form)
                person = await accounts_repository.by_id(visitor_of(request).account_id)
                session = visitor_of(request).session
                made = await identity.enrolment.new_recovery_codes(
                    person, session=session, address=address_of(request), now=clock.now()
                )
        except FormRefused:
            left = await codes_repository.count_recovery_codes(visitor_of(request).account_id)
            return show(request, "identity/recovery_codes.html", {"form": form, "codes_left": left}, 422)
        await identity.continue_session(request, session, made.token)
        return show_codes(request, made.codes, "Your new recovery codes")

    @form_post("/sessions/{session_id:str}/end", does="Sign out a browser", step_up=StepUp.FRESH_CODE, page="/")
    async def end_session(request: PageRequest, session_id: str) -> Response[Any]:
        visitor = visitor_of(request)
        await identity.require_fresh_code(request, await identity.read_form(request))
        ended = await credentials.sign_out(
            visitor.account_id, session_id, action="session.ended", address=address_of(request), now=clock.now()
        )
        if not ended:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        if session_id == visitor.session.id:
            return identity.redirect(request, "/sign-in", flash="You are signed out.")
        return identity.redirect(request, SECURITY, flash="That browser is signed out.")

    @form_post("/sessions/end-others", does="Sign out all other browsers", step_up=StepUp.FRESH_CODE, page="/")
    async def end_others(request: PageRequest) -> Response[Any]:
        await identity.require_fresh_code(request, await identity.read_form(request))
        session, now = visitor_of(request).session, clock.now()
        person = await accounts_repository.by_id(session.account_id)
        token = await credentials.sign_out_others(person, session, address=address_of(request), now=now)
        await identity.continue_session(request, session, token)
        return identity.redirect(request, SECURITY, flash="Every other browser is signed out.")

    @form_post(
        "/browsers/{browser_id:int}/forget",
        does="Forget a browser",
        step_up=NoStepUp("all it does is that the next sign-in there is written about"),
        page="/",
    )
    async def forget_browser(request: PageRequest, browser_id: RowId) -> Response[Any]:
        person = await accounts_repository.by_id(visitor_of(request).account_id)
        await known_browsers.forget(person, browser_id, address=address_of(request), now=clock.now())
        words = "That browser is forgotten. You get an email about the next sign-in there."
        return identity.redirect(request, SECURITY, flash=words)

    pages: list[Any] = [
        overview,
        second_step_page,
        authenticator_page,
        offer_authenticator,
        offered_authenticator,
        confirm_authenticator,
        off_page,
        turn_off,
        recovery_page,
        new_recovery_codes,
        shown_codes,
        end_session,
        end_others,
        forget_browser,
    ]
    return [signed_in_router(SECURITY, pages, identity, nav_of_request)]
