"""Settings: who pays the fee, whether an invoice may be paid in parts, and how the merchant's pages look to customers,
seen before it is saved.
"""

import re
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.forms import one_of
from app.cabinet.guard import needs
from app.core import clock
from app.core.errors import ApiError, Code
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.identity import PageRequest
from app.merchants import branding, settings
from app.merchants.branding import MAX_LOGO_BYTES, MAX_LOGO_PIXELS, MAX_NAME_CHARS
from app.merchants.roles import Permission
from app.web import brand
from app.web.brand import MIN_CONTRAST, Ink

DEFAULT_ACCENT = "#0d5a63"
"""The gateway's own accent: the colour field shows it while none is chosen."""

PREVIEWED = ("display_name", "own_accent", "accent")
"""The fields that the preview shows. A chosen logo is drawn by `branding.js`, since it is sent only to be saved."""

_ACCENT = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What the preview shows. `inks` are the accent on a light and on a dark background; empty without an accent."""

    name: str
    accent: str
    inks: tuple[Ink, ...]
    logo_url: str
    advice: str
    """What is wrong with the logo's form; empty where nothing is."""

    @property
    def css_query(self) -> str:
        """The accent as part of its style sheet's URL."""
        return self.accent.removeprefix("#")


def handlers(cabinet: Cabinet) -> list[Any]:
    """`settings`, `settings/branding`, `settings/preview`, its sheet, and the logo as it is."""
    identity = cabinet.identity

    async def branding_context(request: PageRequest, form: Form) -> dict[str, Any]:
        ctx = context_of(request)
        now = await branding.get(ctx.merchant_id)
        return {
            "form": form,
            "branding": now,
            "preview": await preview_of(form, ctx.merchant_id, now.logo_tag),
            "max_logo_kb": MAX_LOGO_BYTES // 1000,
            "max_logo_pixels": MAX_LOGO_PIXELS,
            "max_name_chars": MAX_NAME_CHARS,
            "logo_shown_px": branding.LOGO_SHOWN_PX,
            "max_logo_ratio": branding.MAX_LOGO_RATIO,
            "min_contrast": MIN_CONTRAST,
        }

    async def overview_context(merchant_id: str) -> dict[str, Any]:
        return {
            "branding": await branding.get(merchant_id),
            "prices": await settings.price_terms(merchant_id),
            "payer": await settings.fee_payer(merchant_id),
            "accepts_parts": await settings.accepts_parts(merchant_id),
            "frame_origins": await settings.frame_origins_of(merchant_id),
            "return_rule": await settings.return_rule(merchant_id),
        }

    async def preview_of(form: Form, merchant_id: str, logo_tag: str | None) -> Preview:
        sent = form.files.get("logo")
        data = sent.data if sent is not None and sent.data else None
        if data is None and logo_tag is not None:
            kept = await branding.logo(merchant_id)
            data = kept.data if kept is not None else None
        accent = form.text("accent").lower()
        accent = accent if _ACCENT.fullmatch(accent) and form.text("own_accent") != "no" else ""
        return Preview(
            name=form.text("display_name")[:MAX_NAME_CHARS],
            accent=accent,
            inks=brand.inks(accent) if accent else (),
            logo_url=logo_tag or "",
            advice=branding.advice(data) if data is not None else "",
        )

    @get("/settings", opt=needs(Permission.SETTINGS_VIEW))
    async def overview(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        context = await overview_context(ctx.merchant_id)
        context["form"] = Form.empty(
            fee_payer=context["payer"], accept_parts="yes" if context["accepts_parts"] else "no"
        )
        return await cabinet.page(request, "cabinet/settings/overview.html", context)

    @form_post(
        "/settings", does="Change who pays the fee", step_up=StepUp.FRESH_CODE, opt=needs(Permission.SETTINGS_MANAGE)
    )
    async def set_terms(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        try:
            with form.gathering():
                settings.check_invoice_terms(form.text("fee_payer"), form.text("accept_parts"))
            await identity.require_fresh_code(request, form)
            with form.catching():
                await settings.set_invoice_terms(
                    ctx.member, payer=form.text("fee_payer"), parts=form.text("accept_parts"), now=clock.now()
                )
        except FormRefused:
            context = await overview_context(ctx.merchant_id)
            return await cabinet.refused(request, form, "cabinet/settings/overview.html", context)
        return identity.redirect(request, ctx.path("settings"), flash="Saved. It applies from the next invoice on.")

    @get("/settings/branding", opt=needs(Permission.SETTINGS_MANAGE))
    async def branding_page(request: PageRequest) -> Response[Any]:
        now = await branding.get(context_of(request).merchant_id)
        form = Form.empty(
            display_name=now.display_name or "",
            own_accent="yes" if now.accent else "no",
            accent=now.accent or DEFAULT_ACCENT,
        )
        return await cabinet.page(request, "cabinet/settings/branding.html", await branding_context(request, form))

    @get("/settings/preview", opt=needs(Permission.SETTINGS_MANAGE))
    async def preview(request: PageRequest) -> Response[Any]:
        """The preview alone, for htmx."""
        ctx = context_of(request)
        now = await branding.get(ctx.merchant_id)
        form = Form.empty(**{name: request.query_params.get(name, "") for name in PREVIEWED})
        shown = await preview_of(form, ctx.merchant_id, now.logo_tag)
        context = {"ctx": ctx, "preview": shown, "min_contrast": MIN_CONTRAST}
        return identity.page(request, "cabinet/settings/_preview.html", context)

    @get("/settings/accent/{colour:str}", opt=needs(Permission.SETTINGS_VIEW))
    async def accent_sheet(colour: str) -> Response[bytes]:
        """The style sheet of an accent, only for the preview."""
        if not _ACCENT.fullmatch(f"#{colour}"):
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        sheet = brand.preview_sheet(f"#{colour}")
        return Response(sheet.encode(), media_type="text/css; charset=utf-8")

    @get("/settings/logo", opt=needs(Permission.SETTINGS_VIEW))
    async def logo(request: PageRequest) -> Response[bytes]:
        found = await branding.logo(context_of(request).merchant_id)
        if found is None:
            raise ApiError(Code.NOT_FOUND, "there is no logo")
        return Response(found.data, media_type=found.media_type)

    async def check_branding(request: PageRequest, form: Form) -> None:
        _chosen(form, None)

    @form_post(
        "/settings/branding",
        does="Change the payment page",
        step_up=StepUp.FRESH_CODE,
        check=check_branding,
        opt=needs(Permission.SETTINGS_MANAGE),
    )
    async def set_branding(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        if form.text("then") == "preview":  # without a script; a file is sent again when it is to be saved
            return await cabinet.page(request, "cabinet/settings/branding.html", await branding_context(request, form))
        try:
            picture = await _logo(form, ctx.merchant_id)
            chosen = _chosen(form, picture)
            await identity.require_fresh_code(request, form)
            with form.catching():
                await settings.set_branding(ctx.member, **chosen, now=clock.now())
        except FormRefused:
            context = await branding_context(request, form)
            return await cabinet.refused(request, form, "cabinet/settings/branding.html", context)
        if picture is not None and (advice := branding.advice(picture)):
            return identity.redirect(request, ctx.path("settings/branding"), flash=f"Saved. {advice}", tone="caution")
        return identity.redirect(request, ctx.path("settings"), flash="Saved. Customers see it from now on.")

    return [overview, set_terms, branding_page, preview, accent_sheet, logo, set_branding]


def _chosen(form: Form, logo: bytes | None) -> dict[str, Any]:
    """The name, colour and logo in the form. Records what is wrong with them."""
    own = one_of(form, "own_accent", ("yes", "no"), "Choose whose colour the page has.")
    chosen: dict[str, Any] = {
        "display_name": form.text("display_name") or None,
        "accent": form.text("accent") if own == "yes" else None,
        "logo": logo,
    }
    with form.gathering():
        branding.checked(**chosen)
    return chosen


async def _logo(form: Form, merchant_id: str) -> bytes | None:
    """The uploaded logo, else the current one, unless the form removes it."""
    sent = form.files.get("logo")
    if sent is not None and sent.data:
        return sent.data
    if form.has("remove_logo"):
        return None
    current = await branding.logo(merchant_id)
    return None if current is None else current.data
