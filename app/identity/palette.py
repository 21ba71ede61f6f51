"""What a search shows, the same in the cabinet and at the desk: groups of things to go to."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from app.identity.nav import Nav


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """Something to go to. `detail` stands below `label`; `state` is (name, words) where it has one, `amount` a decimal
    with its unit."""

    label: str
    href: str
    icon: str
    detail: str = ""
    amount: tuple[str, str] | None = None
    state: tuple[str, str] | None = None
    at: datetime | None = None
    """The day that is shown behind the detail."""
    words: str = ""
    """Further words by which a page is found; they are not shown."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Hits of one kind. `more` is the list with all of them, "" where these are all."""

    label: str
    hits: Sequence[Hit]
    more: str = ""


def pages_of(nav: Nav) -> list[Hit]:
    """The pages of the navigation; it has only those that the person may see."""
    return [
        Hit(label=item.label, href=item.href, icon=item.icon, words=label)
        for label, items in nav.groups
        for item in items
    ]


def matching(places: Iterable[Hit], text: str) -> list[Hit]:
    """The places in whose words each word of the text begins one; all of them for no text."""
    asked = text.lower().split()
    return [place for place in places if all(any(has.startswith(word) for has in _words(place)) for word in asked)]


def groups(*some: Group) -> list[Group]:
    """The groups that have something."""
    return [group for group in some if group.hits]


def count_of(found: Iterable[Group]) -> int:
    """How many hits the groups have together."""
    return sum(len(group.hits) for group in found)


def _words(place: Hit) -> list[str]:
    return f"{place.label} {place.detail} {place.words}".lower().split()
