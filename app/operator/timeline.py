"""The timeline of an invoice at the desk: a title and a text for each recorded fact.

People's actions are beside it, from the audit log, with names.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import msgspec

from app.core.newer import plain
from app.operator import words
from app.operator.labels import VERDICTS, Tone
from app.reports.timeline import Fact


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `money` is (network, asset, minor units) where money is moved; `href` is the page of its subject."""

    at: datetime
    title: str
    tone: Tone = "neutral"
    text: str = ""
    href: str = ""
    money: tuple[str, str, int] | None = None


_EVENTS: Mapping[str, tuple[str, Tone]] = MappingProxyType(
    {
        "created": ("Created", "neutral"),
        "quoted": ("What to pay with was chosen", "neutral"),
        "confirming": ("A payment was seen", "progress"),
        "paid": ("Paid", "positive"),
        "manual_review": ("In review", "caution"),
        "expired": ("Expired unpaid", "neutral"),
        "cancelled": ("Cancelled", "neutral"),
        "closed": ("Closed without payment", "neutral"),
        "partially_refunded": ("Partly refunded", "caution"),
        "refunded": ("Refunded", "neutral"),
        "reversed": ("A reorganisation removed the payment", "critical"),
    }
)

_DELIVERIES: Mapping[str, tuple[str, Tone]] = MappingProxyType(
    {
        "delivered": ("Webhook delivered", "positive"),
        "pending": ("Webhook not delivered yet", "caution"),
        "dead": ("Webhook given up", "critical"),
    }
)

_ENTRY_KINDS: Mapping[str, str] = MappingProxyType(
    {"invoice_credit": "Credited to the merchant", "deposit_reversal": "Taken back from the merchant"}
)


def entries(facts: Sequence[Fact]) -> list[Entry]:
    """An entry for each fact that is no person's action, in the same order."""
    return [_entry(fact) for fact in facts if fact.source != "audit"]


def _entry(fact: Fact) -> Entry:
    money = None
    if fact.network is not None and fact.asset is not None and fact.amount_raw is not None:
        money = (fact.network, fact.asset, fact.amount_raw)
    page = words.page_of(fact.subject)
    if fact.source == "deposit":
        title = f"Transfer seen: {VERDICTS.get(fact.kind, plain(fact.kind)).lower()}"
        return Entry(at=fact.at, title=title, tone="progress", text=fact.note or "", money=money)
    if fact.source == "ledger":
        title = _ENTRY_KINDS.get(fact.kind, plain(fact.kind))
        return Entry(at=fact.at, title=title, text=f"Entry {fact.note}", money=money)
    if fact.source == "review":
        title = "Review opened" if fact.kind == "opened" else f"Review: {words.state(fact.kind).lower()}"
        return Entry(at=fact.at, title=title, tone="caution" if fact.kind == "opened" else "neutral", href=page)
    if fact.source == "withdrawal":
        noun, _, state = fact.kind.partition(".")
        return Entry(
            at=fact.at, title=f"{noun.capitalize()}: {words.state(state).lower()}", text=fact.subject, href=page
        )
    if fact.source == "delivery":
        title, tone = _DELIVERIES.get(fact.kind, (plain(fact.kind), "neutral"))
        return Entry(at=fact.at, title=title, tone=tone, text=fact.note or "")
    title, tone = _EVENTS.get(fact.kind.partition(".")[2], (plain(fact.kind), "neutral"))
    return Entry(at=fact.at, title=title, tone=tone)
