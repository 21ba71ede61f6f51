"""The security checklist: what could be kept tighter, each with what puts it right."""

from typing import Any

from litestar import Response, get

from app.api_keys import keeping
from app.cabinet.cabinet import Cabinet
from app.cabinet.guard import needs
from app.cabinet.keys import secret_page
from app.cabinet.seat import Seat, seat_of
from app.core import clock
from app.core.errors import ApiError, Code
from app.hygiene import service as hygiene
from app.hygiene.checklist import Finding
from app.merchants.roles import Permission
from app.portal.form_routes import KEY_IN_ADDRESS, StepUp, form_post
from app.portal.forms import FormRefused
from app.portal.portal import Asked

BUTTONS = {
    "allow_last_address": "Allow {value} alone",
    "drop_scopes": "Drop unused scopes",
    "revoke_key": "Revoke it",
    "rotate_key": "Rotate it",
    "remind_of_totp": "Send a reminder",
    "edit_key": "Change the key",
    "invite_owner": "Invite an owner",
}

DONE = {
    "allow_last_address": "Done: the key works from that address alone.",
    "drop_scopes": "Done: the key holds what it uses.",
    "revoke_key": "Done: the key is revoked.",
    "remind_of_totp": "A reminder is on its way.",
}


def handlers(cabinet: Cabinet) -> list[Any]:
    """`security` and `security/remedy`."""
    portal, peppers = cabinet.portal, cabinet.gateway.settings.api_key_peppers

    @get("/security", opt=needs(Permission.SECURITY_VIEW) | KEY_IN_ADDRESS)
    async def checklist(request: Asked) -> Response[Any]:
        seat = seat_of(request)
        findings = await hygiene.findings(seat.member, clock.now())
        context = {"rows": [(one, BUTTONS[one.remedy].format(value=one.value), page_of(seat, one)) for one in findings]}
        return await cabinet.page(request, "cabinet/security/list.html", context)

    @form_post(
        "/security/remedy",
        does="Put a finding of the security page right",
        step_up=StepUp.FRESH_CODE,
        page="/security",
        opt=needs(Permission.SECURITY_VIEW),
    )
    async def remedy(request: Asked) -> Response[Any]:
        """Once clicked it is done; only a code may be asked for in between, on a page that says what for."""
        form, seat, now = await portal.read_form(request), seat_of(request), clock.now()
        found = next((one for one in await hygiene.findings(seat.member, now) if one.id == form.text("finding")), None)
        if found is None:
            return portal.nothing_done(request, seat.path("security"), "That was put right already.")
        try:
            with form.catching():
                await portal.require_fresh_code(request, form)
                secret = await hygiene.remedy(seat.member, found.id, peppers, now)
        except FormRefused:
            context = {"finding": found, "label": BUTTONS[found.remedy].format(value=found.value)}
            return await cabinet.refused(request, form, "cabinet/security/confirm.html", context)
        if secret is None:
            return portal.redirect(request, seat.path("security"), flash=DONE[found.remedy])
        if found.mode is None:
            raise ApiError(Code.INTERNAL, "a secret belongs to a mode")
        key = await keeping.get_key(seat.member, found.mode, found.subject)
        return portal.show_once(request, secret_page(seat, key), {"secret": secret, "heading": "The key’s new secret"})

    return [checklist, remedy]


def page_of(seat: Seat, finding: Finding) -> str:
    """The page where a finding is put right; empty where a click does it."""
    if finding.remedy == "edit_key":
        return f"/cabinet/{seat.merchant_id}/{finding.mode}/keys/{finding.subject}/edit"
    if finding.remedy == "invite_owner":
        return f"{seat.path('team', 'invite')}?role=owner"
    return ""
