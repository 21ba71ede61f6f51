"""An account of the double: what it holds, has staked and lent, has used of its resources, and who may sign for it."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

SUN_PER_TRX = 1_000_000
DAY_MS = 86_400_000
"""What an account has used of a resource comes back evenly within this time."""

Resource = Literal["BANDWIDTH", "ENERGY"]
RESOURCES: tuple[Resource, Resource] = ("BANDWIDTH", "ENERGY")
"""By their numbers."""


class Usage(msgspec.Struct, frozen=True):
    """How much of a resource was in use at a time, in units of it."""

    amount: int = 0
    at_ms: int = 0

    def now(self, now_ms: int) -> int:
        """What of it is still in use."""
        return self.amount * max(DAY_MS - (now_ms - self.at_ms), 0) // DAY_MS

    def plus(self, amount: int, now_ms: int) -> "Usage":
        """The usage after `amount` more was used, or less where it is negative."""
        return Usage(max(self.now(now_ms) + amount, 0), now_ms)


class Loan(msgspec.Struct, frozen=True):
    """Stake whose resource another account has, in sun; it can't be taken back before `until_ms`."""

    sun: int
    until_ms: int = 0


class Unstaking(msgspec.Struct, frozen=True):
    """Stake that is given back at a time."""

    sun: int
    at_ms: int
    resource: Resource


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An activated account. `loans` are by resource and receiver; `borrowed` and `staked` by resource, in sun.

    `permissions` is what AccountPermissionUpdate has set: `owner` and `actives` in the API's JSON; None before.
    `allowance_sun` are rewards that were not withdrawn yet; `tokens` are TRC-10, by id.
    """

    created_ms: int
    balance_sun: int = 0
    is_contract: bool = False
    staked: dict[Resource, int] = {}
    borrowed: dict[Resource, int] = {}
    loans: dict[Resource, dict[str, Loan]] = {}
    unstaking: tuple[Unstaking, ...] = ()
    free_bandwidth: Usage = Usage()
    bandwidth: Usage = Usage()
    energy: Usage = Usage()
    allowance_sun: int = 0
    permissions: dict[str, Any] | None = None
    tokens: dict[str, int] = {}

    def backing_sun(self, resource: Resource) -> int:
        """The stake that gives this account a resource: its own and what was lent to it."""
        return self.staked.get(resource, 0) + self.borrowed.get(resource, 0)

    def lent_sun(self, resource: Resource) -> int:
        """What it has lent to others; `staked` is without it."""
        return sum(loan.sun for loan in self.loans.get(resource, {}).values())

    def with_stake(self, resource: Resource, more_sun: int) -> "Account":
        """The account with more stake of its own, or less."""
        return msgspec.structs.replace(self, staked={**self.staked, resource: self.staked.get(resource, 0) + more_sun})

    def with_borrowed(self, resource: Resource, more_sun: int) -> "Account":
        """The account with more stake of others, or less."""
        return msgspec.structs.replace(
            self, borrowed={**self.borrowed, resource: self.borrowed.get(resource, 0) + more_sun}
        )

    def with_loan(self, resource: Resource, receiver: str, loan: Loan) -> "Account":
        """The account with this loan to a receiver in place of an earlier one; a loan of nothing is none."""
        others = {to: kept for to, kept in self.loans.get(resource, {}).items() if to != receiver}
        loans = others if loan.sun == 0 else {**others, receiver: loan}
        return msgspec.structs.replace(self, loans={**self.loans, resource: loans})

    def with_usage(self, resource: Resource, used: Usage) -> "Account":
        """The account with another usage of a resource."""
        if resource == "ENERGY":
            return msgspec.structs.replace(self, energy=used)
        return msgspec.structs.replace(self, bandwidth=used)

    def usage(self, resource: Resource) -> Usage:
        """What it has used of a resource that comes from stake."""
        return self.energy if resource == "ENERGY" else self.bandwidth


def total(unstaking: Iterable[Unstaking]) -> int:
    """The sum of stake that is given back."""
    return sum(entry.sun for entry in unstaking)
