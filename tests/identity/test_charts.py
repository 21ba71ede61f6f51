"""The geometry of charts: exact for values of any size, without floats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.identity import charts

raw = st.integers(min_value=0, max_value=10**78 - 1)


def test_a_bar_is_as_high_as_its_share_of_the_highest_line() -> None:
    chart = charts.bars([("Mon", 0), ("Tue", 10), ("Wed", 20)])
    assert chart.top == 20
    assert [bar.height for bar in chart.bars] == [0, charts.HEIGHT // 2, charts.HEIGHT]
    assert all(bar.y + bar.height == chart.height for bar in chart.bars)
    assert [(line.value, line.y) for line in chart.lines] == [(5, 120), (10, 80), (15, 40), (20, 0)]


@given(st.lists(raw, min_size=1, max_size=90))
def test_bars_keep_their_order_and_stay_inside(values: list[int]) -> None:
    chart = charts.bars([(str(place), value) for place, value in enumerate(values)])
    for bar, value in zip(chart.bars, values, strict=True):
        assert 0 <= bar.height <= chart.height
        assert (bar.height > 0) == (value > 0)
        assert bar.x >= 0
        assert bar.x + bar.width <= chart.width
    assert all(left.x + left.width <= right.x for left, right in zip(chart.bars, chart.bars[1:], strict=False))
    for one in chart.bars:
        assert all(one.height >= other.height for other in chart.bars if one.value >= other.value)


def test_a_small_value_beside_a_large_one_is_visible() -> None:
    assert charts.bars([("a", 1), ("b", 10**30)]).bars[0].height == charts.LEAST_BAR


def test_a_chart_without_values_has_no_lines() -> None:
    chart = charts.bars([("a", 0), ("b", 0)])
    assert chart.is_empty
    assert chart.lines == ()
    assert charts.bars([]).is_empty


def test_negative_values_are_refused() -> None:
    with pytest.raises(ValueError, match="negative value"):
        charts.bars([("a", -1)])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (1, 4), (5, 8), (13, 20), (1402, 2_000), (6_100, 8_000), (10**6, 10**6), (19_204_500_000, 20_000 * 10**6)],
)
def test_the_highest_line_is_a_round_figure(value: int, expected: int) -> None:
    assert charts.ceiling(value) == expected


@given(raw)
def test_the_highest_line_is_near_and_splits_into_whole_parts(value: int) -> None:
    top = charts.ceiling(value)
    assert top >= value
    assert top % charts.LINES == 0
    if value > 4:
        assert top <= 3 * value


def test_a_funnel_has_shares_of_the_first_stage_and_of_the_one_before() -> None:
    created, seen, paid = charts.funnel([("Created", 400), ("Seen", 200), ("Paid", 150)])
    assert (created.share_bps, seen.share_bps, paid.share_bps) == (10_000, 5_000, 3_750)
    assert (seen.kept_bps, paid.kept_bps) == (5_000, 7_500)
    assert charts.funnel([("Created", 0), ("Paid", 0)])[1].share_bps == 0


@pytest.mark.parametrize(("bps", "text"), [(0, "0 %"), (8_000, "80 %"), (3_333, "33.3 %"), (9_999, "100 %")])
def test_shares_as_text(bps: int, text: str) -> None:
    assert charts.per_cent(bps) == text


@given(st.lists(raw, max_size=60))
def test_a_sparkline_stays_in_its_box(values: list[int]) -> None:
    line = charts.sparkline(values)
    spots = [tuple(map(int, spot.split(","))) for spot in line.points.split()]
    assert spots[0][0] == 0
    assert spots[-1][0] == line.width
    assert all(0 <= x <= line.width and 0 <= y <= line.height for x, y in spots)
