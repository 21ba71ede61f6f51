"""The merchant's colour and logo, for its pages for customers."""

from litestar import Response

from app.core.errors import ApiError, Code
from app.merchants import branding
from app.web import brand

BRAND_MAX_AGE_S = 3600
"""Changed branding has a new address, so browsers may cache it."""

BRAND_CACHE = {"Cache-Control": f"private, max-age={BRAND_MAX_AGE_S}"}

LOGO_HEADERS = BRAND_CACHE | {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Content-Disposition": "inline; filename=logo",
}
"""Bytes that a merchant chose, on our origin: browsers run no script in them."""


def brand_css(accent: str | None) -> Response[bytes]:
    """The style sheet of the merchant's colour. Raises NOT_FOUND where it has none."""
    if accent is None:
        raise ApiError(Code.NOT_FOUND, "there is nothing here")
    return Response(brand.style_sheet(accent).encode(), media_type="text/css", headers=BRAND_CACHE)


async def logo(merchant_id: str) -> Response[bytes]:
    """The merchant's logo. Raises NOT_FOUND where it has none."""
    picture = await branding.logo(merchant_id)
    if picture is None:
        raise ApiError(Code.NOT_FOUND, "there is nothing here")
    return Response(picture.data, media_type=picture.media_type, headers=LOGO_HEADERS)
