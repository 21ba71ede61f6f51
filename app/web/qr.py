"""A URI as a QR code: an inline `<svg>` that the strict CSP lets through and any camera reads."""

from functools import lru_cache
from io import BytesIO
from typing import Any

import segno
from markupsafe import Markup

QUIET_ZONE_MODULES = 4
"""The light margin that a reader needs (ISO/IEC 18004, section 6.3.8)."""

DARK = "#0b1f24"
LIGHT = "#fff"
"""Part of the image, not of the style: dark on light in dark mode too, since many readers accept nothing else."""


MASK = 2
"""The mask that ISO/IEC 18004, section 7.8.3 picks for six of seven of our URIs (12 of 14 random EIP-681 ones), and
near the best for the others. Trying all eight for each code takes 5 ms, five times as long as all the rest."""

CODES_KEPT = 1_024
"""Codes that a process remembers, some 6 KB each: drawing one takes 2 ms, and a page asks for its own many times."""


@lru_cache(maxsize=CODES_KEPT)
def payment_qr(text: str, *, label: str) -> Markup:
    """`qr` of a payment, remembered."""
    return qr(text, label=label)


@lru_cache(maxsize=CODES_KEPT)
def qr_image(uri: str) -> bytes:
    """`uri` as an SVG file, for an `<img>` with words of its own. Raises `segno.DataOverflowError`, as `qr` does."""
    drawing = BytesIO()
    code = _code(uri)
    code.save(drawing, kind="svg", border=QUIET_ZONE_MODULES, dark=DARK, light=LIGHT, omitsize=True, xmldecl=False)
    return drawing.getvalue()


def qr(uri: str, *, label: str) -> Markup:
    """`uri` as an `<svg>` without styles, as large as its box; screen readers say `label`.

    Error correction M survives a scratched screen and keeps the modules of a long EIP-681 URI large enough
    for a phone. Capitals and digits before a `?` take less room in a part of their own. Raises
    `segno.DataOverflowError` beyond 2,331 bytes, ten times the longest URI that we make.
    """
    drawing = _code(uri).svg_inline(
        border=QUIET_ZONE_MODULES, dark=DARK, light=LIGHT, omitsize=True, svgclass="qr", lineclass=None
    )
    named = Markup('<svg role="img" aria-label="{}" shape-rendering="crispEdges" ').format(label)
    return named + Markup(drawing.removeprefix("<svg "))  # noqa: S704 – segno's own markup, no foreign text in it


def _code(uri: str) -> segno.QRCode:
    head, mark, query = uri.partition("?")
    parts: Any = [head, mark + query] if mark and head == head.upper() else uri
    return segno.make_qr(parts, error="m", boost_error=False, mask=MASK)
