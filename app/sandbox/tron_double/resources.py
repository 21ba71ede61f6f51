"""Bandwidth and energy: how much an account has, and what a transaction takes of it or burns."""

from msgspec.structs import replace

from app.sandbox.tron_double.accounts import SUN_PER_TRX, Account, Resource
from app.sandbox.tron_double.parameters import PENALTY_UNIT, TOTAL_STAKED_TRX
from app.sandbox.tron_double.rules import Refused
from app.sandbox.tron_double.state import State

_TOTALS: dict[Resource, str] = {"ENERGY": "getTotalEnergyLimit", "BANDWIDTH": "getTotalNetLimit"}


def limit(state: State, account: Account, resource: Resource) -> int:
    """What an account has of a resource each day, by its own stake and by what was lent to it."""
    return (
        account.backing_sun(resource)
        * state.parameters[_TOTALS[resource]]
        // (TOTAL_STAKED_TRX[resource] * SUN_PER_TRX)
    )


def left(state: State, account: Account, resource: Resource, now_ms: int) -> int:
    """What of it is not used."""
    return max(limit(state, account, resource) - account.usage(resource).now(now_ms), 0)


def worth_sun(state: State, amount: int, resource: Resource) -> int:
    """The stake that gives so much of a resource each day."""
    return amount * TOTAL_STAKED_TRX[resource] * SUN_PER_TRX // state.parameters[_TOTALS[resource]]


def free_bandwidth_left(state: State, account: Account, now_ms: int) -> int:
    """What an account has left of its free bandwidth, if the network's pool of it is not empty."""
    if state.free_bandwidth_is_used_up:
        return 0
    return max(state.parameters["getFreeNetLimit"] - account.free_bandwidth.now(now_ms), 0)


def lendable_sun(state: State, account: Account, resource: Resource, now_ms: int) -> int:
    """The stake whose resource can be lent: what has been used within a day can't."""
    used_sun = worth_sun(state, account.usage(resource).now(now_ms), resource)
    used_of_own = max(used_sun - account.borrowed.get(resource, 0), 0)
    return max(account.staked.get(resource, 0) - used_of_own, 0)


def pay_for_bandwidth(
    state: State, account: Account, size: int, now_ms: int, *, activates: bool
) -> tuple[Account, int, int]:
    """The account after it has paid for a transaction's size, what of it was not burned, and what it burned in sun.

    A transaction takes all of its size from one source. One that activates an account uses no free bandwidth, and burns
    a fixed fee in place of its size. Raises Refused.
    """
    if left(state, account, "BANDWIDTH", now_ms) >= size:
        return replace(account, bandwidth=account.bandwidth.plus(size, now_ms)), size, 0
    if not activates and free_bandwidth_left(state, account, now_ms) >= size:
        return replace(account, free_bandwidth=account.free_bandwidth.plus(size, now_ms)), size, 0
    fee = state.parameters["getCreateAccountFee"] if activates else size * state.parameters["getTransactionFee"]
    return burn(account, fee, "BANDWITH_ERROR", "Account resource insufficient error."), 0, fee


def energy_limit(state: State, account: Account, fee_limit: int, call_value: int, now_ms: int) -> int:
    """The energy that a call may use: bounded by the fee limit, staked energy included, and by what the account has."""
    price = state.parameters["getEnergyFee"]
    can_burn = max(account.balance_sun - call_value, 0) // price
    return min(fee_limit // price, left(state, account, "ENERGY", now_ms) + can_burn)


def pay_for_energy(state: State, account: Account, energy: int, now_ms: int) -> tuple[Account, int, int]:
    """The account after it has paid for a call, the staked energy that was used, and what it burned in sun."""
    used = min(left(state, account, "ENERGY", now_ms), energy)
    fee = (energy - used) * state.parameters["getEnergyFee"]
    return (
        replace(account, energy=account.energy.plus(used, now_ms), balance_sun=max(account.balance_sun - fee, 0)),
        used,
        fee,
    )


def with_penalty(state: State, contract: str, energy: int) -> int:
    """The energy that a call of a contract takes, its penalty included."""
    return energy * (PENALTY_UNIT + state.penalties.get(contract, 0)) // PENALTY_UNIT


def without_penalty(state: State, contract: str, energy: int) -> int:
    """How much a contract may use of its machine where a call may take so much energy."""
    return energy * PENALTY_UNIT // (PENALTY_UNIT + state.penalties.get(contract, 0))


def burn(account: Account, sun: int, code: str, message: str) -> Account:
    """The account less an amount. Raises Refused."""
    if account.balance_sun < sun:
        raise Refused(code, message)
    return replace(account, balance_sun=account.balance_sun - sun)
