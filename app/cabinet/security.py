"""The security checklist: findings, each with its remedy."""

from typing import Any

from litestar import Response, get

from app.api_keys import administration
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.cabinet.keys import secret_page
from app.core import clock
from app.core.errors import ApiError, Code
from app.identity.form_routes import KEY_IN_ADDRESS, StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants.roles import Permission
from app.security_checklist import service
from app.security_checklist.checklist import Finding
from app.security_checklist.service import ROTATION_GRACE_HOURS

BUTTONS = {
    "allow_last_address": "Allow only {value}",
    "drop_scopes": "Drop unused scopes",
    "revoke_key": "Revoke it",
    "rotate_key": "Rotate it",
    "remind_of_totp": "Send a reminder",
    "edit_key": "Change the key",
    "invite_owner": "Invite an owner",
}

DONE = {
    "allow_last_address": "Done: the key works from that IP address only.",
    "drop_scopes": "Done: the key has only the scopes that it uses.",
    "revoke_key": "Done: the key is revoked.",
    "remind_of_totp": "A reminder is on its way.",
}


CONSEQUENCES = {
    "allow_last_address": "Requests with this key from every other address are refused from the next one on.",
    "drop_scopes": "Requests that need one of them are refused from the next one on.",
    "revoke_key": "Every request with this key is refused from the next one on. This can’t be undone.",
    "rotate_key": f"The key gets a new secret, which its program must use within {ROTATION_GRACE_HOURS} hours: the old "
    "one ends then.",
}
"""What programs feel of a remedy: a page asks before each of these. The others are one click."""

DONE_BEFORE = "That was done already."


def handlers(cabinet: Cabinet) -> list[Any]:
    """`security` and `security/remedy`."""
    identity, peppers = cabinet.identity, cabinet.services.settings.api_key_peppers

    @get("/security", opt=needs(Permission.SECURITY_VIEW) | KEY_IN_ADDRESS)
    async def checklist(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        findings = await service.findings(ctx.member, clock.now())
        context = {
            "rows": [(one, BUTTONS[one.remedy].format(value=one.value), page_of(ctx, one)) for one in findings],
            "asked_before": CONSEQUENCES,
        }
        return await cabinet.page(request, "cabinet/security/list.html", context)

    @get("/security/remedy", opt=needs(Permission.SECURITY_VIEW) | KEY_IN_ADDRESS)
    async def remedy_page(request: PageRequest) -> Response[Any]:
        """Asks before a remedy that can't be undone."""
        ctx, wanted = context_of(request), request.query_params.get("finding", "")
        found = next((one for one in await service.findings(ctx.member, clock.now()) if one.id == wanted), None)
        if found is None:
            return identity.redirect(request, ctx.path("security"), flash=DONE_BEFORE, tone="caution")
        return await cabinet.page(request, "cabinet/security/confirm.html", _asked(found) | {"form": Form.empty()})

    @form_post(
        "/security/remedy",
        does="Put a finding of the security page right",
        step_up=StepUp.FRESH_CODE,
        page="/security",
        opt=needs(Permission.SECURITY_VIEW),
    )
    async def remedy(request: PageRequest) -> Response[Any]:
        """Apply a finding's remedy. If a code is needed, a page in between asks for it and says why."""
        form, ctx, now = await identity.read_form(request), context_of(request), clock.now()
        found = next((one for one in await service.findings(ctx.member, now) if one.id == form.text("finding")), None)
        if found is None:
            return identity.nothing_done(request, ctx.path("security"), DONE_BEFORE)
        try:
            with form.catching():
                await identity.require_fresh_code(request, form)
                secret = await service.remedy(ctx.member, found.id, peppers, now)
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/security/confirm.html", _asked(found))
        if secret is None:
            return identity.redirect(request, ctx.path("security"), flash=DONE[found.remedy])
        if found.mode is None:
            raise ApiError(Code.INTERNAL, "a secret belongs to a mode")
        key = await administration.get_key(ctx.member, found.mode, found.subject)
        return identity.show_once(request, secret_page(ctx, key), {"secret": secret, "heading": "The key’s new secret"})

    return [checklist, remedy_page, remedy]


def _asked(finding: Finding) -> dict[str, Any]:
    return {
        "finding": finding,
        "label": BUTTONS[finding.remedy].format(value=finding.value),
        "consequence": CONSEQUENCES.get(finding.remedy, ""),
    }


def page_of(ctx: MemberContext, finding: Finding) -> str:
    """The page of a finding's remedy; empty where one click applies it."""
    if finding.remedy == "edit_key":
        return f"/cabinet/{ctx.merchant_id}/{finding.mode}/keys/{finding.subject}/edit"
    if finding.remedy == "invite_owner":
        return f"{ctx.path('team', 'invite')}?role=owner"
    return ""
