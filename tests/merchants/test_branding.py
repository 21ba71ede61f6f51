"""Merchants' branding: what is stored, and what is refused on our pages."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import clock, database
from app.core.errors import ApiError
from app.core.resources import STATIC
from app.merchants import branding
from app.merchants.branding import Branding
from app.merchants.image_types import Raster, inspect
from app.web import brand
from tests.checkout.pictures import JPEG, NO_PICTURES, PNG, WEBP, png
from tests.factories.merchants import merchant


async def test_branding_is_stored_changed_and_deleted(db: str) -> None:
    who = await merchant()
    assert await branding.get(who) == Branding()
    made = await branding.set_branding(who, display_name=" Nordlicht ", accent="#E4572E", logo=PNG, now=clock.now())
    assert (made.display_name, made.accent) == ("Nordlicht", "#e4572e")
    assert await branding.get(who) == made
    kept = await branding.logo(who)
    assert kept is not None
    assert (kept.data, kept.media_type) == (PNG, "image/png")

    other = await branding.set_branding(who, display_name=None, accent=None, logo=WEBP, now=clock.now())
    assert other.logo_tag != made.logo_tag
    assert await branding.set_branding(who, display_name=None, accent=None, logo=None, now=clock.now()) == Branding()
    assert await branding.logo(who) is None


def test_pictures_are_known_by_their_bytes() -> None:
    assert inspect(png(300, 20)) == Raster("image/png", 300, 20)
    assert inspect(JPEG) == Raster("image/jpeg", 64, 48)
    assert inspect(WEBP) == Raster("image/webp", 1, 1)


@pytest.mark.parametrize("what", NO_PICTURES)
async def test_what_is_no_picture_is_refused_and_never_served(db: str, what: str) -> None:
    who = await merchant()
    with pytest.raises(ApiError, match="logo"):
        await branding.set_branding(who, display_name=None, accent=None, logo=NO_PICTURES[what], now=clock.now())
    await database.execute(
        "INSERT INTO merchant_branding (merchant, logo, logo_type, logo_digest, updated_at)"
        " VALUES ($1, $2, 'image/png', '', $3)",
        who,
        NO_PICTURES[what],
        clock.now(),
    )
    assert await branding.logo(who) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("logo", PNG + b"\0" * 100_000),
        ("logo", png(1_025, 10)),
        ("accent", "red"),
        ("accent", "#fff"),
        ("accent", "#e4572e;}*{display:none"),
        ("display_name", ""),
        ("display_name", "x" * 61),
        ("display_name", "Bank\u202etoN"),
        ("display_name", "two\nlines"),
    ],
)
async def test_misleading_branding_is_refused(db: str, field: str, value: object) -> None:
    fields = {"display_name": None, "accent": None, "logo": None, field: value}
    with pytest.raises(ApiError, match=field):
        await branding.set_branding(await merchant(), **fields, now=clock.now())  # type: ignore[arg-type]


@given(accent=st.from_regex(r"\A#[0-9a-f]{6}\Z"))
def test_any_accent_can_be_read_in_light_and_dark(accent: str) -> None:
    light, dark = brand.style_sheet(accent).split("@media")
    for sheet, surfaces in ((light, brand.LIGHT_SURFACES), (dark, brand.DARK_SURFACES)):
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", sheet))
        pairs = [(colours["petrol"], surface) for surface in (*surfaces, colours["petrol-wash"])]
        pairs += [(colours["on-petrol"], colours["petrol"]), (colours["on-petrol"], colours["petrol-hover"])]
        for end in ("slip-from", "slip-to"):
            pairs += [(ink, colours[end]) for ink in (*brand.ON_SLIP, colours["slip-ink-soft"])]
        for ink, background in pairs:
            assert brand.contrast(brand.parse(ink), brand.parse(background)) >= 4.5, (ink, background)


def test_the_accent_is_measured_against_the_colours_that_the_sheet_has() -> None:
    light, dark = (STATIC / "css" / "swap-pay.css").read_text().split("@media (prefers-color-scheme: dark)")[:2]

    def values(sheet: str, *names: str) -> tuple[str, ...]:
        return tuple(re.search(rf"--{name}: (#\w+);", sheet)[1] for name in names)  # type: ignore[index]

    assert values(light, "surface", "paper", "sunken") == brand.LIGHT_SURFACES
    assert values(dark, "surface", "paper", "sunken") == brand.DARK_SURFACES
    assert values(light, "slip-ink", "gold") == brand.ON_SLIP


def test_the_previews_have_the_colours_of_the_pages() -> None:
    light, dark = (STATIC / "css" / "swap-pay.css").read_text().split("@media (prefers-color-scheme: dark)")[:2]
    previews = (STATIC / "css" / "branding.css").read_text().split(".preview--light {")[1].split(".preview--dark {")

    def values(sheet: str) -> dict[str, str]:
        return dict(re.findall(r"--([a-z-]+): (#\w+);", sheet))

    for preview, sheet in zip(previews, (values(light), values(light) | values(dark)), strict=True):
        chosen = values(preview)
        assert len(chosen) == 11
        assert chosen == {name: sheet[name] for name in chosen}


def test_a_logo_that_would_be_a_line_is_advised_against() -> None:
    assert "1024 × 24" in branding.advice(png(1024, 24))
    assert "only a strip of 4 pixels" in branding.advice(png(60, 600))
    assert "blurred" in branding.advice(png(16, 16))
    assert [branding.advice(data) for data in (png(96, 96), png(176, 44), b"no picture")] == ["", "", ""]
