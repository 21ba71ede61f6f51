"""Invitations that nobody has accepted yet: the list on the team's page, sending one again, withdrawing one."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.cabinet.labels import plural
from app.core import clock
from app.core.errors import ApiError, Code
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import invitations
from app.merchants.invitations import OpenInvitation
from app.merchants.roles import Permission
from app.web.row_ids import RowId

HOUR = timedelta(hours=1)


class InvitationRow(msgspec.Struct, frozen=True):
    """An invitation in the list. `can_change`: the member may give its role, and so send it again or withdraw it."""

    invitation: OpenInvitation
    left: str
    has_expired: bool
    can_change: bool


async def rows(ctx: MemberContext, now: datetime) -> list[InvitationRow]:
    """The invitations that wait for an answer, and those that have expired lately, newest first."""
    return [
        InvitationRow(
            invitation=one,
            left=left_in_words(one.expires_at - now),
            has_expired=one.has_expired(now),
            can_change=invitations.may_give(ctx.member.role, one.role),
        )
        for one in await invitations.listed_of(ctx.merchant_id, now)
    ]


def left_in_words(left: timedelta) -> str:
    """How long something lasts: `in 5 days`, `in 3 hours`, `within the hour`; "" once it is over."""
    if left <= timedelta():
        return ""
    if left >= timedelta(days=2):
        return f"in {left.days} days"
    return f"in {plural(left // HOUR, 'hour')}" if left >= HOUR else "within the hour"


def handlers(cabinet: Cabinet) -> list[Any]:
    """`team/invitations/{id}/again`, `team/invitations/{id}/withdraw`."""
    services, identity = cabinet.services, cabinet.identity

    async def open_invitation(ctx: MemberContext, invitation_id: int) -> OpenInvitation:
        every = await invitations.listed_of(ctx.merchant_id, clock.now())
        found = next((one for one in every if one.id == invitation_id), None)
        if found is None:
            raise ApiError(Code.NOT_FOUND, "no such invitation")
        return found

    @get("/team/invitations/{invitation_id:int}/again", opt=needs(Permission.TEAM_INVITE))
    async def again_page(request: PageRequest, invitation_id: RowId) -> Response[Any]:
        context = {"invitation": await open_invitation(context_of(request), invitation_id), "form": Form.empty()}
        return await cabinet.page(request, "cabinet/team/again.html", context)

    @form_post(
        "/team/invitations/{invitation_id:int}/again",
        does="Send an invitation again",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.TEAM_INVITE),
    )
    async def again(request: PageRequest, invitation_id: RowId) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            await identity.require_fresh_code(request, form)
            with form.catching():
                address = await invitations.send_again(
                    ctx.member, invitation_id, public_url=services.settings.public_url, now=clock.now()
                )
        except FormRefused:
            if "email" in form.errors:  # this page has no field for it
                form.errors[""] = form.errors.pop("email")
            context = {"invitation": await open_invitation(ctx, invitation_id)}
            return await cabinet.refused(request, form, "cabinet/team/again.html", context)
        words = f"Another email is on its way to {address}. The link of the earlier one has ended."
        return identity.redirect(request, ctx.path("team"), flash=words)

    @get("/team/invitations/{invitation_id:int}/withdraw", opt=needs(Permission.TEAM_MANAGE))
    async def withdraw_page(request: PageRequest, invitation_id: RowId) -> Response[Any]:
        context = {"invitation": await open_invitation(context_of(request), invitation_id), "form": Form.empty()}
        return await cabinet.page(request, "cabinet/team/withdraw.html", context)

    @form_post(
        "/team/invitations/{invitation_id:int}/withdraw",
        does="Withdraw an invitation",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.TEAM_MANAGE),
    )
    async def withdraw(request: PageRequest, invitation_id: RowId) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            await identity.require_fresh_code(request, form)
        except FormRefused:
            context = {"invitation": await open_invitation(ctx, invitation_id)}
            return await cabinet.refused(request, form, "cabinet/team/withdraw.html", context)
        await invitations.withdraw(ctx.member, invitation_id, clock.now())
        return identity.redirect(request, ctx.path("team"), flash="The invitation is withdrawn.")

    return [again_page, again, withdraw_page, withdraw]
