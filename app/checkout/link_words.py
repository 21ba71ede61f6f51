"""The page of a payment link in plain words: what it asks for, or why it can't be paid by."""

from enum import StrEnum
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from app.core.money import group_digits
from app.core.typed_amounts import TypedAmount
from app.payment_links.checking import Unit
from app.payment_links.repository import PublicLink
from app.payment_links.states import LinkStatus
from app.web.languages import Language

LONG_AMOUNT = 14
"""Characters from which an amount is set smaller, as on the checkout page."""


class State(StrEnum):
    """What the page says."""

    OPEN = "open"
    OVER = "over"
    """It was switched off, or its time is up."""
    USED_UP = "used_up"
    STOPPED = "stopped"
    """Its merchant takes no payments."""
    NOT_NOW = "not_now"
    LIMITED = "limited"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"

    @classmethod
    def of(cls, reason: LinkStatus | None) -> "State":
        """What is said for a link's status; None where the merchant takes no payments."""
        match reason:
            case None:
                return cls.STOPPED
            case LinkStatus.OPEN:
                return cls.OPEN
            case LinkStatus.USED_UP:
                return cls.USED_UP
            case LinkStatus.INACTIVE | LinkStatus.EXPIRED:
                return cls.OVER


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A payment link as its customer sees it. Amounts are decimals with their unit, empty where there are none."""

    merchant_name: str
    description: str
    test_mode: bool
    logo_url: str | None
    brand_css_url: str | None
    post_url: str
    key: str
    unit: Unit
    currency: str
    network: str
    """`Tron (TRC-20)`; empty for a price, where the customer chooses."""
    amount: str
    """The fixed amount, without its unit; empty where the customer enters one."""
    min_raw: int | None
    max_raw: int | None
    least: str
    most: str
    state: State
    headline: str
    words: str
    hint: str
    """Between which bounds the amount may be."""
    language: Language
    entered: str = ""
    error: str = ""

    @property
    def amount_length(self) -> str:
        """The size in which the amount is set."""
        return "medium" if len(self.amount) <= LONG_AMOUNT else "long"

    def shown(self, **changes: Any) -> Self:
        """The same page with changes; another state has words of its own."""
        headline, words = say_state(changes.get("state", self.state), self.merchant_name, self.language)
        return replace(self, headline=headline, words=words, **changes)


def link_view(public: PublicLink, unit: Unit, state: State, slug: str, language: Language, key: str) -> LinkView:
    """What the page of `slug` shows in a language. `key` is that of its form."""
    link, brand, page_url = public.link, public.branding, f"/l/{slug}"
    headline, words = say_state(state, public.merchant_name, language)

    def shown(raw: int | None) -> str:
        return "" if raw is None else f"{group_digits(unit.format(raw))} {link.currency}"

    return LinkView(
        merchant_name=public.merchant_name,
        description=link.description or "",
        test_mode=link.mode == "test",
        logo_url=f"{page_url}/logo?v={brand.logo_tag}" if brand.logo_tag else None,
        brand_css_url=f"{page_url}/brand.css?v={brand.accent.lstrip('#')}" if brand.accent else None,
        post_url=f"{page_url}?lang={language.code}",
        key=key,
        unit=unit,
        currency=link.currency,
        network=_network(unit),
        amount="" if link.amount_raw is None else unit.format(link.amount_raw),
        min_raw=link.min_raw,
        max_raw=link.max_raw,
        least=shown(link.min_raw),
        most=shown(link.max_raw),
        state=state,
        headline=headline,
        words=words,
        hint=say_bounds(shown(link.min_raw), shown(link.max_raw), language),
        language=language,
    )


def say_state(state: State, merchant_name: str, language: Language) -> tuple[str, str]:
    """The headline and what follows from it; empty for an open link."""
    _ = language.gettext
    match state:
        case State.OPEN:
            return "", ""
        case State.OVER:
            headline = _("This payment link is no longer in use")
            words = _("Nothing can be paid by it any more. If you have questions, ask %(merchant)s.")
        case State.USED_UP:
            headline = _("This payment link is used up")
            words = _("It takes no more payments. If one that somebody has begun is not made in time, it opens again.")
        case State.STOPPED:
            headline = _("No payments can be made at the moment")
            words = _("%(merchant)s takes no payments at the moment. Nothing was charged.")
        case State.LIMITED:
            headline = _("Too many payments were begun")
            words = _(
                "Many payments were begun from your connection with this link. Please try again in an hour, or finish "
                "one that you have begun."
            )
        case _:
            headline = _("No payments can be made at the moment")
            words = _("Please try again in a few minutes. Nothing was charged.")
    return headline, words % {"merchant": language.isolate(merchant_name)}


def say_bounds(least: str, most: str, language: Language) -> str:
    """Which amounts may be entered."""
    _ = language.gettext
    if least and most:
        words = _("From %(least)s to %(most)s.")
    elif least:
        words = _("At least %(least)s.")
    elif most:
        words = _("At most %(most)s.")
    else:
        return ""
    return words % {"least": language.isolate(least), "most": language.isolate(most)}


def say_bound(problem: State, bound: str, language: Language) -> str:
    """That an amount is too small or too large; `bound` is what would be right, where that is known."""
    _ = language.gettext
    if problem is State.TOO_SMALL:
        words = _("Please enter at least %(amount)s.") if bound else _("This amount is too small to be paid.")
    else:
        words = _("Please enter at most %(amount)s.") if bound else _("This amount is too large to be paid.")
    return words % {"amount": language.isolate(bound)}


def say_amount(view: LinkView, typed: TypedAmount | None, entered: str, language: Language) -> str:
    """Why what was entered is no amount that can be paid."""
    _ = language.gettext
    names: dict[str, object] = {"unit": language.isolate(view.currency)}
    if not entered:
        return _("Please enter an amount.")
    if typed is None:
        return _("Please enter an amount in digits, such as 25.00.")
    if any(unit.upper() != view.currency.upper() for unit in typed.units):
        return _("Please enter an amount in %(unit)s.") % names
    if typed.meanings is not None:
        one, other = typed.meanings
        names |= {name: language.isolate(text) for name, text in (("one", one), ("other", other))}
        return _("Do you mean %(one)s or %(other)s? Please enter it without a mark between thousands.") % names
    if typed.decimal is not None and _places(typed.decimal) > view.unit.places:
        n = view.unit.places
        if n == 0:
            return _("Please enter a whole amount in %(unit)s, without decimal places.") % names
        words = _("Decimal places of an amount in %(unit)s: at most %(n)s.")
        return words % (names | {"n": language.count(n)})
    return _("Please enter an amount in digits, such as 25.00.")


def _places(decimal: str) -> int:
    return len(decimal.partition(".")[2])


def _network(unit: Unit) -> str:
    if unit.network is None or unit.asset is None:
        return ""
    standard = unit.asset.standard
    return f"{unit.network.display_name} ({standard})" if standard else unit.network.display_name
