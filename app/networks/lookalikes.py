"""Addresses that look like another one. Attackers make them so that people copy the wrong one (address poisoning)."""

LOOKALIKE_HEAD, LOOKALIKE_TAIL = 6, 4
"""Characters at each end that wallets show of an address: attackers make these equal. `0x` counts for the head."""


def look_alike(one: str, other: str) -> bool:
    """Whether two different addresses have the same head and tail, in upper or lower case."""
    one, other = one.lower(), other.lower()
    return (
        one != other
        and one[:LOOKALIKE_HEAD] == other[:LOOKALIKE_HEAD]
        and one[-LOOKALIKE_TAIL:] == other[-LOOKALIKE_TAIL:]
    )
