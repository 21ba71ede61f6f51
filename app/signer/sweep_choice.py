"""Which way each sweep goes where a transaction takes energy and bytes: values in, values out.

The cheapest of what is possible now and not too dear:

- `own`: the address has what its sweep takes: energy, bytes, or coin to burn;
- `lend`: the hot wallet lends it the energy of staked coin, and takes that back afterwards. What the loan costs are the
  bytes of lending, taking back and sweeping, as far as no free or staked bytes cover them. An account that does not
  exist yet must be made first, by a first payment;
- `burn`: the hot wallet sends it coin, which its sweep burns;
- `wait`: nothing now.

A sweep is dear where every way costs more than a part of what it moves, with all that was spent on it before: making
the account exist, loans, sweeps that failed. It waits, unless an operator has approved that cost. Energy goes first to
the sweeps that would be dear without it, the largest first; what is left goes to the others, and those that get none
burn coin. Energy that was used comes back within a day, so a sweep that would be dear without energy waits for it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from app.networks.sending import Cost, Prices, Resources

LOAN_MARGIN = (51, 50)
"""How much more energy is lent than a sweep takes by its simulation: what staked coin gives moves with the stakes of
everybody else."""

BURN_MARGIN = (6, 5)
"""How much more coin is sent to burn than the energy costs now: the chain raises the energy of a busy contract by a
fifth at a time. What is left is there for the next sweep."""

MAX_LOANS = 2
"""Loans of one address at a time. One that still lacks energy then waits until they are back."""

LEAST_PAYMENT_RAW = 1
"""What the payment sends that only makes an account exist."""

BPS = 10_000

RETRY_FIRST, RETRY_AT_MOST = timedelta(hours=1), timedelta(hours=24)
"""How long a sweep that has failed is not tried again: twice as long after each failure."""


class Way(StrEnum):
    """How a sweep goes; the module says what each is."""

    OWN = "own"
    LEND = "lend"
    BURN = "burn"
    WAIT = "wait"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a deposit address holds of one asset, and what its sweep takes now.

    `key` is its candidate's. `spent_raw` was spent on its sweep already, in the native coin. `coin_worth_raw` is what a
    whole native coin is worth in minor units of the asset, None where that isn't known: then no sweep is dear.
    `approved_raw` is what an operator has approved that it costs.
    `loans` are the loans of energy that the address has now. `is_coin`: the asset is the native coin, whose sweep is
    paid out of what it moves.
    """

    key: int
    amount_raw: int
    coin_worth_raw: int | None
    cost: Cost
    resources: Resources
    spent_raw: int = 0
    approved_raw: int | None = None
    loans: int = 0
    is_coin: bool = False


class Sizes(msgspec.Struct, frozen=True):
    """The bytes of the hot wallet's own transactions for a sweep: a payment of coin, a loan, its return."""

    gas: int
    lend: int
    reclaim: int


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for all sweeps of a round.

    `energy` is what the hot wallet may lend now. `has_stake`: it has staked coin, whatever of its energy is left.
    `bytes_staked` are those of the hot wallet's stake; its free ones are few, and counted as none. `coin_raw` is one
    whole native coin in minor units.
    """

    prices: Prices
    sizes: Sizes
    energy: int
    has_stake: bool
    bytes_staked: int
    coin_raw: int
    max_cost_bps: int


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The way of one sweep. `cost_raw` is what it costs with what was spent on it before, in minor units of the native
    coin; of one that waits, what the cheapest way costs that it waits for. `is_dear`: it waits for an operator.

    What the hot wallet does first: `coin_raw` is the coin that it sends, 0 for none; `energy` is what it lends, once
    the account exists and has the coin.
    """

    key: int
    way: Way
    cost_raw: int
    is_dear: bool = False
    coin_raw: int = 0
    energy: int = 0


def choose(held: Sequence[Held], terms: Terms) -> list[Choice]:
    """The choice for each sweep, in the order in which they get energy. The order of `held` does not matter."""
    left = _Left(terms.energy, terms.bytes_staked)
    return [_choice(one, terms, left) for one in sorted(held, key=lambda one: _rank(one, terms))]


def is_within(cost_raw: int, held: Held, terms: Terms) -> bool:
    """Whether a sweep may cost so much: by the limit, or by an operator's approval."""
    if held.approved_raw is not None and cost_raw <= held.approved_raw:
        return True
    worth_raw = terms.coin_raw if held.is_coin else held.coin_worth_raw
    if worth_raw is None:
        return True
    return cost_raw * worth_raw * BPS <= terms.max_cost_bps * held.amount_raw * terms.coin_raw


def share_bps(cost_raw: int, worth_raw: int, amount_raw: int, coin_raw: int) -> int:
    """The part of what a sweep moves that it costs, for operators; rounded up, 100 is 1 %. `amount_raw` is not 0.

    A whole native coin is `coin_raw` minor units of itself, and worth `worth_raw` of the asset that is moved.
    """
    return -(-cost_raw * worth_raw * BPS // (amount_raw * coin_raw))


def energy_to_lend(held: Held) -> int:
    """The energy that a loan for this sweep gives."""
    more, of = LOAN_MARGIN
    return -(-max(held.cost.energy - held.resources.energy, 0) * more // of)


def retry_at(failed_at: datetime, failures: int) -> datetime:
    """When a sweep that has failed so many times is tried again."""
    times = 1 << min(failures - 1, 10)
    return failed_at + min(RETRY_FIRST * times, RETRY_AT_MOST)


class _Left(msgspec.Struct):
    """What the hot wallet has left for the sweeps that come later."""

    energy: int
    bytes_staked: int

    def copy(self) -> "_Left":
        return _Left(self.energy, self.bytes_staked)

    def spend_bytes(self, size: int, prices: Prices) -> int:
        """Use the bytes of a transaction, all of them or none, and return what is burned for them."""
        if size > self.bytes_staked:
            return size * prices.byte_raw
        self.bytes_staked -= size
        return 0


class _Option(msgspec.Struct, frozen=True):
    choice: Choice
    left: _Left


def _rank(held: Held, terms: Terms) -> tuple[bool, int, int]:
    """Sweeps that burning would make dear come first, the largest of each kind before the others."""
    burn = _burn(held, terms, _Left(0, 0))  # who comes later finds no bytes left
    is_dear_burned = not is_within(burn.choice.cost_raw, held, terms)
    return not is_dear_burned, -held.amount_raw, held.key


def _choice(held: Held, terms: Terms, left: _Left) -> Choice:
    """The cheapest way that is possible now; what it takes is taken from `left`."""
    possible: list[_Option] = []
    later: list[_Option] = []
    if (own := _own(held, terms, left)) is not None:
        possible.append(own)
    if not held.is_coin:
        possible.append(_burn(held, terms, left))
        if terms.has_stake and held.loans < MAX_LOANS and energy_to_lend(held):
            lend = _lend(held, terms, left)
            (possible if lend.left.energy >= 0 else later).append(lend)
    now = [option for option in possible if is_within(option.choice.cost_raw, held, terms)]
    if now:
        best = min(now, key=lambda option: option.choice.cost_raw)  # of equal ones the first
        left.energy, left.bytes_staked = best.left.energy, best.left.bytes_staked
        return best.choice
    costs_raw = [option.choice.cost_raw for option in later if is_within(option.choice.cost_raw, held, terms)]
    if costs_raw:
        return Choice(key=held.key, way=Way.WAIT, cost_raw=min(costs_raw))
    every = [option.choice.cost_raw for option in (*possible, *later)]
    # A coin that can't pay for its own bytes.
    cost_raw = min(every) if every else _spent_raw(held, terms) + held.cost.size * terms.prices.byte_raw
    return Choice(key=held.key, way=Way.WAIT, cost_raw=cost_raw, is_dear=True)


def _own(held: Held, terms: Terms, left: _Left) -> _Option | None:
    burned_raw = held.cost.burned_raw(terms.prices, held.resources)
    if not held.resources.exists or burned_raw > held.resources.spendable_raw:
        return None
    cost_raw = _spent_raw(held, terms) + burned_raw
    return _Option(Choice(key=held.key, way=Way.OWN, cost_raw=cost_raw), left.copy())


def _lend(held: Held, terms: Terms, left: _Left) -> _Option:
    """A loan, where the hot wallet has the energy: `left.energy` is negative where it has not."""
    prices, resources, after = terms.prices, held.resources, left.copy()
    energy = energy_to_lend(held)
    after.energy -= energy
    bytes_raw = _bytes_raw(held, prices)
    cost_raw, coin_raw = _spent_raw(held, terms) + bytes_raw, 0
    if not resources.exists or bytes_raw > resources.spendable_raw:
        coin_raw = max(bytes_raw - resources.spendable_raw, LEAST_PAYMENT_RAW)
        cost_raw += _payment_cost_raw(held, terms, after)
    for size in (terms.sizes.lend, terms.sizes.reclaim):
        cost_raw += after.spend_bytes(size, prices)
    return _Option(Choice(key=held.key, way=Way.LEND, cost_raw=cost_raw, coin_raw=coin_raw, energy=energy), after)


def _burn(held: Held, terms: Terms, left: _Left) -> _Option:
    prices, resources, after = terms.prices, held.resources, left.copy()
    energy_raw = max(held.cost.energy - resources.energy, 0) * prices.energy_raw
    bytes_raw = _bytes_raw(held, prices)
    more, of = BURN_MARGIN
    needed_raw = -(-energy_raw * more // of) + bytes_raw
    coin_raw = max(needed_raw - resources.spendable_raw, LEAST_PAYMENT_RAW)
    cost_raw = _spent_raw(held, terms) + energy_raw + bytes_raw + _payment_cost_raw(held, terms, after)
    return _Option(Choice(key=held.key, way=Way.BURN, cost_raw=cost_raw, coin_raw=coin_raw), after)


def _spent_raw(held: Held, terms: Terms) -> int:
    """What was spent on a sweep already, and what it will cost to take back the loans that it has."""
    return held.spent_raw + held.loans * terms.sizes.reclaim * terms.prices.byte_raw


def _bytes_raw(held: Held, prices: Prices) -> int:
    """What the sweep burns for its bytes. An account that is made for it has its free bytes of a day."""
    resources = held.resources
    free = resources.bytes_free if resources.exists else prices.free_bytes
    return 0 if held.cost.size <= max(resources.bytes_staked, free) else held.cost.size * prices.byte_raw


def _payment_cost_raw(held: Held, terms: Terms, after: _Left) -> int:
    """What it costs to send the address coin. What makes an account exist pays for that in place of its bytes."""
    if not held.resources.exists:
        return terms.prices.activation_raw
    return after.spend_bytes(terms.sizes.gas, terms.prices)
