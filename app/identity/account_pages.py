"""Pages of a person's own account: name, time zone, email address, password."""

from datetime import datetime
from typing import Any

from litestar import Response, Router, get

from app.accounts import email_choices, links, passwords, people
from app.accounts.email_changes import checked_new
from app.core import clock, zones
from app.identity import redirects
from app.identity.account_nav import account_nav, nav_of_request
from app.identity.fields import check_email
from app.identity.form_routes import NoStepUp, StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import signed_in_router, signed_out_router
from app.identity.identity import Identity, PageRequest, address_of, visitor_of
from app.identity.visitor import Visitor

GONE = 410


def routers(identity: Identity) -> list[Router]:
    """`/account`, the pages below it, and `/confirm-email/change`, the link in the letter."""

    def show(request: PageRequest, template: str, form: Form) -> Response[Any]:
        return identity.page(request, template, {"form": form, **context(request)})

    def again(request: PageRequest, template: str, form: Form) -> Response[Any]:
        return identity.refused(request, form, template, context(request))

    def context(request: PageRequest) -> dict[str, Any]:
        return {"nav": account_nav(request.scope["path"]), **zone_choices(visitor_of(request), clock.now())}

    @get("/")
    async def account_page(request: PageRequest) -> Response[Any]:
        return show(request, "identity/account.html", Form.empty(name=visitor_of(request).session.name))

    async def check_name(request: PageRequest, form: Form) -> None:
        if not form.text("name"):
            form.record("name", "Enter your name.")
        with form.gathering():
            people.checked_name(form.text("name"))

    @form_post("/", does="Change your name", step_up=NoStepUp("a name gives no access"), check=check_name)
    async def rename(request: PageRequest) -> Response[Any]:
        form, now = await identity.read_form(request), clock.now()
        try:
            await check_name(request, form)
            form.refuse_if_wrong()
            with form.catching():
                await people.rename(
                    visitor_of(request).account_id, form.text("name"), address=address_of(request), now=now
                )
        except FormRefused:
            return again(request, "identity/account.html", form)
        return identity.redirect(request, "/account", flash="Your name is changed.")

    @form_post(
        "/time-zone", does="Change your time zone", step_up=NoStepUp("it changes how times are written"), page="/"
    )
    async def choose_time_zone(request: PageRequest) -> Response[Any]:
        form, now, visitor = await identity.read_form(request), clock.now(), visitor_of(request)
        name = form.text("time_zone")
        try:
            with form.catching():
                await people.choose_time_zone(visitor.account_id, name, address=address_of(request), now=now)
        except FormRefused:
            form.values.setdefault("name", visitor.session.name)
            return again(request, "identity/account.html", form)
        words = f"Times are in {zones.with_offset(zones.zone_of(name), now)} from now on."
        return identity.redirect(request, redirects.own(form.text("next"), "/account"), flash=words)

    @get("/email")
    async def email_page(request: PageRequest) -> Response[Any]:
        return show(request, "identity/email.html", Form.empty())

    async def check_new_email(request: PageRequest, form: Form) -> None:
        check_email(form)
        with form.gathering():
            checked_new(visitor_of(request).session.email, form.text("email"))

    @form_post("/email", does="Change your email address", step_up=StepUp.FRESH_CODE, check=check_new_email)
    async def change_email(request: PageRequest) -> Response[Any]:
        form, now = await identity.read_form(request), clock.now()
        try:
            await check_new_email(request, form)
            person = await identity.require_password_and_code(request, form)
            with form.catching():
                await identity.email_changes.request(person, form.text("email"), address=address_of(request), now=now)
        except FormRefused:
            return again(request, "identity/email.html", form)
        words = "We have sent a link to the new email address. Yours changes when you open it there."
        return identity.redirect(request, "/account", flash=words)

    @get("/emails")
    async def emails_page(request: PageRequest) -> Response[Any]:
        wanted: list[str] = [*await email_choices.wanted(visitor_of(request).account_id)]
        context = {
            "form": Form(values={}, lists={"topics": wanted}),
            "topics": [(topic, name, words) for topic, (name, words) in email_choices.NAMES.items()],
            "nav": account_nav(request.scope["path"]),
        }
        return identity.page(request, "identity/emails.html", context)

    @form_post("/emails", does="Choose which emails you get", step_up=NoStepUp("emails about signing in always come"))
    async def choose_emails(request: PageRequest) -> Response[Any]:
        form, account_id = await identity.read_form(request), visitor_of(request).account_id
        await email_choices.choose(account_id, form.many("topics"), address=address_of(request), now=clock.now())
        return identity.redirect(request, "/account/emails", flash="Your choice of emails is saved.")

    @get("/password")
    async def password_page(request: PageRequest) -> Response[Any]:
        return show(request, "identity/password.html", Form.empty())

    @form_post("/password", does="Change your password", step_up=StepUp.FRESH_CODE)
    async def change_password(request: PageRequest) -> Response[Any]:
        form, now = await identity.read_form(request), clock.now()
        new_password = form.secret("new_password")
        form.forget("new_password")
        try:
            with form.gathering():
                passwords.check(new_password, email=visitor_of(request).session.email, field="new_password")
            person = await identity.require_password_and_code(request, form)
            with form.catching():
                session = visitor_of(request).session
                token = await identity.password_changes.change(
                    person, new_password, session=session, address=address_of(request), now=now
                )
        except FormRefused:
            return again(request, "identity/password.html", form)
        await identity.continue_session(request, session, token)
        words = "Your password is changed, and every other browser is signed out."
        return identity.redirect(request, "/account/security", flash=words)

    def gone(request: PageRequest) -> Response[Any]:
        context = {"again": "/account/email", "again_label": "Ask for a new link"}
        return identity.page(request, "identity/link_gone.html", context, status=GONE)

    @get("/confirm-email/change")
    async def confirm_page(request: PageRequest) -> Response[Any]:
        token = request.query_params.get("token", "")
        link = await links.find("email_change", token, clock.now())
        if link is None:
            return gone(request)
        context = {"form": Form.empty(), "token": token, "email": link.email}
        return identity.page(request, "identity/confirm_change.html", context)

    @form_post(
        "/confirm-email/change",
        does="Confirm a new email address",
        step_up=NoStepUp("nobody need be signed in; the link in the email works once"),
        carries=("token",),
    )
    async def confirm(request: PageRequest) -> Response[Any]:
        form, session = await identity.read_form(request), await identity.session_of(request)
        token = form.text("token")
        try:
            with form.catching():
                changed = await identity.email_changes.confirm(
                    token, session=session, address=address_of(request), now=clock.now()
                )
        except FormRefused:
            return identity.refused(request, form, "identity/confirm_change.html", {"token": token, "email": ""})
        if changed is None:
            return gone(request)
        words = f"Your email address is {changed.email} from now on"
        if session is None or changed.token is None:
            return identity.redirect(request, "/sign-in", flash=f"{words}. Sign in with it.")
        await identity.continue_session(request, session, changed.token)
        return identity.redirect(request, "/account", flash=f"{words}, and every other browser is signed out.")

    own = [
        account_page,
        rename,
        choose_time_zone,
        email_page,
        change_email,
        emails_page,
        choose_emails,
        password_page,
        change_password,
    ]
    return [
        signed_in_router("/account", own, identity, nav_of_request),
        signed_out_router("/", [confirm_page, confirm], identity),
    ]


def zone_choices(visitor: Visitor, now: datetime) -> dict[str, Any]:
    """The options of the time zone's field: UTC, the person's own where no area lists it, then the areas' places."""
    groups = [(area, [(name, _place(name, now)) for name in names]) for area, names in zones.choices()]
    listed = {name for _, options in groups for name, _ in options}
    own = visitor.session.time_zone or zones.UTC_NAME
    first = [zones.UTC_NAME] if own in {zones.UTC_NAME, *listed} else [zones.UTC_NAME, own]
    return {"zone_options": [(name, name) for name in first], "zone_groups": groups, "zone_value": own}


def _place(name: str, now: datetime) -> str:
    """`Berlin (UTC+1)` of `Europe/Berlin`."""
    area, _, place = zones.with_offset(zones.zone_of(name), now).partition("/")
    return place.replace("_", " ") or area
