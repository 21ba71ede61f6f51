"""What the frame of a signed-in page is told: where one is, where one can go, and what needs to be known at once."""

from dataclasses import dataclass
from typing import Literal

Area = Literal["cabinet", "desk", "account"]

Tone = Literal["neutral", "progress", "positive", "caution", "critical"]

TEST_MODE = "Test"
"""The label of the mode in which nothing is real money: the frame shows it differently from top to bottom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NavItem:
    """One page in the side navigation. `icon` is a name of templates/components/icons.html; `count` shows when > 0."""

    label: str
    href: str
    icon: str
    current: bool = False
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """Something that stays true until somebody does something about it, above every page of the area."""

    text: str
    tone: Tone = "caution"
    title: str = ""
    href: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nav:
    """The frame of one page.

    `title` is the merchant's name or "Operator desk". `groups` are (label, items), the label empty for the first.
    `modes` are (label, href, current); empty where there is no such choice. `merchants_url` leads to the choice of
    merchant, empty for who has none.
    """

    area: Area
    title: str
    groups: tuple[tuple[str, tuple[NavItem, ...]], ...]
    modes: tuple[tuple[str, str, bool], ...] = ()
    merchants_url: str = ""
    banners: tuple[Banner, ...] = ()

    @property
    def is_test(self) -> bool:
        """Whether nothing on this page is real money."""
        return any(label == TEST_MODE and current for label, _, current in self.modes)
