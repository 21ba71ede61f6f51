"""Figures, ids and codes on pages: grouped in one way, and out of reach of translators and telephone detection."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from app.core import resources
from app.core.money import GROUP_GAP, group_digits
from app.web.figures import LONG_FIGURE, exact, figure
from app.web.pages import Pages

TEMPLATES = sorted(resources.TEMPLATES.rglob("*.html"))

NEVER_TRANSLATED = re.compile(r'<(?:code|[a-z]+ class="(?:[a-z_-]+ )*(?:id|sum|money|amount|hash)(?: [^"]*)?")[^>]*>')


@pytest.mark.parametrize(
    ("number", "grouped"),
    [
        ("0", "0"),
        ("999.5", "999.5"),
        ("1000", "1 000"),
        ("1250.50", "1 250.50"),
        ("-12345678.000000000000000001", "-12 345 678.000000000000000001"),
        ("+1000000", "+1 000 000"),
        (1_000, "1 000"),
        ("1000.", "1 000."),
    ],
)
def test_thousands_stand_apart(number: str | int, grouped: str) -> None:
    assert group_digits(number) == grouped.replace(" ", GROUP_GAP)


@given(st.from_regex(r"[+-]?[0-9]{1,40}(\.[0-9]{0,18})?", fullmatch=True))
def test_what_is_copied_from_a_page_is_the_figure_itself(number: str) -> None:
    shown = figure(number)
    assert Markup(shown).striptags() == number
    assert 'translate="no"' in shown
    assert ("figure--long" in shown) == (len(number) > LONG_FIGURE)
    assert group_digits(number).replace(GROUP_GAP, "") == number
    assert figure(shown) == shown


@pytest.mark.parametrize("text", ["", "–", "99.9 %", "1,250.00", "<b>"])
def test_what_is_no_figure_stays_as_it_is(text: str) -> None:
    assert figure(text) == Markup.escape(text)


def test_an_id_is_marked() -> None:
    assert exact("INV-<1>") == '<span class="exact" translate="no" dir="ltr">INV-&lt;1&gt;</span>'


def test_no_template_lets_a_code_or_amount_be_translated() -> None:
    """Thousands are set apart by the filter `figure`."""
    texts = {str(path.relative_to(resources.TEMPLATES)): path.read_text() for path in TEMPLATES}
    tags = [(name, tag) for name, text in texts.items() for tag in NEVER_TRANSLATED.findall(text)]
    assert tags
    assert [found for found in tags if 'translate="no"' not in found[1]] == []
    assert [name for name, text in texts.items() if "{:," in text] == []


def test_no_page_makes_digits_a_telephone_number() -> None:
    page = Pages().render("errors/404.html", {"request_id": ""})
    assert '<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">' in page
