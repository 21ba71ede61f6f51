"""API keys: the list, a new one, one key, changing, rotating and revoking it.

A secret is shown once, on the page that the form that made it leads to (`Portal.show_once`).
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any

from litestar import Response, get

from app.api_keys import administration
from app.api_keys.repository import Key
from app.api_keys.scopes import Scope
from app.api_keys.service import DEFAULT_RATE_LIMIT_PER_MINUTE, checked_settings
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.fields import end_of_day, last_day, lines, whole_number
from app.cabinet.forms import one_of, required
from app.cabinet.guard import needs
from app.cabinet.rotation import ends_with, refuse_unseen_rotation
from app.core import clock
from app.core.newer import Words
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest, visitor_of
from app.merchants.members import Member
from app.merchants.roles import Permission

SCOPES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        Scope.INVOICES_READ: ("Read invoices", ""),
        Scope.INVOICES_WRITE: ("Create and cancel invoices", "And read them."),
        Scope.PAYOUTS_READ: ("Read payouts", ""),
        Scope.PAYOUTS_WRITE: ("Request payouts", "And read them. Each still waits for an operator."),
        Scope.REFUNDS_READ: ("Read refunds", ""),
        Scope.REFUNDS_WRITE: ("Request refunds", "And read them. Each still waits for an operator."),
        Scope.BALANCE_READ: ("Read balance and ledger", ""),
        Scope.WEBHOOKS_READ: ("Read webhooks and deliveries", ""),
        Scope.WEBHOOKS_WRITE: ("Manage webhooks", "And read them. Shows the secrets of those it makes."),
        Scope.EVENTS_READ: ("Read events", ""),
    }
)

GRACES = (
    ("0", "None: the old secret ends now", "If it may have been seen by somebody."),
    ("1", "1 hour", ""),
    ("24", "24 hours", "A working day to put the new one in place."),
    ("72", "72 hours", "The longest there is."),
)


NO_GRACE = "Choose how long the old secret still works."


def handlers(cabinet: Cabinet) -> list[Any]:
    """`keys`, `keys/new`, `keys/{id}`, and below it `edit`, `rotate`, `revoke`."""
    identity, peppers = cabinet.identity, cabinet.services.settings.api_key_peppers

    @get("/keys", opt=needs(Permission.KEYS_VIEW))
    async def keys(request: PageRequest) -> Response[Any]:
        ctx, now = context_of(request), clock.now()
        every = await administration.list_keys(ctx.member, ctx.mode)
        ended = [key for key in every if state_of(key, now) in ("revoked", "expired")]
        show_ended = request.query_params.get("show") == "ended"
        context = {
            "keys": [(key, state_of(key, now)) for key in every if (key in ended) == show_ended],
            "show_ended": show_ended,
            "count": len(every) - len(ended),
            "ended": len(ended),
        }
        return await cabinet.page(request, "cabinet/keys/list.html", context)

    @get("/keys/new", opt=needs(Permission.KEYS_MANAGE))
    async def new_key(request: PageRequest) -> Response[Any]:
        form = Form.empty(rate_limit_per_minute=str(DEFAULT_RATE_LIMIT_PER_MINUTE))
        return await cabinet.page(request, "cabinet/keys/new.html", _form_context(context_of(request), form))

    async def check(request: PageRequest, form: Form) -> None:
        _settings(form, visitor_of(request).zone)

    @form_post(
        "/keys/new",
        does="Create an API key",
        step_up=StepUp.FRESH_CODE,
        check=check,
        opt=needs(Permission.KEYS_MANAGE),
    )
    async def create(request: PageRequest) -> Response[Any]:
        form, ctx, now = await identity.read_form(request), context_of(request), clock.now()
        try:
            settings = _settings(form, visitor_of(request).zone)
            await identity.require_fresh_code(request, form)
            with form.catching():
                key, secret = await administration.issue(ctx.member, peppers, mode=ctx.mode, now=now, **settings)
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/keys/new.html", _form_context(ctx, form))
        return identity.show_once(request, secret_page(ctx, key), {"secret": secret, "heading": "Your new key"})

    @get("/keys/{key_id:str}/secret", opt=needs(Permission.KEYS_MANAGE))
    async def secret(request: PageRequest, key_id: str) -> Response[Any]:
        ctx = context_of(request)
        key = await administration.get_key(ctx.member, ctx.mode, key_id)
        context = {"key": key, "now": clock.now(), "shown": await identity.shown_once(request)}
        return await cabinet.page(request, "cabinet/keys/secret.html", context)

    @get("/keys/{key_id:str}", opt=needs(Permission.KEYS_VIEW))
    async def key_page(request: PageRequest, key_id: str) -> Response[Any]:
        ctx = context_of(request)
        key = await administration.get_key(ctx.member, ctx.mode, key_id)
        return await cabinet.page(request, "cabinet/keys/detail.html", _key_context(ctx.member, key))

    @get("/keys/{key_id:str}/edit", opt=needs(Permission.KEYS_MANAGE))
    async def edit_page(request: PageRequest, key_id: str) -> Response[Any]:
        ctx = context_of(request)
        key = await administration.get_key(ctx.member, ctx.mode, key_id)
        form = Form(
            values={
                "name": key.name,
                "allowlist": "\n".join(key.allowlist),
                "rate_limit_per_minute": str(key.rate_limit_per_minute),
                "expires_at": last_day(key.expires_at, visitor_of(request).zone),
            },
            lists={"scopes": list(key.scopes)},
        )
        return await cabinet.page(request, "cabinet/keys/edit.html", {**_form_context(ctx, form), "key": key})

    @form_post(
        "/keys/{key_id:str}/edit",
        does="Change an API key",
        step_up=StepUp.FRESH_CODE,
        check=check,
        opt=needs(Permission.KEYS_MANAGE),
    )
    async def edit(request: PageRequest, key_id: str) -> Response[Any]:
        form, ctx, now = await identity.read_form(request), context_of(request), clock.now()
        key = await administration.get_key(ctx.member, ctx.mode, key_id)
        try:
            settings = _settings(form, visitor_of(request).zone)
            await identity.require_fresh_code(request, form)
            with form.catching():
                await administration.update(ctx.member, mode=ctx.mode, key_id=key_id, now=now, **settings)
        except FormRefused:
            context = {**_form_context(ctx, form), "key": key}
            return await cabinet.refused(request, form, "cabinet/keys/edit.html", context)
        return identity.redirect(
            request, ctx.path("keys", key_id), flash="The key is changed, from its next request on."
        )

    @get("/keys/{key_id:str}/rotate", opt=needs(Permission.KEYS_MANAGE))
    async def rotate_page(request: PageRequest, key_id: str) -> Response[Any]:
        ctx = context_of(request)
        key = await administration.get_key(ctx.member, ctx.mode, key_id)
        form = Form.empty(grace_hours="24", ends_with_this=ends_with(key.previous_valid_until))
        context = {"key": key, "form": form, "graces": GRACES, "now": clock.now()}
        return await cabinet.page(request, "cabinet/keys/rotate.html", context)

    @form_post(
        "/keys/{key_id:str}/rotate",
        does="Rotate an API key",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.KEYS_MANAGE),
    )
    async def rotate(request: PageRequest, key_id: str) -> Response[Any]:
        form, ctx, now = await identity.read_form(request), context_of(request), clock.now()
        before = await administration.get_key(ctx.member, ctx.mode, key_id)
        try:
            hours = grace_of(form, "grace_hours")
            await identity.require_fresh_code(request, form)
            with form.catching():
                refuse_unseen_rotation(form, before.previous_valid_until)
                key, secret = await administration.rotate(
                    ctx.member, peppers, mode=ctx.mode, key_id=key_id, grace_hours=hours, now=now
                )
        except FormRefused:
            context = {"key": before, "graces": GRACES, "now": now}
            return await cabinet.refused(request, form, "cabinet/keys/rotate.html", context)
        return identity.show_once(request, secret_page(ctx, key), {"secret": secret, "heading": "The key’s new secret"})

    @get("/keys/{key_id:str}/revoke", opt=needs(Permission.KEYS_MANAGE))
    async def revoke_page(request: PageRequest, key_id: str) -> Response[Any]:
        ctx = context_of(request)
        key = await administration.get_key(ctx.member, ctx.mode, key_id)
        return await cabinet.page(request, "cabinet/keys/revoke.html", {"key": key, "form": Form.empty()})

    @form_post(
        "/keys/{key_id:str}/revoke",
        does="Revoke an API key",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.KEYS_MANAGE),
    )
    async def revoke(request: PageRequest, key_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        key = await administration.get_key(ctx.member, ctx.mode, key_id)
        try:
            with form.catching():
                await identity.require_fresh_code(request, form)
                await administration.revoke(ctx.member, mode=ctx.mode, key_id=key_id, now=clock.now())
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/keys/revoke.html", {"key": key})
        return identity.redirect(request, ctx.path("keys"), flash=f"{key.name} is revoked.")

    return [keys, new_key, create, secret, key_page, edit_page, edit, rotate_page, rotate, revoke_page, revoke]


def secret_page(ctx: MemberContext, key: Key) -> str:
    """The page that shows a key's new secret once."""
    return f"/cabinet/{ctx.merchant_id}/{key.mode}/keys/{key.id}/secret"


def state_of(key: Key, now: datetime) -> str:
    """A key's state in one word; where several apply, the most important."""
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    if key.locked_until is not None and key.locked_until > now:
        return "locked"
    if key.previous_valid_until is not None and key.previous_valid_until > now:
        return "rotating"
    return "active"


def grace_of(form: Form, name: str) -> int:
    """How many hours an old secret still works. Records an error for anything but a choice of `GRACES`."""
    return int(one_of(form, name, [hours for hours, _, _ in GRACES], NO_GRACE) or 0)


def _scopes(form: Form) -> list[str]:
    chosen = form.many("scopes")
    if not chosen:
        form.record("scopes", "must hold at least one scope")
    return chosen


def _settings(form: Form, zone: tzinfo) -> dict[str, Any]:
    """A key's settings in the form; its last day is one in `zone`. Records what is wrong with them."""
    settings: dict[str, Any] = {
        "name": required(form, "name", "Enter a name for the key."),
        "scopes": _scopes(form),
        "allowlist": lines(form, "allowlist"),
        "rate_limit_per_minute": whole_number(form, "rate_limit_per_minute"),
        "expires_at": end_of_day(form, "expires_at", zone),
    }
    with form.gathering():
        checked_settings(**settings, now=clock.now())
    return settings


def _form_context(ctx: MemberContext, form: Form) -> dict[str, Any]:
    """The context of a key's form; without scopes that the member may not grant."""
    offered = [
        (scope.value, label, hint)
        for scope, (label, hint) in ((scope, SCOPES[scope]) for scope in Scope)
        if administration.may_hold(ctx.member, ctx.mode, [scope])
    ]
    return {"form": form, "scopes": offered, "may_hold_money": len(offered) == len(Scope)}


def _key_context(by: Member, key: Key) -> dict[str, Any]:
    now = clock.now()
    is_over = key.revoked_at is not None
    return {
        "key": key,
        "state": state_of(key, now),
        "now": now,
        "scope_words": Words({scope: label for scope, (label, _) in SCOPES.items()}),
        "can_change": not is_over and administration.may_hold(by, key.mode, key.scopes),
        "can_revoke": not is_over and by.may(Permission.KEYS_MANAGE, key.mode),
    }
