"""The data around a signed-in page's content: navigation, modes and banners."""

from typing import Literal

import msgspec

Area = Literal["cabinet", "desk", "account"]

Tone = Literal["neutral", "progress", "positive", "caution", "critical"]

TEST_MODE = "Test"
"""The label of the mode without real money; the whole frame looks different in it."""


class NavItem(msgspec.Struct, frozen=True, kw_only=True):
    """One page in the side navigation. `icon` is a name of templates/components/icons.html; `count` shows when > 0."""

    label: str
    href: str
    icon: str
    current: bool = False
    count: int = 0


class Banner(msgspec.Struct, frozen=True, kw_only=True):
    """A message above every page of the area, for as long as its cause lasts."""

    text: str
    tone: Tone = "caution"
    title: str = ""
    href: str = ""
    link: str = ""


class Nav(msgspec.Struct, frozen=True, kw_only=True):
    """The frame of one page.

    `title` is the merchant's name or "Operator desk". `groups` are (label, items), the label empty for the first.
    `modes` are (label, href, current); empty where there is no such choice. `merchants_url` is the page that lists
    the person's merchants, empty where there is none. `live_url` is the stream of the area, empty where pages don't
    follow changes; `live_counts` and `live_banners` are the topics of the counts and the banners.
    """

    area: Area
    title: str
    groups: tuple[tuple[str, tuple[NavItem, ...]], ...]
    modes: tuple[tuple[str, str, bool], ...] = ()
    merchants_url: str = ""
    banners: tuple[Banner, ...] = ()
    search_url: str = "/cabinet/search"
    """The page of the search; what it shows while somebody types is below it, at `found`."""
    roles_url: str = ""
    """The page that says what each role may do, empty where there are no roles."""
    live_url: str = ""
    live_counts: str = ""
    live_banners: str = ""

    @property
    def is_test(self) -> bool:
        """Whether this page shows no real money."""
        return any(label == TEST_MODE and current for label, _, current in self.modes)
