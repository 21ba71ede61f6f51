"""A person's passkeys: the list, adding one, renaming and removing it, and what the signer's keeper needs of it."""

from typing import Any

from litestar import Response, Router, get

from app.accounts import passkeys_repository
from app.accounts import repository as accounts_repository
from app.accounts.passkeys import PasskeyRefused
from app.accounts.passkeys_repository import StoredPasskey
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.webauthn import fingerprint, to_text
from app.identity.account_nav import account_nav
from app.identity.form_routes import NoStepUp, StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import signed_in_router
from app.identity.identity import Identity, PageRequest, address_of, visitor_of
from app.identity.passkey_forms import Asked, answer_of
from app.signer import approvers_repository

PASSKEYS = "/account/security/passkeys"


def routers(identity: Identity) -> list[Router]:
    """`/account/security/passkeys` and what is below it."""

    async def show(request: PageRequest, template: str, context: dict[str, Any], status: int = 200) -> Response[Any]:
        nav = account_nav(request.scope["path"])
        return identity.page(request, template, {"nav": nav, "form": Form.empty(), **context}, status=status)

    def refuse_address() -> None:
        """Raise NOT_FOUND where browsers make no passkeys for this site."""
        if not identity.passkeys.party.can_have_passkeys:
            raise ApiError(Code.NOT_FOUND, "a site at an IP address has no passkeys")

    async def found(request: PageRequest, passkey_id: int) -> StoredPasskey:
        own = await passkeys_repository.of_account(visitor_of(request).account_id)
        passkey = next((each for each in own if each.id == passkey_id), None)
        if passkey is None:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        return passkey

    @get("/")
    async def overview(request: PageRequest) -> Response[Any]:
        refuse_address()
        own = await passkeys_repository.of_account(visitor_of(request).account_id)
        return await show(request, "identity/passkeys.html", {"passkeys": own})

    async def asked_to_make(request: PageRequest) -> Asked:
        visitor = visitor_of(request)
        person = await accounts_repository.by_id(visitor.account_id)
        return Asked.of(*await identity.passkeys.to_make(person, visitor.session.id))

    @get("/new")
    async def new_page(request: PageRequest) -> Response[Any]:
        if visitor_of(request).needs_code(clock.now()):
            return identity.redirect(request, f"{PASSKEYS}/confirm")
        return await show(request, "identity/passkey_new.html", {"asked": await asked_to_make(request)})

    @get("/confirm")
    async def confirm_page(request: PageRequest) -> Response[Any]:
        return await show(request, "identity/passkey_confirm.html", {})

    @form_post("/confirm", does="Go on to a new passkey", step_up=StepUp.FRESH_CODE)
    async def confirm(request: PageRequest) -> Response[Any]:
        form = await identity.read_form(request)
        try:
            await identity.require_fresh_code(request, form)
        except FormRefused:
            return await show(request, "identity/passkey_confirm.html", {"form": form}, 422)
        return identity.redirect(request, f"{PASSKEYS}/new")

    @form_post("/new", does="Add a passkey", step_up=StepUp.FRESH_CODE)
    async def add(request: PageRequest) -> Response[Any]:
        form, visitor = await identity.read_form(request), visitor_of(request)
        answer = answer_of(form)
        if visitor.needs_code(clock.now()):  # the page stood open for long
            return identity.nothing_done(request, f"{PASSKEYS}/confirm", "Confirm that it is you again.")
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
            context = {"form": form, "asked": await asked_to_make(request)}
            return await show(request, "identity/passkey_new.html", context, 422)
        if codes is not None:
            heading = "Your passkey is added. These are your recovery codes"
            return identity.show_once(
                request, "/account/security/recovery-codes/shown", {"codes": codes, "heading": heading}
            )
        return identity.redirect(request, PASSKEYS, flash=f"The passkey “{form.text('name')}” is added.")

    @get("/{passkey_id:int}")
    async def one(request: PageRequest, passkey_id: int) -> Response[Any]:
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
    async def rename(request: PageRequest, passkey_id: int) -> Response[Any]:
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
    async def remove_page(request: PageRequest, passkey_id: int) -> Response[Any]:
        return await show(request, "identity/passkey_remove.html", {"passkey": await found(request, passkey_id)})

    @form_post("/{passkey_id:int}/remove", does="Remove a passkey", step_up=StepUp.FRESH_CODE)
    async def remove(request: PageRequest, passkey_id: int) -> Response[Any]:
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
