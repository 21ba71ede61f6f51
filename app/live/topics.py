"""The topics that open pages follow, and which of them change when something happens.

A topic is a text. One thing has a topic of its own, such as `invoice:INV-…`; what a merchant's pages list is
`MCH-…/test/invoices`; what the desk lists is `desk/queue`. A topic never carries data: whoever hears of it reads the
page again, with their own rights.
"""

from collections.abc import Sequence

MODES = ("live", "test")

_OF_DEEDS: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
    ("api_key.", ("keys",), ()),
    ("webhook.", ("webhooks", "deliveries"), ()),
    ("team.", ("team",), ()),
    ("merchant.", ("settings",), ("merchants", "queue")),
    ("payment_link.", ("links",), ()),
    ("return_address.", ("reviews",), ()),
    ("review.", ("reviews",), ("reviews", "queue")),
    ("withdrawal.", (), ("approvals", "holds", "queue")),
    ("payout.", ("payouts",), ("approvals", "queue")),
    ("refund.", ("refunds",), ("approvals", "queue")),
    ("hold.", (), ("holds", "approvals", "queue")),
    ("alert.", (), ("alerts", "queue")),
    ("note.", (), ("approvals", "reviews", "alerts")),
    ("reconciliation.", (), ("reconciliation",)),
    ("switch.", (), ("networks",)),
    ("consolidation.", (), ("networks",)),
    ("dear_sweep.", (), ("networks",)),
    ("stake.", (), ("networks",)),
    ("hot_wallet.", (), ("networks",)),
)
"""By the beginning of an action in the audit log: the topics of the merchant's pages, and of the desk."""

_THINGS = {"INV-": "invoice", "PO-": "payout", "RF-": "refund"}
"""What has a topic of its own, by the beginning of its id."""


def of_merchant(merchant_id: str, mode: str, *names: str) -> list[str]:
    """Topics of one merchant's pages in one mode, such as `invoices`."""
    return [f"{merchant_id}/{mode}/{name}" for name in names]


def of_desk(*names: str) -> list[str]:
    """Topics of the operators' desk, such as `queue`."""
    return [f"desk/{name}" for name in names]


def of_platform(*names: str) -> list[str]:
    """Topics of all merchants' pages, such as `switches`."""
    return [f"platform/{name}" for name in names]


def of_thing(kind: str, thing_id: object) -> str:
    """The topic of one invoice, payout, refund or account. What has no id of its own everywhere, such as an export, has
    a topic of its merchant: `of_merchant(merchant_id, mode, "export:7")`."""
    return f"{kind}:{thing_id}"


def of_invoices(*invoice_ids: str) -> list[str]:
    """The topics of these invoices, on the customer's page and on ours."""
    return [of_thing("invoice", invoice_id) for invoice_id in invoice_ids]


def of_event(merchant_id: str, mode: str, type: str, subject_id: str) -> list[str]:
    """What changes with an event, such as `invoice.paid`. The list of events itself changes when it is numbered."""
    noun, _, state = type.partition(".")
    if noun == "invoice":
        reviewed = state in ("manual_review", "closed")
        own = of_merchant(merchant_id, mode, "invoices", *(["reviews"] if reviewed else []))
        return [*own, *of_invoices(subject_id), *(of_desk("reviews", "queue") if reviewed else [])]
    if noun in ("payout", "refund"):
        return [*of_merchant(merchant_id, mode, f"{noun}s"), *of_withdrawal(noun, subject_id)]
    return []


def of_withdrawal(kind: str, withdrawal_id: str) -> list[str]:
    """What changes with the state of a payout or refund, except the merchant's lists."""
    return [of_thing(kind, withdrawal_id), *of_desk("approvals", "queue")]


def of_deed(action: str, subject: str, merchant_id: str | None) -> list[str]:
    """What changes with an entry of the audit log. `action` is such as `team.invited`."""
    own, desk = next(((own, desk) for start, own, desk in _OF_DEEDS if action.startswith(start)), ((), ()))
    topics = of_desk("audit", *desk)
    if action.startswith("switch."):
        topics += of_platform("switches")
    if merchant_id is not None:
        topics += [topic for mode in MODES for topic in of_merchant(merchant_id, mode, "audit", *own)]
    if subject.startswith("ACC-"):
        topics.append(of_thing("account", subject))
    kind = next((kind for start, kind in _THINGS.items() if subject.startswith(start)), None)
    return topics if kind is None else [*topics, of_thing(kind, subject)]


def of_alert() -> list[str]:
    """What changes when an alert is raised."""
    return of_desk("alerts", "queue")


def of_posting(owner: str, network: str) -> list[str]:
    """What changes with an entry of a ledger: of a merchant, or of the platform. `network` is such as `tron:test`."""
    mode = network.rpartition(":")[2]
    return of_desk("ledgers") if ":" in owner else of_merchant(owner, mode, "balances")
