"""How figures of several sources become one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rates import median
from app.rates.median import Sourced, agree, near_median, objection, rounded
from app.rates.median import median as middle_of
from app.rates.sources.port import Pair, Quoted

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
PAIR = Pair("BTC", "EUR")

figures = st.decimals(
    min_value=median.LEAST, max_value=median.MOST, allow_nan=False, allow_infinity=False, places=20
).filter(lambda figure: figure > 0)


def said(*texts: str) -> list[Sourced]:
    return [
        Sourced(f"source{number}", Decimal(text), NOW - timedelta(seconds=number), NOW + timedelta(seconds=60 - number))
        for number, text in enumerate(texts)
    ]


def rate(*texts: str, before: str | None = None, held: str | None = None) -> str | None:
    result = agree(
        PAIR,
        said(*texts),
        NOW,
        before=None if before is None else Decimal(before),
        held=None if held is None else Decimal(held),
    )
    assert (result.rate is None) != (result.problem is None)
    return None if result.rate is None else str(result.rate.figure)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), None),
        (("57000",), None),
        (("57000", "57000"), "57000"),
        (("57000", "57100"), "57050"),
        (("57000", "57100", "99000"), "57050"),  # one that lies is left out
        (("57000", "57100", "0.0001"), "57050"),
        (("100", "105"), None),  # each is 2.4 % off the middle
        (("100", "104"), "102"),
        (("98", "100", "102"), "100"),  # exactly 2 % off is near enough
        (("97.99", "100", "102"), "101"),
        (("100", "200", "300"), None),
        (("0.00000012", "0.00000012"), "1.2E-7"),
        (("1", "1.000000000000000001"), "1"),  # the mean has 19 digits
    ],
)
def test_the_rate_is_the_median_without_what_is_far_off(texts: tuple[str, ...], expected: str | None) -> None:
    assert rate(*texts) == expected


def test_a_rate_names_its_sources_and_is_as_old_as_the_oldest_that_counts() -> None:
    result = agree(PAIR, said("57000", "57100", "60000"), NOW, before=None, held=None)
    assert result.rate is not None
    assert [(one.name, one.used) for one in result.rate.sources] == [
        ("source0", True),
        ("source1", True),
        ("source2", False),
    ]
    assert result.rate.at == NOW - timedelta(seconds=1)
    assert result.rate.good_until == NOW + timedelta(seconds=59)


@pytest.mark.parametrize(
    ("figure", "held", "believed"),
    [
        ("57000000000", None, False),  # a million times as much
        ("0.057", None, False),
        ("57000000000", "57000000000", True),  # two refreshes agree
        ("57000000000", "57500000000", True),
        ("57000000000", "0.057", False),
        ("71250", None, True),  # a quarter more in one refresh is a very bad day, and happens
        ("71251", None, False),
        ("42750", None, True),
        ("42749", None, False),
    ],
)
def test_a_jump_is_held_until_the_next_refresh_finds_it_too(figure: str, held: str | None, believed: bool) -> None:
    assert rate(figure, figure, before="57000", held=held) == (figure if believed else None)
    result = agree(PAIR, said(figure, figure), NOW, before=Decimal(57000), held=Decimal(held) if held else None)
    assert result.held_figure == (None if believed else Decimal(figure))


@pytest.mark.parametrize(
    ("figure", "age_s", "words"),
    [
        ("0", 0, "not a price"),
        ("-57000", 0, "not a price"),
        ("NaN", 0, "not a price"),
        ("Infinity", 0, "not a price"),
        ("1E-400", 0, "out of all bounds"),
        ("1E+400", 0, "out of all bounds"),
        ("57000", 60, None),
        ("57000", 61, "61 s old"),
        ("57000", 86_400 * 365, "s old"),
        ("57000", -5, None),
        ("57000", -6, "6 s ahead"),
    ],
)
def test_what_no_source_may_say(figure: str, age_s: int, words: str | None) -> None:
    found = objection(Quoted(PAIR, Decimal(figure), NOW - timedelta(seconds=age_s)), NOW)
    assert found is None if words is None else found is not None and words in found


@given(st.lists(figures, min_size=1, max_size=9))
def test_the_median_lies_among_its_figures_in_any_order(given_figures: list[Decimal]) -> None:
    middle = middle_of(given_figures)
    assert min(given_figures) <= middle <= max(given_figures)
    assert middle == middle_of(given_figures[::-1])
    below, above = sum(one <= middle for one in given_figures), sum(one >= middle for one in given_figures)
    assert 2 * min(below, above) >= len(given_figures)


@given(st.lists(figures, max_size=9))
def test_two_agree_or_none_counts(given_figures: list[Decimal]) -> None:
    used = near_median(given_figures)
    assert sum(used) != 1
    counted = [figure for figure, is_used in zip(given_figures, used, strict=True) if is_used]
    if counted:
        middle = middle_of(given_figures)
        assert all(abs(figure - middle) * 50 <= middle for figure in counted)
        assert max(counted) <= min(counted) * Decimal("1.05")


@given(figures, st.integers(min_value=-200, max_value=200), figures)
def test_one_source_that_lies_moves_a_rate_of_three_no_further_than_the_honest_ones_differ(
    honest: Decimal, off_bps: int, lie: Decimal
) -> None:
    other = honest * (10_000 + off_bps) / 10_000
    texts = [honest, other, lie]
    used = near_median(texts)
    counted = [figure for figure, is_used in zip(texts, used, strict=True) if is_used]
    if counted:
        low, high = min(honest, other) * Decimal("0.96"), max(honest, other) * Decimal("1.04")
        assert low <= middle_of(counted) <= high


@given(figures)
def test_a_rounded_figure_has_18_digits_and_fits_its_column(figure: Decimal) -> None:
    short = rounded(figure)
    assert len(short.as_tuple().digits) <= 18 or short == short.to_integral_value()
    assert abs(short - figure) * 10**17 <= figure or abs(short - figure) <= Decimal("1E-24")
    assert rounded(short) == short
    assert "E" not in f"{short:f}"
    assert -int(short.as_tuple().exponent) <= 24
