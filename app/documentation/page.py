"""A rendered page of the documentation: what is shown and what is searched."""

from typing import NamedTuple

from markupsafe import Markup

from app.documentation.contents import HOME

EXAMPLE_URL = "https://pay.example.com"
"""What samples have for the address of a deployment. Its own pages show its own."""


class Heading(NamedTuple):
    """A heading below the title."""

    level: int
    anchor: str
    text: str


class Passage(NamedTuple):
    """What stands between two headings, as plain text, or in a row of a table with an anchor of its own. `anchor` and
    `heading` are empty above the first heading."""

    anchor: str
    heading: str
    text: str


class Page(NamedTuple):
    """A page as it is shown and searched."""

    slug: str
    title: str
    html: Markup
    headings: list[Heading]
    passages: list[Passage]


def address_of(slug: str) -> str:
    """The address of a page."""
    return "/docs" if slug == HOME else f"/docs/{slug}"
