"""Remove a member of the team; then rotate the secrets that they have seen, and review the invitations that they sent
and their waiting payouts and refunds."""

from typing import Any, cast, get_args

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.cabinet.keys import GRACES, grace_of
from app.core import clock
from app.core.money import format_amount
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import invitations, team
from app.merchants.roles import Permission
from app.merchants.terms import Mode
from app.security_checklist import exposure
from app.security_checklist.exposure import Exposure
from app.security_checklist.repository import Kind, Request
from app.webhooks.administration import EndpointAdministration
from app.wiring import Services

HOW = {
    "made": "Made or rotated it",
    "revealed": "Looked at it",
    "with_a_key": "Made with a key that they had",
    "unknown": "Not recorded: anybody may know it",
}


def handlers(cabinet: Cabinet) -> list[Any]:
    """`team/{account}/remove` and `team/{account}/secrets`."""
    services, identity = cabinet.services, cabinet.identity

    @get("/team/{account_id:str}/remove", opt=needs(Permission.TEAM_MANAGE))
    async def remove_page(request: PageRequest, account_id: str) -> Response[Any]:
        ctx = context_of(request)
        context = {
            "person": await team.person(ctx.merchant_id, account_id),
            "count": len(await exposure.seen_by(ctx.member, account_id, clock.now())),
            "form": Form.empty(),
        }
        return await cabinet.page(request, "cabinet/team/remove.html", context)

    @form_post(
        "/team/{account_id:str}/remove",
        does="Remove somebody from the team",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.TEAM_MANAGE),
    )
    async def remove(request: PageRequest, account_id: str) -> Response[Any]:
        form, ctx, now = await identity.read_form(request), context_of(request), clock.now()
        person = await team.person(ctx.merchant_id, account_id)
        try:
            with form.catching():
                await identity.require_fresh_code(request, form)
                await team.remove(ctx.member, account_id, now)
        except FormRefused:
            context = {"person": person, "count": len(await exposure.seen_by(ctx.member, account_id, now))}
            return await cabinet.refused(request, form, "cabinet/team/remove.html", context)
        words = f"{person.name} has no access any more. What they have seen and sent is below."
        return identity.redirect(request, ctx.path("team", account_id, "secrets"), flash=words)

    async def secrets_context(ctx: MemberContext, account_id: str) -> dict[str, Any]:
        colleague, now = await team.colleague(ctx.merchant_id, account_id), clock.now()
        return {
            "colleague": colleague,
            "now": now,
            "exposures": await exposure.seen_by(ctx.member, account_id, now),
            "how": HOW,
            "graces": GRACES,
            "sent": await invitations.sent_by(ctx.merchant_id, account_id, clock.now()),
            "requests": [(one, _amount(services, one)) for one in await exposure.requests_of(ctx.member, account_id)],
        }

    @get("/team/{account_id:str}/secrets", opt=needs(Permission.TEAM_MANAGE))
    async def secrets_page(request: PageRequest, account_id: str) -> Response[Any]:
        context = await secrets_context(context_of(request), account_id)
        form = Form(values={"grace_hours": "0"}, lists={"secrets": [name_of(one) for one in context["exposures"]]})
        return await cabinet.page(request, "cabinet/team/secrets.html", {**context, "form": form})

    @form_post(
        "/team/{account_id:str}/secrets",
        does="Rotate what somebody has seen",
        step_up=StepUp.FRESH_CODE,
        opt=needs(Permission.TEAM_MANAGE),
    )
    async def rotate(request: PageRequest, account_id: str) -> Response[Any]:
        form, ctx, now = await identity.read_form(request), context_of(request), clock.now()
        await team.colleague(ctx.merchant_id, account_id)
        endpoints = {
            mode: EndpointAdministration(ctx.member, mode, services.settings.data_keys, services.outbound)
            for mode in cast(tuple[Mode, ...], get_args(Mode))
        }
        try:
            hours, wanted = grace_of(form, "grace_hours"), _wanted(form)
            if not wanted:
                form.record("secrets", "Choose at least one secret to rotate.")
            await identity.require_fresh_code(request, form)
            with form.catching():
                rotated = await exposure.rotate(
                    ctx.member,
                    wanted,
                    grace_hours=hours,
                    peppers=services.settings.api_key_peppers,
                    endpoints=endpoints,
                    now=now,
                )
        except FormRefused:
            context = await secrets_context(ctx, account_id)
            return await cabinet.refused(request, form, "cabinet/team/secrets.html", context)
        content = {"rotated": rotated, "grace_hours": hours}
        return identity.show_once(request, ctx.path("team", account_id, "secrets", "shown"), content)

    @get("/team/{account_id:str}/secrets/shown", opt=needs(Permission.TEAM_MANAGE))
    async def rotated_page(request: PageRequest, account_id: str) -> Response[Any]:
        colleague = await team.colleague(context_of(request).merchant_id, account_id)
        context = {"colleague": colleague, "shown": await identity.shown_once(request)}
        return await cabinet.page(request, "cabinet/team/rotated.html", context)

    return [remove_page, remove, secrets_page, rotate, rotated_page]


def name_of(one: Exposure) -> str:
    """The name of a secret's field in the form."""
    return f"{one.secret.kind}:{one.secret.id}"


def _amount(services: Services, request: Request) -> str:
    """A request's amount in the asset's units; in minor units where the asset is not configured any more."""
    asset = services.networks.get(request.network).asset(request.asset)
    return str(request.amount_raw) if asset is None else format_amount(request.amount_raw, asset.decimals)


def _wanted(form: Form) -> list[tuple[Kind, str]]:
    """The secrets that were chosen; unknown kinds are ignored."""
    chosen = (name.partition(":") for name in form.many("secrets"))
    return [(cast(Kind, kind), secret_id) for kind, _, secret_id in chosen if kind in get_args(Kind)]
