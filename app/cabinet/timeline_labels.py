"""The timeline on the page of an invoice, payout or refund: a title and text for each fact."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import msgspec

from app.cabinet import labels
from app.cabinet.context import MemberContext
from app.core.money import group_digits
from app.core.newer import plain
from app.merchants.roles import Permission
from app.networks.registry import Networks
from app.reports.timeline import Fact


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a timeline. `href` is the page of its subject, empty where there is none."""

    at: datetime
    title: str
    text: str = ""
    tone: str = "neutral"
    href: str = ""
    mark: str = "info"


_EVENTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "created": ("Invoice created", "neutral"),
        "quoted": ("What to pay with was chosen", "neutral"),
        "confirming": ("Payment seen, waiting for confirmations", "progress"),
        "paid": ("Paid", "positive"),
        "manual_review": ("In review: an operator looks into it", "caution"),
        "expired": ("Expired unpaid", "neutral"),
        "cancelled": ("Cancelled", "neutral"),
        "closed": ("Closed without payment", "neutral"),
        "partially_refunded": ("Partly refunded", "caution"),
        "refunded": ("Refunded", "neutral"),
        "reversed": ("Payment removed by a reorganisation", "critical"),
    }
)

_STEPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "pending_approval": ("requested", "caution"),
        "approved": ("approved by the gateway", "progress"),
        "submitted": ("sent to the chain", "progress"),
        "confirmed": ("confirmed on chain", "positive"),
        "rejected": ("rejected", "critical"),
        "failed": ("failed", "critical"),
        "cancelled": ("cancelled", "neutral"),
    }
)

_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "invoice.created": "Created in the cabinet",
        "invoice.cancelled": "Cancelled in the cabinet",
        "payout.requested": "Requested in the cabinet",
        "payout.cancelled": "Cancelled in the cabinet",
        "refund.requested": "Requested in the cabinet",
        "withdrawal.approved": "First approval; it needs a second one",
        "withdrawal.rejected": "Rejected",
    }
)

_DELIVERIES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "delivered": ("Webhook delivered", "positive"),
        "pending": ("Webhook not delivered yet", "caution"),
        "dead": ("Webhook given up", "critical"),
    }
)


def entries(facts: Sequence[Fact], networks: Networks, ctx: MemberContext) -> list[TimelineEntry]:
    """An entry for each fact that the member may see, in the same order: deliveries name the endpoints."""
    seen = [fact for fact in facts if fact.source != "delivery" or ctx.may(Permission.WEBHOOKS_VIEW)]
    return [_MADE[fact.source](fact, networks, ctx) for fact in seen]


_GONE = {
    "reorganised": "removed by a reorganisation",
    "replaced": "replaced by another transaction",
    "dropped": "dropped by the network",
}


def _deposit(fact: Fact, networks: Networks, _: MemberContext) -> TimelineEntry:
    title = "Transfer seen on chain, waiting for confirmations"
    if fact.kind in _GONE:
        title = f"Transfer seen, then {_GONE[fact.kind]}"
    elif fact.kind != "exact":
        title = f"Transfer seen: {labels.VERDICTS[fact.kind].lower()}"
    tone = {"exact": "progress", "part": "progress", "dust": "neutral"}.get(fact.kind, "caution")
    return TimelineEntry(
        at=fact.at, title=title, text=f"{_money(fact, networks)} · {_short(fact.note or '')}", tone=tone, mark="link"
    )


def _ledger(fact: Fact, networks: Networks, ctx: MemberContext) -> TimelineEntry:
    assert fact.network is not None, "entries are of a ledger"
    chain = fact.network.partition(":")[0]
    return TimelineEntry(
        at=fact.at,
        title=labels.entry_kind(fact.kind),
        text=f"{_money(fact, networks, signed=True)} · ledger entry {fact.note}",
        tone="positive" if fact.kind == "invoice_credit" else "neutral",
        href=ctx.path("ledger", f"{fact.asset}@{chain}", fact.note or "") if ctx.may(Permission.BOOKS_VIEW) else "",
        mark="ledger",
    )


def _review(fact: Fact, _: Networks, ctx: MemberContext) -> TimelineEntry:
    if fact.kind == "opened":
        why = labels.VERDICTS.get(fact.note or "", "")
        return TimelineEntry(
            at=fact.at,
            title="In review: an operator looks into it",
            text=why,
            tone="caution",
            href=ctx.path("reviews"),
            mark="eye",
        )
    title = f"Review settled: {labels.OUTCOMES[fact.kind].lower()}"
    return TimelineEntry(
        at=fact.at, title=title, text=fact.note or "", tone="neutral", href=ctx.path("reviews"), mark="eye"
    )


def _event(fact: Fact, _networks: Networks, _ctx: MemberContext) -> TimelineEntry:
    title, tone = _EVENTS.get(fact.kind.partition(".")[2]) or (plain(fact.kind), "neutral")
    return TimelineEntry(at=fact.at, title=title, text=f"by {fact.who}" if fact.who else "", tone=tone, mark="event")


def _withdrawal(fact: Fact, _networks: Networks, ctx: MemberContext) -> TimelineEntry:
    noun, _, step = fact.kind.partition(".")
    step_label, tone = _STEPS.get(step) or (plain(step).lower(), "neutral")
    is_seen = noun == "refund" or ctx.may(Permission.PAYOUTS_VIEW)
    return TimelineEntry(
        at=fact.at,
        title=f"{noun.capitalize()} {step_label}",
        text=f"{fact.subject}, by {fact.who}" if fact.who else fact.subject,
        tone=tone,
        href=ctx.path(f"{noun}s", fact.subject) if is_seen else "",
        mark=noun,
    )


def _delivery(fact: Fact, _networks: Networks, _ctx: MemberContext) -> TimelineEntry:
    title, tone = _DELIVERIES.get(fact.kind) or (f"Webhook: {plain(fact.kind).lower()}", "neutral")
    return TimelineEntry(at=fact.at, title=title, text=fact.note or "", tone=tone, mark="webhook")


def _audit(fact: Fact, _networks: Networks, _ctx: MemberContext) -> TimelineEntry:
    action = _ACTIONS.get(fact.kind) or plain(fact.kind)
    return TimelineEntry(at=fact.at, title=action, text=f"by {fact.note}", mark="person")


_MADE = {
    "deposit": _deposit,
    "ledger": _ledger,
    "review": _review,
    "event": _event,
    "withdrawal": _withdrawal,
    "delivery": _delivery,
    "audit": _audit,
}


def _short(txid: str) -> str:
    """The two ends of a transaction's id; the page shows the whole id beside its payment."""
    return txid if len(txid) <= 20 else f"{txid[:10]}…{txid[-6:]}"


def _money(fact: Fact, networks: Networks, *, signed: bool = False) -> str:
    assert fact.network is not None
    assert fact.asset is not None
    assert fact.amount_raw is not None
    amount = group_digits(labels.decimal(networks, fact.network, fact.asset, fact.amount_raw))
    return f"{'+' if signed and fact.amount_raw > 0 else ''}{amount} {fact.asset}"
