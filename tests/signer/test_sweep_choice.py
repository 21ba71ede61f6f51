"""Which way each sweep goes, for whatever deposit addresses hold and the hot wallet has."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from app.networks.sending import Cost, Prices, Resources
from app.signer.sweep_choice import (
    MAX_LOANS,
    Choice,
    Held,
    Sizes,
    Terms,
    Way,
    choose,
    energy_to_lend,
    is_within,
    retry_at,
)

COIN = 1_000_000
USDT = 1_000_000
WORTH = 300_000  # a coin is worth 0.30 USDT
PRICES = Prices(
    energy_raw=100,
    byte_raw=1_000,
    activation_raw=1_100_000,
    energy_per_stake=9,
    stake_for_energy=1_000_000,
    free_bytes=600,
)
SWEEP = Cost(energy=64_285, size=345, activates=False, fee_limit_raw=7_714_200)
FRESH = Resources(exists=True, bytes_free=600)


def terms(energy: int = 0, *, bytes_staked: int = 0, has_stake: bool = True) -> Terms:
    """What holds for a round."""
    return Terms(
        prices=PRICES,
        sizes=Sizes(gas=267, lend=278, reclaim=280),
        energy=energy,
        has_stake=has_stake,
        bytes_staked=bytes_staked,
        coin_raw=COIN,
        max_cost_bps=100,
    )


def held(key: int, usdt: int, resources: Resources = FRESH, **changed: int) -> Held:
    """An address with so many USDT."""
    return Held(
        key=key,
        amount_raw=usdt * USDT,
        coin_worth_raw=WORTH,
        cost=SWEEP,
        resources=resources,
        spent_raw=changed.get("spent_raw", 0),
        approved_raw=changed.get("approved_raw"),
        loans=changed.get("loans", 0),
    )


def only(one: Held, terms_: Terms) -> Choice:
    """The choice for one sweep alone."""
    (choice,) = choose([one], terms_)
    return choice


def test_a_sweep_goes_the_cheapest_way_that_is_possible() -> None:
    # Burning costs 6.4285 for energy and 0.267 for the payment of the coin; the address has its free bytes.
    assert only(held(1, 1_000), terms()) == Choice(key=1, way=Way.BURN, cost_raw=6_695_500, coin_raw=7_714_200)
    # A loan costs the bytes of lending and taking back.
    lent = only(held(1, 1_000), terms(100_000))
    assert lent == Choice(key=1, way=Way.LEND, cost_raw=558_000, energy=65_571)
    # Staked bytes make a loan free of charge.
    assert only(held(1, 1_000), terms(100_000, bytes_staked=600)).cost_raw == 0
    # What the address has already is cheapest, energy or coin.
    assert only(held(1, 1_000, Resources(exists=True, bytes_free=600, energy=64_285)), terms(100_000)) == Choice(
        key=1, way=Way.OWN, cost_raw=0
    )
    rich = Resources(exists=True, bytes_free=600, spendable_raw=6_428_500)
    assert only(held(1, 1_000, rich), terms()) == Choice(key=1, way=Way.OWN, cost_raw=6_428_500)


def test_an_account_that_does_not_exist_is_made_first() -> None:
    new = Resources(exists=False)

    lent = only(held(1, 1_000, new), terms(100_000))
    assert (lent.way, lent.coin_raw, lent.cost_raw) == (Way.LEND, 1, 1_100_000 + 558_000)
    burned = only(held(1, 1_000, new), terms())
    assert (burned.way, burned.cost_raw) == (Way.BURN, 1_100_000 + 6_428_500)


def test_an_address_without_free_bytes_gets_coin_for_them_with_a_loan() -> None:
    used = Resources(exists=True, bytes_free=255)

    choice = only(held(1, 1_000, used), terms(100_000))
    assert (choice.way, choice.coin_raw, choice.cost_raw) == (Way.LEND, 345_000, 345_000 + 267_000 + 558_000)


def test_a_dear_sweep_waits_until_it_is_approved() -> None:
    # 5 USDT are worth 16.7 coins, of which 1 % is less than a loan costs.
    assert only(held(1, 5), terms(100_000)) == Choice(key=1, way=Way.WAIT, cost_raw=558_000, is_dear=True)
    assert only(held(1, 5, approved_raw=557_999), terms(100_000)).is_dear
    assert only(held(1, 5, approved_raw=558_000), terms(100_000)).way is Way.LEND
    # Without the energy, what was approved for a loan burns nothing: it waits for energy.
    assert only(held(1, 5, approved_raw=558_000), terms()) == Choice(key=1, way=Way.WAIT, cost_raw=558_000)


def test_what_was_spent_on_a_sweep_before_counts() -> None:
    """An account that was made for a sweep, or a sweep that failed, makes it no cheaper."""
    assert only(held(1, 230), terms(has_stake=False)).way is Way.BURN
    assert only(held(1, 230, spent_raw=1_100_000), terms(has_stake=False)) == Choice(
        key=1, way=Way.WAIT, cost_raw=7_795_500, is_dear=True
    )
    # A loan that it has must be taken back.
    ready = Resources(exists=True, bytes_free=600, energy=64_285)
    assert only(held(1, 1_000, ready, loans=1), terms()) == Choice(key=1, way=Way.OWN, cost_raw=280_000)


def test_without_a_known_worth_no_sweep_is_dear() -> None:
    one = Held(key=1, amount_raw=1, coin_worth_raw=None, cost=SWEEP, resources=FRESH)

    assert only(one, terms()).way is Way.BURN


def test_energy_goes_first_to_those_that_burning_would_make_dear() -> None:
    # Burning is within 1 % from 201 USDT on, a loan from 17 on.
    some = [held(1, 5_000), held(2, 150), held(3, 100), held(4, 20)]

    ways = {choice.key: choice.way for choice in choose(some, terms(2 * 65_571))}
    assert ways == {2: Way.LEND, 3: Way.LEND, 4: Way.WAIT, 1: Way.BURN}
    ways = {choice.key: choice.way for choice in choose(some, terms(4 * 65_571))}
    assert set(ways.values()) == {Way.LEND}


def test_an_address_that_lacks_energy_in_spite_of_its_loans_waits_for_their_return() -> None:
    assert only(held(1, 100, loans=MAX_LOANS), terms(100_000)).way is Way.WAIT


def test_the_coin_is_swept_less_what_its_bytes_cost() -> None:
    cost = Cost(energy=0, size=267, activates=False, fee_limit_raw=0)

    def coin(amount_raw: int, bytes_free: int) -> Held:
        has = Resources(exists=True, bytes_free=bytes_free, spendable_raw=amount_raw)
        return Held(key=1, amount_raw=amount_raw, coin_worth_raw=None, cost=cost, resources=has, is_coin=True)

    assert only(coin(COIN, 600), terms()) == Choice(key=1, way=Way.OWN, cost_raw=0)
    assert only(coin(30 * COIN, 0), terms()) == Choice(key=1, way=Way.OWN, cost_raw=267_000)
    assert only(coin(COIN, 0), terms()) == Choice(key=1, way=Way.WAIT, cost_raw=267_000, is_dear=True)
    assert only(coin(1, 0), terms()) == Choice(key=1, way=Way.WAIT, cost_raw=267_000, is_dear=True)


def test_a_failed_sweep_is_tried_again_after_longer_and_longer_times() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)

    hours = [(retry_at(at, failures) - at) / timedelta(hours=1) for failures in (1, 2, 3, 5, 6, 100)]
    assert hours == [1, 2, 4, 16, 24, 24]


RESOURCES = st.builds(
    Resources,
    exists=st.booleans(),
    energy=st.sampled_from([0, 1_000, 64_285, 200_000]),
    bytes_free=st.sampled_from([0, 255, 600]),
    spendable_raw=st.sampled_from([0, 345_000, 6_428_500, 100 * COIN]),
).map(lambda one: one if one.exists else Resources(exists=False))
HELD = st.builds(
    Held,
    key=st.integers(1, 10**6),
    amount_raw=st.integers(1, 5_000 * USDT),
    coin_worth_raw=st.sampled_from([None, WORTH]),
    cost=st.builds(
        Cost,
        energy=st.sampled_from([64_285, 130_285]),
        size=st.just(345),
        activates=st.just(False),
        fee_limit_raw=st.just(16_000_000),
    ),
    resources=RESOURCES,
    spent_raw=st.sampled_from([0, 0, 1_100_000, 7_000_000]),
    approved_raw=st.sampled_from([None, None, 600_000, 20 * COIN]),
    loans=st.integers(0, MAX_LOANS),
)
ROUND = st.builds(
    terms,
    st.integers(0, 1_000_000),
    bytes_staked=st.integers(0, 3_000),
)


@given(st.lists(HELD, max_size=12, unique_by=lambda one: one.key), ROUND, st.randoms(use_true_random=False))
def test_choices_cost_no_more_than_allowed_and_lend_no_more_than_there_is(
    some: list[Held], round_: Terms, random: Random
) -> None:
    choices = choose(some, round_)
    by_key = {one.key: one for one in some}

    # Each sweep has one choice, whatever the order in which they were found.
    assert sorted(choice.key for choice in choices) == sorted(by_key)
    assert choose(random.sample(some, len(some)), round_) == choices

    left = round_.energy
    for choice in choices:
        one = by_key[choice.key]
        if choice.way is Way.WAIT:
            assert (choice.coin_raw, choice.energy) == (0, 0)
            # One that is not dear waits for energy alone, which was given to those before it.
            if not choice.is_dear:
                assert is_within(choice.cost_raw, one, round_)
                assert energy_to_lend(one) > left
            continue
        assert not choice.is_dear
        assert is_within(choice.cost_raw, one, round_)
        if choice.way is Way.LEND:
            assert choice.energy == energy_to_lend(one) > 0
            left -= choice.energy
        if choice.way is Way.OWN:
            assert one.resources.exists
            assert one.cost.burned_raw(PRICES, one.resources) <= one.resources.spendable_raw
        if choice.way is Way.BURN:
            # With the coin that is sent, and what it has, the address can pay for its sweep.
            bytes_free = one.resources.bytes_free if one.resources.exists else PRICES.free_bytes
            then = Resources(exists=True, energy=one.resources.energy, bytes_free=bytes_free)
            assert one.cost.burned_raw(PRICES, then) <= one.resources.spendable_raw + choice.coin_raw
    assert left >= 0


@given(st.lists(HELD, max_size=12, unique_by=lambda one: one.key), ROUND)
def test_no_larger_sweep_that_needs_energy_waits_while_a_smaller_one_gets_as_much(
    some: list[Held], round_: Terms
) -> None:
    by_key = {one.key: one for one in some}
    choices = choose(some, round_)

    waiting: list[Held] = []
    for choice in choices:
        one = by_key[choice.key]
        if choice.way is Way.WAIT and not choice.is_dear:
            waiting.append(one)
        if choice.way is Way.LEND:
            assert all(choice.energy < energy_to_lend(other) for other in waiting)
