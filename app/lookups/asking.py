"""The id of a transaction in what people paste: the id itself, an explorer's address, either with spaces or line breaks
in it."""

import re
from contextlib import suppress

from app.networks.config import NetworkConfig

MOST_CHARACTERS = 500
"""Longer texts are no id and no address of one."""

_INVISIBLE = re.compile(r"[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+")
_ID = re.compile(r"(?<![0-9a-fA-F])(?:0[xX])?([0-9a-fA-F]{64})(?![0-9a-fA-F])")


def txid_in(text: str, network: NetworkConfig) -> str:
    """The canonical form of the one transaction's id that a text holds. Raises ValueError, without the text in it,
    where it holds none or several."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError("this is too long for the id of a transaction")
    found = _digits(text) or _digits(_INVISIBLE.sub("", text))
    if len(found) != 1:
        raise ValueError("this is not the id of a transaction")
    (digits,) = found
    for spelled in (digits, f"0x{digits}"):
        with suppress(ValueError):
            return network.normalise_txid(spelled)
    raise ValueError("this is not the id of a transaction on this network")


def _digits(text: str) -> set[str]:
    """The 64 digits of each id in a text, in lower case."""
    return {digits.lower() for digits in _ID.findall(text)}
