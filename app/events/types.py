"""The types of events that an endpoint can ask for (contract, section 6)."""

_INVOICE = "created confirming paid manual_review expired cancelled closed partially_refunded refunded reversed"
_WITHDRAWAL = "pending_approval approved submitted confirmed rejected failed cancelled"

TEST = "webhook.test"
"""Goes to the endpoint that is tested, whatever its filter."""

EVENT_TYPES = frozenset(
    [f"invoice.{state}" for state in _INVOICE.split()]
    + [f"{noun}.{state}" for noun in ("payout", "refund") for state in _WITHDRAWAL.split()]
)
"""What a filter may name."""
