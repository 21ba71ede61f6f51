"""All pages, each rendered when it is first asked for, and the index of the search over them.

The files come with the code and do not change while it runs, so what was made once is kept.
"""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from app.core import resources
from app.documentation.contents import HOME, Entry, Section, read, sections_of
from app.documentation.page import EXAMPLE_URL, Page
from app.documentation.search import Index

PICTURES = "charts/*.svg"
"""Where pages have them, from the folder of the documentation."""


class Neighbours(NamedTuple):
    """The pages before and after one, in the order of the navigation."""

    before: Entry | None
    after: Entry | None


class Library:
    """The documentation of this version. `public_url` is what samples show as the address of the deployment."""

    def __init__(self, folder: Path = resources.DOCS, public_url: str = EXAMPLE_URL) -> None:
        self._folder = folder
        self._public_url = public_url
        self._pages: dict[str, Page] = {}

    @cached_property
    def sections(self) -> list[Section]:
        """The navigation."""
        return sections_of(read(self._folder, f"{HOME}.md"))

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Each page of the navigation by its slug, in order."""
        return {entry.slug: entry for section in self.sections for entry in section.entries}

    @cached_property
    def index(self) -> Index:
        """What is searched. Making it renders every page, which takes about a second."""
        return Index(
            [self.page(slug) for slug in self.entries],
            {slug: entry.section for slug, entry in self.entries.items()},
        )

    def page(self, slug: str) -> Page:
        """A page of the navigation. Raises KeyError."""
        from app.documentation.markdown import page_of  # noqa: PLC0415 - most web processes render no page of these

        if slug not in self._pages:
            self.entries[slug]
            self._pages[slug] = page_of(slug, self.markdown(slug), self._titles, self._public_url)
        return self._pages[slug]

    def markdown(self, slug: str) -> str:
        """A page as it was written. Raises KeyError."""
        return read(self._folder, self.entries[slug].path)

    @cached_property
    def pictures(self) -> dict[str, bytes]:
        """The pictures of pages, SVG, by their path in the folder: `charts/api.svg`."""
        return {path.relative_to(self._folder).as_posix(): path.read_bytes() for path in self._folder.glob(PICTURES)}

    def neighbours(self, slug: str) -> Neighbours:
        """The pages beside a page of the navigation."""
        order = [*self.entries.values()]
        place = order.index(self.entries[slug])
        return Neighbours(order[place - 1] if place else None, order[place + 1] if place + 1 < len(order) else None)

    @cached_property
    def _titles(self) -> dict[str, str]:
        return {HOME: "Documentation"} | {slug: entry.title for slug, entry in self.entries.items()}
