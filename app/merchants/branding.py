"""How a merchant's pages for customers look: name, accent colour, logo. What is not set looks like the gateway's own.

Only this module writes `merchant_branding`. A customer relies on the page to know whom they pay, so everything is
checked here and served from our own origin (app/web/brand.py).
"""

import re
from datetime import datetime

import msgspec

from app.core.crypto import sha256
from app.core.database import Row
from app.core.errors import ApiError, Code, Problems, invalid
from app.merchants import image_types, repository

MAX_LOGO_BYTES = 100_000
"""It is shown 44 pixels wide."""

MAX_LOGO_PIXELS = 1_024
"""Of each side: a small file can decode to a very large picture in the customer's memory."""

LOGO_SHOWN_PX = 44
"""The side of the square in which pages show it."""

MAX_LOGO_RATIO = 4
"""A logo that is longer than this many times its height (or the other way round) is only a line there."""

MAX_NAME_CHARS = 60

_ACCENT = re.compile(r"#[0-9a-f]{6}", re.ASCII)


class Branding(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant chose; None is the gateway's own. `logo_tag` changes with the logo."""

    display_name: str | None = None
    accent: str | None = None
    logo_tag: str | None = None


class Logo(msgspec.Struct, frozen=True):
    """A logo's bytes, of one of the three types that `image_types` knows."""

    data: bytes
    media_type: str


async def set_branding(
    merchant_id: str, *, display_name: str | None, accent: str | None, logo: bytes | None, now: datetime
) -> Branding:
    """Set all three at once; None takes one away. In the caller's transaction where there is one.

    `accent` is `#rrggbb`. Raises INVALID_INPUT, NOT_FOUND for a merchant that isn't there.
    """
    name, colour, picture = checked(display_name, accent, logo)
    if await repository.find(merchant_id) is None:
        raise ApiError(Code.NOT_FOUND, "no such merchant")
    tag = None if picture is None else sha256(picture.data)
    await repository.set_branding(
        merchant_id,
        display_name=name,
        accent=colour,
        logo=None if picture is None else picture.data,
        logo_type=None if picture is None else picture.media_type,
        logo_digest=tag,
        now=now,
    )
    return Branding(display_name=name, accent=colour, logo_tag=_tag(tag))


async def get(merchant_id: str) -> Branding:
    """A merchant's branding without the logo's bytes; all None where nothing was ever set."""
    row = await repository.branding(merchant_id)
    if row is None:
        return Branding()
    return Branding(display_name=row.display_name, accent=row.accent, logo_tag=_tag(row.logo_digest))


def of_row(row: Row) -> Branding:
    """The branding in a row of `merchant_branding`, all null where there is none."""
    return Branding(display_name=row["display_name"], accent=row["accent"], logo_tag=_tag(row["logo_digest"]))


def advice(data: bytes) -> str:
    """What is wrong with a logo's form, for the merchant; empty where nothing is. It may be used all the same."""
    found = image_types.inspect(data)
    if found is None or not (found.width and found.height):
        return ""
    size = f"The logo is {found.width} × {found.height} pixels"
    longer, shorter = max(found.width, found.height), min(found.width, found.height)
    if longer > MAX_LOGO_RATIO * shorter:
        left = max(1, round(LOGO_SHOWN_PX * shorter / longer))
        return (
            f"{size}. Pages show it in a square of {LOGO_SHOWN_PX} pixels, so only a strip of {left} pixels is left of "
            "it. Upload one that is about as high as wide, such as your sign without the name."
        )
    if longer < LOGO_SHOWN_PX:
        return f"{size}, and pages show it {LOGO_SHOWN_PX} pixels wide, so it looks blurred. Upload a larger one."
    return ""


async def logo(merchant_id: str) -> Logo | None:
    """The logo, or None. The media type is read from the bytes again, whatever wrote them into the table."""
    data = await repository.logo(merchant_id)
    if data is None:
        return None
    found = image_types.inspect(data)
    return None if found is None else Logo(data, found.media_type)


def checked(
    display_name: str | None, accent: str | None, logo: bytes | None
) -> tuple[str | None, str | None, Logo | None]:
    """The three values as they are stored. Raises INVALID_INPUT, with all that is wrong."""
    problems = Problems()
    with problems.gathered():
        name = _checked_name(display_name)
    with problems.gathered():
        colour = _checked_accent(accent)
    with problems.gathered():
        picture = _checked_logo(logo)
    problems.refuse()
    return name, colour, picture


def _checked_name(name: str | None) -> str | None:
    if name is None:
        return None
    name = name.strip()
    # Direction overrides and line breaks could change the text of the page around the name.
    if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise invalid("display_name", f"must have 1 to {MAX_NAME_CHARS} printable characters")
    return name


def _checked_accent(accent: str | None) -> str | None:
    if accent is None:
        return None
    accent = accent.strip().lower()
    if not _ACCENT.fullmatch(accent):
        raise invalid("accent", "must be a colour such as #0d5a63")
    return accent


def _checked_logo(data: bytes | None) -> Logo | None:
    if data is None:
        return None
    if len(data) > MAX_LOGO_BYTES:
        raise invalid("logo", f"must have at most {MAX_LOGO_BYTES // 1000} kB")
    found = image_types.inspect(data)
    if found is None:
        raise invalid("logo", "must be a PNG, JPEG or WebP picture")
    if not (0 < found.width <= MAX_LOGO_PIXELS and 0 < found.height <= MAX_LOGO_PIXELS):
        raise invalid("logo", f"must have at most {MAX_LOGO_PIXELS} pixels on each side")
    return Logo(data, found.media_type)


def _tag(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()[:12]
