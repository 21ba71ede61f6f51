"""A merchant's accent colour as a style sheet: each use is made darker or lighter until it is readable.

A merchant picks one colour, which may be unreadable as small text or on a dark background. So every use of it is
darkened or lightened in small steps until its contrast with its background is at least 4.5 (WCAG 2.2, success
criterion 1.4.3). Every colour gives a readable page.
"""

from collections.abc import Sequence

import msgspec

MIN_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3, level AA, for text of any size."""

STEPS = 50
"""Shades tried between a colour and black or white: a step is too small to be seen."""

Colour = tuple[float, float, float]
"""Red, green, blue in sRGB, each 0 to 1."""

WHITE: Colour = (1.0, 1.0, 1.0)
BLACK: Colour = (0.0, 0.0, 0.0)

# Backgrounds of the accent, and colours on top of it: the values of static/css/swap-pay.css, which a test compares.
LIGHT_SURFACES = ("#fffefb", "#f4f2ec", "#f7f5ef")
DARK_SURFACES = ("#111b1e", "#0a1113", "#0d1619")
ON_SLIP = ("#f0f8f6", "#f6cf86")


class Ink(msgspec.Struct, frozen=True):
    """An accent as one colour scheme uses it for text and lines. `contrast` is its lowest with any background."""

    colour: str
    contrast: float
    is_moved: bool


def style_sheet(accent: str) -> str:
    """The CSS for an accent `#rrggbb`, to follow the page's own sheets."""
    colour = parse(accent)
    dark = f"@media (prefers-color-scheme: dark) {{ :root {{{_dark(colour)}}} }}"
    return f":root {{{_light(colour)}}}\n{dark}\n"


def preview_sheet(accent: str) -> str:
    """The CSS for an accent `#rrggbb` in the two parts of a page that show it on light and on dark, whatever the
    reader's own scheme is."""
    colour = parse(accent)
    return f".preview--light {{{_light(colour)}}}\n.preview--dark {{{_dark(colour)}}}\n"


def inks(accent: str) -> tuple[Ink, Ink]:
    """The readable forms of an accent `#rrggbb` on a light and on a dark background."""
    colour = parse(accent)
    return _ink_with_contrast(colour, *_light_ink(colour)), _ink_with_contrast(colour, *_dark_ink(colour))


def _ink_with_contrast(accent: Colour, ink: Colour, backgrounds: Sequence[Colour]) -> Ink:
    return Ink(to_hex(ink), min(contrast(ink, background) for background in backgrounds), ink != accent)


def _light_ink(accent: Colour) -> tuple[Colour, list[Colour]]:
    """The accent, dark enough for the light scheme, and its backgrounds; the last one is a light tint of the accent."""
    surfaces = [parse(surface) for surface in LIGHT_SURFACES]
    backgrounds = [*surfaces, mix(accent, surfaces[0], 0.9)]
    return legible(accent, on=backgrounds, towards=BLACK), backgrounds


def _dark_ink(accent: Colour) -> tuple[Colour, list[Colour]]:
    """The accent, light enough for the dark scheme, and its backgrounds; the last one is a dark tint of the accent."""
    surfaces = [parse(surface) for surface in DARK_SURFACES]
    wash = mix(accent, surfaces[0], 0.82)
    if luminance(wash) > luminance(parse("#22383d")):
        wash = mix(wash, surfaces[0], 0.5)
    backgrounds = [*surfaces, wash]
    return legible(accent, on=backgrounds, towards=WHITE), backgrounds


def _light(accent: Colour) -> str:
    ink, (*_, wash) = _light_ink(accent)
    return _declarations(
        {
            "petrol": ink,
            "petrol-hover": mix(ink, BLACK, 0.2),
            "petrol-wash": wash,
            "on-petrol": WHITE,  # a colour that is dark enough on white is dark enough under white text
            "focus": ink,
            **_slip(accent, 0.25),
        }
    )


def _dark(accent: Colour) -> str:
    ink, (*_, wash) = _dark_ink(accent)
    return _declarations(
        {
            "petrol": ink,
            "petrol-hover": mix(ink, WHITE, 0.25),
            "petrol-wash": wash,
            "on-petrol": legible(mix(accent, BLACK, 0.8), on=[ink], towards=BLACK),
            "focus": ink,
            **_slip(accent, 0.45),
        }
    )


def _slip(accent: Colour, shade: float) -> dict[str, Colour]:
    """The colours of the panel that shows the amount in near-white and its last digits in gold."""
    start = legible(mix(accent, BLACK, shade / 2), on=[parse(ink) for ink in ON_SLIP], towards=BLACK)
    end = mix(start, BLACK, 0.35)
    soft = legible(mix(start, WHITE, 0.68), on=[start, end], towards=WHITE)
    return {"slip-from": start, "slip-to": end, "slip-ink-soft": soft}


def legible(colour: Colour, *, on: Sequence[Colour], towards: Colour) -> Colour:
    """The colour nearest to `colour` on the way to black or white that has enough contrast with all of `on`."""
    for step in range(STEPS + 1):
        tried = mix(colour, towards, step / STEPS)
        if all(contrast(tried, background) >= MIN_CONTRAST for background in on):
            return tried
    return towards


def contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Colour) -> float:
    """The relative luminance, 0 to 1 (WCAG 2.2, "relative luminance")."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with a `share` of `other` in it, 0 to 1, in the 8 bits that a browser gets.

    Rounding later would cost the last hundredth of contrast.
    """
    red, green, blue = (mine * (1 - share) + theirs * share for mine, theirs in zip(colour, other, strict=True))
    return parse(to_hex((red, green, blue)))


def parse(text: str) -> Colour:
    """A colour from `#rrggbb`. Raises ValueError for anything else."""
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red / 255, green / 255, blue / 255


def to_hex(colour: Colour) -> str:
    """`#rrggbb`, the nearest of 16.8 million."""
    return "#" + bytes(round(part * 255) for part in colour).hex()


def _declarations(colours: dict[str, Colour]) -> str:
    return " ".join(f"--{name}: {to_hex(colour)};" for name, colour in colours.items())
