"""The team: who belongs to the merchant, roles, invitations, leaving. Removing somebody is in removal.py."""

from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.forms import required
from app.cabinet.guard import needs
from app.cabinet.seat import Seat, seat_of
from app.core import clock
from app.merchants import invitations, team
from app.merchants.roles import DESCRIPTIONS, ROLES, Permission, checked_role
from app.merchants.team import Person
from app.portal.form_routes import StepUp, form_post
from app.portal.forms import Form, FormRefused
from app.portal.portal import Asked
from app.web.row_ids import RowId


def handlers(cabinet: Cabinet) -> list[Any]:
    """`team`, `team/invite`, `team/invitations/{id}/withdraw`, `team/leave`, `team/{account}`."""
    gateway, portal = cabinet.gateway, cabinet.portal

    @get("/team", opt=needs(Permission.TEAM_VIEW))
    async def people(request: Asked) -> Response[Any]:
        seat = seat_of(request)
        manages = seat.may(Permission.TEAM_MANAGE)
        context = {
            "people": await team.people(seat.merchant_id),
            "invitations": await invitations.open_of(seat.merchant_id, clock.now()) if manages else [],
            "form": Form.empty(),
        }
        return await cabinet.page(request, "cabinet/team/list.html", context)

    @get("/team/invite", opt=needs(Permission.TEAM_INVITE))
    async def invite_page(request: Asked) -> Response[Any]:
        role = request.query_params.get("role", "")
        form = Form.empty(role=role if role in ROLES else "viewer")
        return await cabinet.page(
            request, "cabinet/team/invite.html", {"form": form, "roles": _roles(seat_of(request))}
        )

    @form_post("/team/invite", does="Invite somebody", step_up=StepUp.FRESH_CODE, opt=needs(Permission.TEAM_INVITE))
    async def invite(request: Asked) -> Response[Any]:
        form, seat = await portal.read_form(request), seat_of(request)
        try:
            with form.catching():
                await portal.require_fresh_code(request, form)
                await invitations.invite(
                    seat.member,
                    required(form, "email", "enter an e-mail address"),
                    form.text("role"),
                    public_url=gateway.settings.public_url,
                    now=clock.now(),
                )
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/team/invite.html", {"roles": _roles(seat)})
        return portal.redirect(
            request, seat.path("team"), flash=f"An invitation is on its way to {form.text('email')}."
        )

    @form_post(
        "/team/invitations/{invitation_id:int}/withdraw",
        does="Withdraw an invitation",
        step_up=StepUp.FRESH_CODE,
        page="/team",
        opt=needs(Permission.TEAM_MANAGE),
    )
    async def withdraw(request: Asked, invitation_id: RowId) -> Response[Any]:
        seat = seat_of(request)
        await portal.require_fresh_code(request, await portal.read_form(request))
        await invitations.withdraw(seat.member, invitation_id, clock.now())
        return portal.redirect(request, seat.path("team"), flash="The invitation is withdrawn.")

    @get("/team/leave", opt=needs(Permission.VIEW))
    async def leave_page(request: Asked) -> Response[Any]:
        return await cabinet.page(request, "cabinet/team/leave.html", {"form": Form.empty()})

    @form_post("/team/leave", does="Leave a team", step_up=StepUp.FRESH_CODE, opt=needs(Permission.VIEW))
    async def leave(request: Asked) -> Response[Any]:
        form, seat = await portal.read_form(request), seat_of(request)
        try:
            with form.catching():
                await portal.require_fresh_code(request, form)
                await team.leave(seat.member, clock.now())
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/team/leave.html")
        return portal.redirect(request, "/cabinet", flash=f"You have left {seat.member.merchant_name}.")

    async def person_context(seat: Seat, person: Person, form: Form) -> dict[str, Any]:
        return {
            "person": person,
            "form": form,
            "roles": _roles(seat),
            "can_change": person.role != "owner" or seat.may(Permission.OWNERS_MANAGE),
        }

    @get("/team/{account_id:str}", opt=needs(Permission.TEAM_MANAGE))
    async def person_page(request: Asked, account_id: str) -> Response[Any]:
        seat = seat_of(request)
        person = await team.person(seat.merchant_id, account_id)
        context = await person_context(seat, person, Form.empty(role=person.role))
        return await cabinet.page(request, "cabinet/team/person.html", context)

    @form_post(
        "/team/{account_id:str}", does="Change a role", step_up=StepUp.FRESH_CODE, opt=needs(Permission.TEAM_MANAGE)
    )
    async def change_role(request: Asked, account_id: str) -> Response[Any]:
        form, seat = await portal.read_form(request), seat_of(request)
        person = await team.person(seat.merchant_id, account_id)
        try:
            with form.catching():
                await portal.require_fresh_code(request, form)
                await team.change_role(seat.member, account_id, form.text("role"), clock.now())
        except FormRefused:
            context = await person_context(seat, person, form)
            return await cabinet.refused(request, form, "cabinet/team/person.html", context)
        words = f"{person.name} is {form.text('role')} from now on."
        if account_id == seat.member.account_id:
            return portal.redirect(request, seat.base, flash=words)
        if ROLES.index(checked_role(form.text("role"))) > ROLES.index(person.role):  # a lower one
            words = f"{words} What they have seen and sent before is below."
            return portal.redirect(request, seat.path("team", account_id, "secrets"), flash=words)
        return portal.redirect(request, seat.path("team"), flash=words)

    return [people, invite_page, invite, withdraw, leave_page, leave, person_page, change_role]


def _roles(seat: Seat) -> list[tuple[str, str, str]]:
    """The roles that a member may give, with what they mean."""
    return [
        (role, role.capitalize(), DESCRIPTIONS[role])
        for role in ROLES
        if role != "owner" or seat.may(Permission.OWNERS_MANAGE)
    ]
