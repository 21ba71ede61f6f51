"""Which pages there are, in which order: the lists of `docs/README.md`."""

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

HOME = "README"
"""The name of the file whose lists are the navigation. It is the first page, too."""

_SECTION = re.compile(r"^## (.+)$")
_ENTRY = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<path>[A-Za-z0-9./-]+\.md)\)(?:: (?P<summary>.+))?$")


class Entry(NamedTuple):
    """A page in the navigation. `slug` is the end of its address, `path` its file's, from the folder `docs`."""

    slug: str
    path: str
    title: str
    summary: str
    section: str


class Section(NamedTuple):
    """Pages that belong together."""

    title: str
    entries: list[Entry]


def sections_of(home: str) -> list[Section]:
    """The sections of `docs/README.md`, given as text: each level-two heading with a list of pages below it.

    An item is one line: `- [Title](file.md): what it is about`. Anything else is for readers alone.
    """
    found: list[Section] = []
    for line in home.splitlines():
        if heading := _SECTION.match(line):
            found.append(Section(heading[1], []))
        elif (entry := _ENTRY.match(line)) and found:
            section = found[-1]
            path = entry["path"]
            section.entries.append(Entry(slug_of(path), path, entry["title"], entry["summary"] or "", section.title))
    return [section for section in found if section.entries]


def slug_of(path: str) -> str:
    """The end of a page's address: its file's name without `.md`; for a README elsewhere, its folder's name."""
    file = PurePosixPath(path)
    return file.parent.name if file.stem == HOME and file.parent.name else file.stem


def read(folder: Path, path: str) -> str:
    """The Markdown of a page. Raises FileNotFoundError."""
    return (folder / path).read_text()
