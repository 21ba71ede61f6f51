"""The desk's words: for states, for actions of the audit log, and where the page of a subject is.

A state has the same words here as in the cabinet (app/cabinet/labels.py). No page shows a name of the API.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from app.core.newer import plain

STATES: Mapping[str, str] = MappingProxyType(
    {
        # payouts and refunds
        "pending_approval": "Awaiting approval",
        "approved": "Approved",
        "submitted": "Sent",
        "confirmed": "Confirmed",
        "rejected": "Rejected",
        "failed": "Failed",
        # invoices
        "awaiting_choice": "Awaiting choice",
        "awaiting_deposit": "Awaiting payment",
        "confirming": "Confirming",
        "paid": "Paid",
        "partially_refunded": "Partly refunded",
        "refunded": "Refunded",
        "manual_review": "In review",
        # reviews
        "open": "In review",
        "returning": "Being returned",
        "credited": "Credited",
        "returned": "Returned",
        "closed": "Closed",
        # merchants
        "pending": "Awaiting approval",
    }
)

MERCHANT_STATES: tuple[tuple[str, str], ...] = (
    ("pending", "Awaiting approval"),
    ("approved", "Approved"),
    ("rejected", "Rejected"),
    ("suspended", "Suspended"),
    ("banned", "Banned"),
)

ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "withdrawal.approved": "Approved a {noun}",
        "withdrawal.signed_by_passkey": "Signed a {noun} with a passkey",
        "withdrawal.rejected": "Rejected a {noun}",
        "withdrawal.released": "Let the signer check a {noun} again",
        "withdrawal.transaction_adopted": "Attached a transaction to a {noun}",
        "review.credited": "Credited a deposit",
        "review.returning": "Returned a deposit",
        "review.closed": "Closed a review",
        "hold.released": "Released a hold",
        "alert.acknowledged": "Acknowledged an alert",
        "note.left": "Left a note",
        "merchant.applied": "Applied",
        "merchant.created": "Opened the merchant",
        "merchant.approved": "Approved an application",
        "merchant.rejected": "Rejected an application",
        "merchant.suspended": "Suspended a merchant",
        "merchant.banned": "Banned a merchant",
        "merchant.reinstated": "Reinstated a merchant",
        "merchant.terms_changed": "Changed a merchant’s terms",
        "merchant.asset_changed": "Changed a merchant’s asset",
        "reconciliation.requested": "Requested a reconciliation run",
        "attempts.dropped": "Deleted old webhook attempts",
        "dear_sweep.approved": "Approved a dear sweep",
        "dear_sweep.revoked": "Revoked the approval of a dear sweep",
        "payout.requested": "Requested a payout",
        "payout.cancelled": "Cancelled a payout",
        "refund.requested": "Requested a refund",
        "invoice.created": "Created an invoice",
        "invoice.cancelled": "Cancelled an invoice",
        "payment_link.created": "Created a payment link",
        "payment_link.changed": "Changed a payment link",
        "return_address.given": "Named an address for a return",
        "return_address.confirmed": "Confirmed a return address",
        "return_address.rejected": "Rejected a return address",
    }
)
"""What was done. `{noun}` is payout or refund, by the subject."""

AREAS: tuple[tuple[str, str], ...] = (
    ("withdrawal.", "Approvals"),
    ("review.", "Reviews"),
    ("hold.", "Holds"),
    ("alert.", "Alerts"),
    ("note.", "Notes"),
    ("merchant.", "Merchants"),
    ("switch.", "Switches"),
    ("reconciliation.", "Reconciliation"),
    ("session.", "Sign-in"),
)
"""Groups of actions by the beginning of their names, for a filter."""

_PAGES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:PO|RF)-\w+"), "/desk/approvals/{}"),
    (re.compile(r"DEP-\w+"), "/desk/reviews/{}"),
    (re.compile(r"INV-\w+"), "/desk/invoices/{}"),
    (re.compile(r"MCH-\w+"), "/desk/merchants/{}"),
    (re.compile(r"alert (\d+)"), "/desk/alerts/{}"),
    (re.compile(r"run (\d+)"), "/desk/reconciliation/{}"),
    (re.compile(r"invoices|payouts|refunds"), "/desk/switches/{}"),
)


def state(name: str) -> str:
    """A state in words; one without words of its own by its name, `incomplete` as `Incomplete`."""
    return STATES.get(name) or plain(name)


def action(name: str, subject: str) -> str:
    """What was done, in words; for an action without words of its own, its name with spaces."""
    noun = "refund" if subject.startswith("RF-") else "payout"
    return ACTIONS.get(name, "").format(noun=noun) or plain(name)


def page_of(subject: str) -> str:
    """The page of what an action was about; empty where it has none."""
    for pattern, page in _PAGES:
        if found := pattern.fullmatch(subject):
            return page.format(found[found.lastindex or 0])
    return ""
