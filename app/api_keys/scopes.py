"""What a key may do (contract, section 2, "Scopes"). Write includes read of the same noun."""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from app.core.errors import invalid


class Scope(StrEnum):
    """The scopes that a key can hold."""

    INVOICES_READ = "invoices.read"
    INVOICES_WRITE = "invoices.write"
    PAYOUTS_READ = "payouts.read"
    PAYOUTS_WRITE = "payouts.write"
    REFUNDS_READ = "refunds.read"
    REFUNDS_WRITE = "refunds.write"
    BALANCE_READ = "balance.read"
    WEBHOOKS_READ = "webhooks.read"
    WEBHOOKS_WRITE = "webhooks.write"
    EVENTS_READ = "events.read"


def checked(scopes: Iterable[str]) -> list[str]:
    """The scopes in the catalogue's order, each once. Raises INVALID_INPUT for an unknown one or for none."""
    requested = set(scopes)
    unknown = requested - set(Scope)
    if unknown:
        raise invalid("scopes", f"{min(unknown)!r} is not a scope")
    if not requested:
        raise invalid("scopes", "must hold at least one scope")
    return [scope.value for scope in Scope if scope in requested]


@lru_cache(maxsize=1024)
def granted(scopes: tuple[str, ...]) -> frozenset[str]:
    """Everything that a key with these scopes may do. Cached: the combinations in use are few, requests many."""
    implied = (scope.removesuffix(".write") + ".read" for scope in scopes if scope.endswith(".write"))
    return frozenset((*scopes, *implied))
