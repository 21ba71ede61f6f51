"""Labels of states and kinds in the cabinet, and the format of its amounts and counts."""

from collections.abc import Mapping
from types import MappingProxyType

from app.core.money import format_amount, group_digits
from app.core.newer import Words, plain
from app.networks.registry import Networks

INVOICE_STATES: Mapping[str, str] = MappingProxyType(
    Words(
        {
            "awaiting_choice": "Awaiting choice",
            "awaiting_deposit": "Awaiting payment",
            "confirming": "Confirming",
            "paid": "Paid",
            "partially_refunded": "Partly refunded",
            "refunded": "Refunded",
            "expired": "Expired",
            "cancelled": "Cancelled",
            "manual_review": "In review",
            "closed": "Closed",
        }
    )
)

WITHDRAWAL_STATES: Mapping[str, str] = MappingProxyType(
    Words(
        {
            "pending_approval": "Awaiting approval",
            "approved": "Approved",
            "submitted": "Sent",
            "confirmed": "Confirmed",
            "rejected": "Rejected",
            "failed": "Failed",
            "cancelled": "Cancelled",
        }
    )
)

REVIEW_STATES: Mapping[str, str] = MappingProxyType(
    Words({"open": "Open", "returning": "Being returned", "closed": "Settled"})
)

OUTCOMES: Mapping[str, str] = MappingProxyType(
    Words({"credited": "Credited to you", "returned": "Sent back", "closed": "Closed without payment"})
)

DEPOSIT_STATES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "waiting": ("confirming", "Waits for a block"),
        "seen": ("confirming", "Confirming"),
        "credited": ("paid", "Credited"),
        "suspended": ("held", "Held"),
        "orphaned": ("cancelled", "Taken back"),
        "replaced": ("cancelled", "Replaced"),
        "dropped": ("cancelled", "Dropped"),
    }
)
"""How a deposit's state is drawn, and its words. `waiting` is one that is seen and in no block."""

VERDICTS: Mapping[str, str] = MappingProxyType(
    Words(
        {
            "exact": "The exact amount",
            "part": "A part of the amount",
            "dust": "Too small to count",
            "underpaid": "Less than requested",
            "overpaid": "More than requested",
            "late": "After the invoice had expired",
            "cancelled": "After the invoice was cancelled",
            "second": "A second payment",
            "wrong_asset": "Another asset than requested",
            "in_review": "While another payment was in review",
            "unknown": "To an address without an invoice",
        }
    )
)
"""How a transfer compares with its invoice."""

ENTRY_KINDS: Mapping[str, str] = MappingProxyType(
    Words(
        {
            "invoice_credit": "Invoice credited",
            "service_fee": "Service fee",
            "deposit_reversal": "Deposit reversed",
            "payout_locked": "Locked for a payout",
            "payout_released": "Released from a payout",
            "payout_settled": "Payout sent",
            "payout_fee": "Payout fee",
            "refund_locked": "Locked for a refund",
            "refund_released": "Released from a refund",
            "refund_settled": "Refund sent",
            "refund_fee": "Refund fee",
        }
    )
)


def entry_kind(kind: str) -> str:
    """The label of a ledger entry's kind."""
    return ENTRY_KINDS[kind]


def deposit_state(status: str) -> tuple[str, str]:
    """How a deposit's state is drawn, and its words."""
    return DEPOSIT_STATES.get(status) or ("", plain(status))


def decimal(networks: Networks, network: str, asset: str, raw: int) -> str:
    """The decimal form of a raw amount of an asset on a network."""
    known = networks.get(network).asset(asset)
    assert known is not None, "assets are never removed from a network that has been used"
    return format_amount(raw, known.decimals)


def plural(count: int, one: str, many: str = "") -> str:
    """`1 invoice`, `2 invoices`."""
    return f"{group_digits(count)} {one if count == 1 else many or one + 's'}"
