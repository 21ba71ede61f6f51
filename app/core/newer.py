"""Values that a newer version has stored. During an upgrade this version works beside it, and must go on.

What it does not know it shows plainly and allows nothing: a role without rights, a status after which nothing follows,
an event or action by its own name. So the next version may add some.
"""

from enum import Enum
from typing import TypeVar

BEING_UPGRADED = "the gateway is being upgraded, so try again in a few minutes"
"""Why something is not known."""

UPGRADE_RETRY_S = 5
"""After which somebody may ask again, and get the newer version."""

E = TypeVar("E", bound=Enum)
K = TypeVar("K")
V = TypeVar("V")


def plain(name: str) -> str:
    """A name of the code as words: `hot_wallet.nonce_adopted` as `Hot wallet nonce adopted`."""
    return name.replace(".", " ").replace("_", " ").capitalize()


class Words(dict[K, str]):
    """Words for stored values. `table[name]` is the plain name where there are none."""

    def __missing__(self, name: K) -> str:
        return plain(str(name))


class Rights(dict[K, frozenset[V]]):
    """What stored values allow. `table[name]` is nothing where the name is not known."""

    def __missing__(self, name: K) -> frozenset[V]:
        return frozenset()


def stored(kind: type[E], value: str) -> E:
    """A stored value as a member of an enum of texts; one that is not known is a member of its own, equal to no other.

    For reading only: what a person or a program sends is checked by `kind(value)`.
    """
    known = kind._value2member_map_.get(value)
    if known is not None:
        return known  # type: ignore[return-value] # the map is not typed
    newer = str.__new__(kind, value)  # type: ignore[type-var] # an enum of texts
    newer._name_, newer._value_ = value.upper(), value
    return newer
