"""Filters for what pages must show exactly: `figure` for numbers, `exact` for ids, addresses and hashes.

Thousands are set apart by a narrow gap, never by a comma or a point, which mean different things to different readers
(ISO 80000-1, section 7.3). On a page the gap is only style: a copied figure has its digits and nothing
else. Browsers don't translate text that is marked this way.
"""

import re

from markupsafe import Markup, escape

from app.core.money import GROUP_GAP, group_digits

LONG_FIGURE = 16
"""Characters from which a figure may break over lines; a shorter one stays whole."""

_FIGURE = re.compile(r"[+\-−]?[0-9]+(\.[0-9]*)?", re.ASCII)


def figure(number: object) -> Markup:
    """A number or decimal amount as a figure. Anything else is shown as it is: a dash, or a figure already."""
    text = str(number)
    if isinstance(number, Markup) or not _FIGURE.fullmatch(text):
        return escape(number)
    first, *groups = group_digits(text).split(GROUP_GAP)
    kind = " figure--long" if len(text) > LONG_FIGURE else ""
    grouped = "".join([f'<span class="figure__group">{group}</span>' for group in groups])
    return Markup(f'<span class="figure{kind}" translate="no" dir="ltr">{first}{grouped}</span>')  # noqa: S704 - digits


def exact(text: object) -> Markup:
    """An id, address or hash in running text."""
    return Markup('<span class="exact" translate="no" dir="ltr">{}</span>').format(text)
