"""Addresses that look like another: made by attackers to be copied in its place (address poisoning)."""

LOOKALIKE_HEAD, LOOKALIKE_TAIL = 6, 4
"""Characters at each end that wallets show of an address: what poisoners make alike. `0x` is two of the head's."""


def look_alike(one: str, other: str) -> bool:
    """Whether two different addresses begin and end alike, whatever their case."""
    one, other = one.lower(), other.lower()
    return (
        one != other
        and one[:LOOKALIKE_HEAD] == other[:LOOKALIKE_HEAD]
        and one[-LOOKALIKE_TAIL:] == other[-LOOKALIKE_TAIL:]
    )
