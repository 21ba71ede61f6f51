"""Which kind of address a text is, whatever network it was meant for: people paste addresses of the wrong one.

What is sent to another chain's address is lost or out of reach, so a refusal says whose address it is. Addresses of
several chains may look the same (all chains of Ethereum's kind have common ones); those can't be told apart here.
"""

import re

from app.networks.config import NetworkConfig
from app.networks.kinds import KINDS

_HEX = re.compile(r"(?:0[xX])?[0-9a-fA-F]+")


def recognise(text: str) -> str | None:
    """Whose address a text is, in words such as "a Tron address"; None where it is none that we know of."""
    if not text.isascii():  # no address has other characters, and libraries fail on some
        return None
    found = (kind.config.recognise(spelled) for spelled in spellings(text) for kind in KINDS.values())
    return next((words for words in found if words is not None), None)


def mismatch(text: str, network: NetworkConfig, what: str) -> str | None:
    """What is wrong with an address of another network: "this is an Ethereum address; the payout is on Tron". None
    where the text is no address at all, or is one of a chain of the network's own kind that looks the same.

    `what` is what goes there, such as a payout.
    """
    words = recognise(text)
    if words is None or _looks_right(text, network):
        return None
    return f"this is {words}; the {what} is on {network.title}"


def spellings(text: str) -> list[str]:
    """The forms in which people copy an address: as it is and, where capitals mean nothing, in small letters. Base58,
    as of Tron, tells capitals from small letters, and its texts are never all of one case."""
    is_one_case = text in (text.lower(), text.upper())
    return [text, text.lower()] if text != text.lower() and (is_one_case or _HEX.fullmatch(text)) else [text]


def _looks_right(text: str, network: NetworkConfig) -> bool:
    """Whether a text has the form of the network's own kind: what is wrong with it, its kind says itself."""
    words = type(network).recognise(text)
    return words is not None and words == type(network).recognise(network.receiving_address(0))
