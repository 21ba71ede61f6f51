"""The types of events that an endpoint can subscribe to (contract, section 6)."""

_INVOICE = "created quoted confirming paid manual_review expired cancelled closed partially_refunded refunded reversed"
_WITHDRAWAL = "pending_approval approved submitted confirmed rejected failed cancelled"

TEST = "webhook.test"
"""Is delivered to the endpoint under test, regardless of its filter."""

EVENT_TYPES = frozenset(
    [f"invoice.{state}" for state in _INVOICE.split()]
    + [f"{noun}.{state}" for noun in ("payout", "refund") for state in _WITHDRAWAL.split()]
)
"""The types that an endpoint's filter may contain."""


def types_of(noun: str) -> list[str]:
    """The types about `invoice`, `payout` or `refund`, in alphabetical order."""
    return sorted(type for type in EVENT_TYPES if type.startswith(f"{noun}."))
