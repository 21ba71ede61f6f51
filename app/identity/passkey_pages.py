"""A person's passkeys: the list, adding one, renaming and removing it, and what the signer's keeper needs of it."""

from collections.abc import Collection
from typing import Any

from litestar import Response, Router, get

from app.accounts import passkeys_repository
from app.accounts import repository as accounts_repository
from app.accounts.passkeys import PasskeyRefused
from app.accounts.passkeys_repository import StoredPasskey
from app.accounts.user_agents import browser_name, browser_of, system_of
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.webauthn import fingerprint, to_text
from app.identity import redirects
from app.identity.account_nav import account_nav
from app.identity.form_routes import NoStepUp, StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import signed_in_router
from app.identity.identity import Identity, PageRequest, address_of, user_agent_of, visitor_of
from app.identity.passkey_forms import Asked, answer_of
from app.signer import approvers_repository
from app.web.row_ids import RowId

PASSKEYS = "/account/security/passkeys"

NEEDS_A_NAME = "Passkeys need a host name; this Swap Pay runs at an IP address."


def routers(identity: Identity) -> list[Router]:
    """`/account/security/passkeys` and what is below it."""

    async def show(request: PageRequest, template: str, context: dict[str, Any], status: int = 200) -> Response[Any]:
        nav = account_nav(request.scope["path"])
        return identity.page(request, template, {"nav": nav, "form": Form.empty(), **context}, status=status)

    async def found(request: PageRequest, passkey_id: int) -> StoredPasskey:
        own = await passkeys_repository.of_account(visitor_of(request).account_id)
        passkey = next((each for each in own if each.id == passkey_id), None)
        if passkey is None:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        return passkey

    @get("/")
    async def overview(request: PageRequest) -> Response[Any]:
        own = await passkeys_repository.of_account(visitor_of(request).account_id)
        context = {"passkeys": own, "can_have_passkeys": identity.passkeys.can_be}
        return await show(request, "identity/passkeys.html", context)

    async def asked_to_make(request: PageRequest) -> Asked:
        visitor = visitor_of(request)
        person = await accounts_repository.by_id(visitor.account_id)
        return Asked.of(*await identity.passkeys.to_make(person, visitor.session.id))

    def next_of(request: PageRequest) -> str:
        """The page on which to go on afterwards; empty for the list of passkeys."""
        return redirects.own(request.query_params.get("next"), "")

    @get("/new")
    async def new_page(request: PageRequest) -> Response[Any]:
        next_path = next_of(request)
        if not identity.passkeys.can_be:
            return identity.redirect(request, PASSKEYS)
        if visitor_of(request).needs_code(clock.now()):
            return identity.redirect(request, redirects.with_next(f"{PASSKEYS}/confirm", next_path))
        own = await passkeys_repository.of_account(visitor_of(request).account_id)
        context = {
            "form": Form.empty(name=suggested_name(user_agent_of(request), [each.name for each in own])),
            "asked": await asked_to_make(request),
            "next_path": next_path,
        }
        return await show(request, "identity/passkey_new.html", context)

    @get("/confirm")
    async def confirm_page(request: PageRequest) -> Response[Any]:
        if not identity.passkeys.can_be:
            return identity.redirect(request, PASSKEYS)
        return await show(request, "identity/passkey_confirm.html", {"next_path": next_of(request)})

    @form_post("/confirm", does="Go on to a new passkey", step_up=StepUp.FRESH_CODE, carries=("next",))
    async def confirm(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        next_path = redirects.own(form.text("next"), "")
        try:
            await identity.require_fresh_code(request, form)
        except FormRefused:
            return await show(request, "identity/passkey_confirm.html", {"form": form, "next_path": next_path}, 422)
        return identity.redirect(request, redirects.with_next(f"{PASSKEYS}/new", next_path))

    @form_post("/new", does="Add a passkey", step_up=StepUp.FRESH_CODE, carries=("next",))
    async def add(request: PageRequest) -> Response[Any]:
        form, visitor = await identity.read_form(request), visitor_of(request)
        answer, next_path = answer_of(form), redirects.own(form.text("next"), "")
        if not identity.passkeys.can_be:
            return identity.nothing_done(request, PASSKEYS, NEEDS_A_NAME)
        if visitor.needs_code(clock.now()):  # the page stood open for long
            to_confirm = redirects.with_next(f"{PASSKEYS}/confirm", next_path)
            return identity.nothing_done(request, to_confirm, "Confirm that it is you again.")
        try:
            with form.catching():
                await identity.require_fresh_code(request, form)
                if answer is None:
                    raise form.refuse("", "Your browser has made no passkey: press “Make a passkey” and follow it.")
                session = visitor_of(request).session
                codes = await identity.passkeys.add(
                    await accounts_repository.by_id(visitor.account_id),
                    session.id,
                    answer.answer,
                    answer.signed,
                    form.text("name"),
                    address=address_of(request),
                    now=clock.now(),
                )
        except (PasskeyRefused, FormRefused) as error:
            if isinstance(error, PasskeyRefused):
                form.refuse("", str(error))
            context = {"form": form, "asked": await asked_to_make(request), "next_path": next_path}
            return await show(request, "identity/passkey_new.html", context, 422)
        if codes is not None:
            heading = "Your passkey is added. These are your recovery codes"
            content = {"codes": codes, "heading": heading, "next_path": next_path}
            return identity.show_once(request, "/account/security/recovery-codes/shown", content)
        return identity.redirect(request, next_path or PASSKEYS, flash=f"The passkey “{form.text('name')}” is added.")

    @get("/{passkey_id:int}")
    async def one(request: PageRequest, passkey_id: RowId) -> Response[Any]:
        passkey = await found(request, passkey_id)
        shown, signers = fingerprint(passkey.public_key), await approvers_repository.reported()
        context = {
            "passkey": passkey,
            "form": Form.empty(name=passkey.name),
            "credential": to_text(passkey.credential_id),
            "public_key": to_text(passkey.public_key),
            "fingerprint": shown,
            "signer_asks": bool(signers),
            "counts_as": next((each.name for each in signers if each.fingerprint == shown), None),
        }
        return await show(request, "identity/passkey.html", context)

    @form_post(
        "/{passkey_id:int}/rename",
        does="Rename a passkey",
        step_up=NoStepUp("a name opens nothing"),
        page="/{passkey_id:int}",
    )
    async def rename(request: PageRequest, passkey_id: RowId) -> Response[Any]:
        form, passkey = await identity.read_form(request), await found(request, passkey_id)
        person, back = await accounts_repository.by_id(passkey.account), f"{PASSKEYS}/{passkey_id}"
        try:
            with form.catching():
                await identity.passkeys.rename(
                    person, passkey_id, form.text("name"), address=address_of(request), now=clock.now()
                )
        except FormRefused:
            return identity.nothing_done(request, back, "; ".join(form.errors.values()))
        return identity.redirect(request, back, flash="The passkey is renamed.")

    @get("/{passkey_id:int}/remove")
    async def remove_page(request: PageRequest, passkey_id: RowId) -> Response[Any]:
        return await show(request, "identity/passkey_remove.html", {"passkey": await found(request, passkey_id)})

    @form_post("/{passkey_id:int}/remove", does="Remove a passkey", step_up=StepUp.FRESH_CODE)
    async def remove(request: PageRequest, passkey_id: RowId) -> Response[Any]:
        form, passkey = await identity.read_form(request), await found(request, passkey_id)
        try:
            with form.catching():
                await identity.require_fresh_code(request, form)
                session = visitor_of(request).session
                token = await identity.passkeys.remove(
                    await accounts_repository.by_id(passkey.account),
                    passkey_id,
                    session=session,
                    address=address_of(request),
                    now=clock.now(),
                )
        except FormRefused:
            return await show(request, "identity/passkey_remove.html", {"form": form, "passkey": passkey}, 422)
        await identity.continue_session(request, session, token)
        words = f"The passkey “{passkey.name}” is removed, and every other browser is signed out."
        return identity.redirect(request, PASSKEYS, flash=words)

    pages: list[Any] = [overview, confirm_page, confirm, new_page, add, one, rename, remove_page, remove]
    return [signed_in_router(PASSKEYS, pages, identity)]


def suggested_name(user_agent: str, taken: Collection[str]) -> str:
    """A name for a passkey of this browser, such as "Firefox on Windows"; empty where it is unknown or taken."""
    name = browser_name(user_agent) if browser_of(user_agent) and system_of(user_agent) else ""
    return "" if name in taken else name
