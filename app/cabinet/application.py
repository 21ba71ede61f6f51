"""The application of a merchant that is not approved: the facts, the decision, and a first or new application."""

from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.cabinet.merchant_picker import check_application, choices, facts_of, form_of
from app.core import clock
from app.identity.form_routes import NoStepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import applications
from app.merchants.applications import COUNTRIES, MONTHLY_VOLUMES
from app.merchants.roles import Permission


def handlers(cabinet: Cabinet) -> list[Any]:
    """`application`."""

    @get("/application", opt=needs(Permission.APPLICATION_WRITE))
    async def application_page(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        newest = (await applications.of_merchant(ctx.merchant_id))[:1]
        form = form_of(ctx.member.merchant_name, newest[0]) if newest else Form.empty(name=ctx.member.merchant_name)
        return await cabinet.page(request, "cabinet/application.html", await _context(request, form))

    @form_post(
        "/application",
        does="Apply",
        step_up=NoStepUp("an operator decides before it opens anything"),
        check=check_application,
        opt=needs(Permission.APPLICATION_WRITE),
    )
    async def apply_again(request: PageRequest) -> Response[Any]:
        form, ctx = await cabinet.identity.read_form(request), context_of(request)
        try:
            await check_application(request, form)
            form.refuse_if_wrong()
            with form.catching():
                await applications.apply_again(ctx.member, facts_of(form), clock.now())
        except FormRefused:
            return await cabinet.refused(request, form, "cabinet/application.html", await _context(request, form))
        return cabinet.identity.redirect(request, ctx.base, flash="Your application was sent.")

    return [application_page, apply_again]


async def _context(request: PageRequest, form: Form) -> dict[str, Any]:
    history = await applications.of_merchant(context_of(request).merchant_id)
    return {"form": form, "history": history, "country_names": COUNTRIES, "volume_names": MONTHLY_VOLUMES, **choices()}
