"""What a token's contract answers to `symbol()`. Any contract may answer anything, and gas bounds how much."""

from app.networks.keccak import selector

SYMBOL_SIGNATURE = "symbol()"
SYMBOL_SELECTOR = selector(SYMBOL_SIGNATURE)

NAME_GAS = 200_000
"""What the call may use: a real symbol takes a tenth of it, and an endless loop ends."""

MOST_BYTES = 64
"""Symbols are shorter; the rest of a longer text is left out."""

WORD = 32


def symbol_of(answer: bytes) -> str | None:
    """The text that `symbol()` has returned: a string as the ABI has it, or 32 bytes with zeros at the end, as some
    old tokens answer. None where it is neither, or empty."""
    if len(answer) == WORD:
        text = answer.rstrip(b"\0")
    elif len(answer) >= 2 * WORD and int.from_bytes(answer[:WORD], "big") == WORD:
        length = min(int.from_bytes(answer[WORD : 2 * WORD], "big"), MOST_BYTES)
        text = answer[2 * WORD : 2 * WORD + length]
    else:
        return None
    return text.decode("utf-8", "ignore") or None
