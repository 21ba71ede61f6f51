"""Faults in which way a sweep goes where it takes energy, on Tron."""

from tests.mutation.table import Fault

_CHOICE, _SWEEPS = "signer/test_sweep_choice.py::", "signer/test_timed_sweeping.py::"
_DESK = "operator/over_tron/test_tron_pages.py::"

TIMED_SWEEPS = (
    Fault(
        "app/signer/sweep_choice.py",
        "return cost_raw * worth_raw * BPS <= terms.max_cost_bps * held.amount_raw * terms.coin_raw",
        "return True",
        "sweeping small deposits costs more than they are worth",
        (f"{_CHOICE}test_a_dear_sweep_waits_until_it_is_approved",),
    ),
    Fault(
        "app/signer/sweep_choice.py",
        "return held.spent_raw + held.loans * terms.sizes.reclaim * terms.prices.byte_raw",
        "return 0",
        "a sweep that fails again and again burns coin each time, and never counts as dear",
        (f"{_CHOICE}test_what_was_spent_on_a_sweep_before_counts",),
    ),
    Fault(
        "app/signer/sweep_choice.py",
        "return not is_dear_burned, -held.amount_raw, held.key",
        "return False, -held.amount_raw, held.key",
        "large deposits use the energy up, and the middle ones wait for days",
        (f"{_CHOICE}test_energy_goes_first_to_those_that_burning_would_make_dear",),
    ),
    Fault(
        "app/signer/sweep_choice.py",
        "(possible if lend.left.energy >= 0 else later).append(lend)",
        "possible.append(lend)",
        "more energy is lent than there is: payouts burn coin",
        (f"{_CHOICE}test_choices_cost_no_more_than_allowed_and_lend_no_more_than_there_is",),
    ),
    Fault(
        "app/signer/timed_sweeping.py",
        "if candidate.failed_at is not None and now < retry_at(candidate.failed_at, candidate.failures):",
        "if False:",
        "a sweep that fails is tried again in the next minute, and burns its coin again",
        (f"{_SWEEPS}test_a_sweep_that_fails_is_not_tried_again_at_once",),
    ),
    Fault(
        "app/signer/timed_funds.py",
        "gas_left_raw = await self._treasury.fees_left_raw() - (held[coin] - resources.spendable_raw)",
        "gas_left_raw = await self._treasury.fees_left_raw()",
        "with the treasury's coin staked, fees are paid out of merchants' money",
        (f"{_SWEEPS}test_staked_coin_pays_no_fees",),
    ),
    Fault(
        "app/operator/energy.py",
        "return min(int(text), sweep.cost_raw)",
        "return int(text)",
        "a sweep may cost any sum by the approval of an operator who was shown a small one",
        (f"{_DESK}test_a_dear_sweep_shows_its_share_and_is_approved_up_to_what_was_shown",),
    ),
    Fault(
        "app/backoffice/sweeps.py",
        "coin_raw if asset.symbol == native.symbol else asset.coin_worth_raw",
        "coin_raw",
        "an operator approves a dear sweep, since the page says that it costs a small part of what it moves",
        (f"{_DESK}test_a_dear_sweep_shows_its_share_and_is_approved_up_to_what_was_shown",),
    ),
)
