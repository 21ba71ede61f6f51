"""The team: who belongs to the merchant, what each role may do, inviting, leaving. Open invitations are in
open_invitations.py, removal of members in member_removal.py."""

from typing import Any

from litestar import Response, get

from app.cabinet import open_invitations
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.forms import one_of
from app.cabinet.guard import needs
from app.core import clock
from app.identity.fields import check_email
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import invitations, role_matrix, team
from app.merchants.memberships_repository import Person
from app.merchants.roles import DESCRIPTIONS, ROLES, Permission, checked_role, takes_something

NO_ROLE = "Choose a role."


def handlers(cabinet: Cabinet) -> list[Any]:
    """`team`, `team/roles`, `team/invite`, `team/leave`, `team/{account}`."""
    services, identity = cabinet.services, cabinet.identity

    @get("/team", opt=needs(Permission.TEAM_VIEW))
    async def people(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        manages = ctx.may(Permission.TEAM_MANAGE)
        context = {
            "people": await team.people(ctx.merchant_id),
            "invitations": await open_invitations.rows(ctx, clock.now()) if manages else [],
            "form": Form.empty(),
        }
        return await cabinet.page(request, "cabinet/team/list.html", context)

    @get("/team/roles", opt=needs(Permission.TEAM_VIEW))
    async def roles(request: PageRequest) -> Response[Any]:
        context = {
            "roles": ROLES,
            "descriptions": DESCRIPTIONS,
            "groups": role_matrix.by_role(),
            "standings": role_matrix.STANDINGS,
            "limits": role_matrix.by_standing(),
        }
        return await cabinet.page(request, "cabinet/team/roles.html", context)

    @get("/team/invite", opt=needs(Permission.TEAM_INVITE))
    async def invite_page(request: PageRequest) -> Response[Any]:
        role = request.query_params.get("role", "")
        form = Form.empty(role=role if role in ROLES else "viewer")
        return await cabinet.page(
            request, "cabinet/team/invite.html", {"form": form, "roles": _roles(context_of(request))}
        )

    async def check_invitation(request: PageRequest, form: Form) -> None:
        check_email(form)
        one_of(form, "role", ROLES, NO_ROLE)

    @form_post(
        "/team/invite",
        does="Invite somebody",
        step_up=StepUp.FRESH_CODE,
        check=check_invitation,
        opt=needs(Permission.TEAM_INVITE),
    )
    async def invite(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            await check_invitation(request, form)
            await identity.require_fresh_code(request, form)
            with form.catching():
                await invitations.invite(
                    ctx.member,
                    form.text("email"),
                    form.text("role"),
                    public_url=services.settings.public_url,
                    now=clock.now(),
                )
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/team/invite.html", {"roles": _roles(ctx)})
        return identity.redirect(
            request, ctx.path("team"), flash=f"An invitation is on its way to {form.text('email')}."
        )

    @get("/team/leave", opt=needs(Permission.VIEW))
    async def leave_page(request: PageRequest) -> Response[Any]:
        return await cabinet.page(request, "cabinet/team/leave.html", {"form": Form.empty()})

    @form_post("/team/leave", does="Leave a team", step_up=StepUp.FRESH_CODE, opt=needs(Permission.VIEW))
    async def leave(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            with form.catching():
                await identity.require_fresh_code(request, form)
                await team.leave(ctx.member, clock.now())
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/team/leave.html")
        return identity.redirect(request, "/cabinet", flash=f"You have left {ctx.member.merchant_name}.")

    async def person_context(ctx: MemberContext, person: Person, form: Form) -> dict[str, Any]:
        return {
            "person": person,
            "form": form,
            "roles": _roles(ctx),
            "can_change": person.role != "owner" or ctx.may(Permission.OWNERS_MANAGE),
        }

    @get("/team/{account_id:str}", opt=needs(Permission.TEAM_MANAGE))
    async def person_page(request: PageRequest, account_id: str) -> Response[Any]:
        ctx = context_of(request)
        person = await team.person(ctx.merchant_id, account_id)
        context = await person_context(ctx, person, Form.empty(role=person.role))
        return await cabinet.page(request, "cabinet/team/person.html", context)

    @form_post(
        "/team/{account_id:str}", does="Change a role", step_up=StepUp.FRESH_CODE, opt=needs(Permission.TEAM_MANAGE)
    )
    async def change_role(request: PageRequest, account_id: str) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        person = await team.person(ctx.merchant_id, account_id)
        try:
            one_of(form, "role", ROLES, NO_ROLE)
            await identity.require_fresh_code(request, form)
            with form.catching():
                await team.change_role(ctx.member, account_id, form.text("role"), clock.now())
        except FormRefused:
            context = await person_context(ctx, person, form)
            return await cabinet.refused(request, form, "cabinet/team/person.html", context)
        words = f"{person.name} is {form.text('role')} from now on."
        if account_id == ctx.member.account_id:
            return identity.redirect(request, ctx.base, flash=words)
        if takes_something(person.role, checked_role(form.text("role"))):
            words = f"{words} What they have seen and sent before is below."
            return identity.redirect(request, ctx.path("team", account_id, "secrets"), flash=words)
        return identity.redirect(request, ctx.path("team"), flash=words)

    return [people, roles, invite_page, invite, leave_page, leave, person_page, change_role]


def _roles(ctx: MemberContext) -> list[tuple[str, str, str]]:
    """The roles that a member may give, with what they mean."""
    return [
        (role, role.capitalize(), DESCRIPTIONS[role])
        for role in ROLES
        if role != "owner" or ctx.may(Permission.OWNERS_MANAGE)
    ]
