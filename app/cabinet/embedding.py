"""Settings of embedding: whose pages may show the merchant's payment page in a frame."""

from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.core import clock
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import settings
from app.merchants.frame_origins import MAX_CHARS, MAX_ORIGINS, checked
from app.merchants.roles import Permission

TEMPLATE = "cabinet/settings/embedding.html"


def handlers(cabinet: Cabinet) -> list[Any]:
    """`settings/embedding`."""
    identity = cabinet.identity

    def context(ctx: MemberContext, form: Form) -> dict[str, Any]:
        return {
            "form": form,
            "max_origins": MAX_ORIGINS,
            "max_chars": MAX_ORIGINS * (MAX_CHARS + 1),
            "script_url": f"{cabinet.services.settings.public_url}/embed.js",
        }

    @get("/settings/embedding", opt=needs(Permission.SETTINGS_MANAGE))
    async def embedding(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        form = Form.empty(frame_origins="\n".join(await settings.frame_origins_of(ctx.merchant_id)))
        return await cabinet.page(request, TEMPLATE, context(ctx, form))

    async def check(request: PageRequest, form: Form) -> None:
        with form.gathering():
            checked(form.text("frame_origins").split())

    @form_post(
        "/settings/embedding",
        does="Change who may embed the payment page",
        step_up=StepUp.FRESH_CODE,
        check=check,
        opt=needs(Permission.SETTINGS_MANAGE),
    )
    async def set_origins(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            await check(request, form)
            await identity.require_fresh_code(request, form)
            with form.catching():
                await settings.set_frame_origins(ctx.member, form.text("frame_origins").split(), clock.now())
        except FormRefused:
            return await cabinet.refused(request, form, TEMPLATE, context(ctx, form))
        return identity.redirect(request, ctx.path("settings"), flash="Saved. It applies from the next page load on.")

    return [embedding, set_origins]
