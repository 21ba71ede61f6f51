"""Amounts are parsed and formatted exactly, to the last digit."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import ApiError
from app.core.money import format_amount, parse_amount, tail_unit_raw

RAW = st.integers(min_value=1, max_value=10**78 - 1)
DECIMALS = st.integers(min_value=0, max_value=30)


@given(RAW, DECIMALS)
def test_what_is_printed_reads_back_as_the_same_amount(raw: int, decimals: int) -> None:
    text = format_amount(raw, decimals)
    if len(text) <= 79:
        assert parse_amount(text, decimals) == raw


@given(RAW, DECIMALS)
def test_only_a_decimal_point_is_added(raw: int, decimals: int) -> None:
    whole, _, places = format_amount(raw, decimals).partition(".")
    assert int(whole + places.ljust(decimals, "0")) == raw


@pytest.mark.parametrize(
    ("raw", "decimals", "text"),
    [
        (5_000_073, 6, "5.000073"),
        (5_000_000, 6, "5.00"),
        (1, 18, "0.000000000000000001"),
        (7, 0, "7"),
        (70, 1, "7.0"),
        (-1_500_000, 6, "-1.50"),
    ],
)
def test_amounts_look_like_this(raw: int, decimals: int, text: str) -> None:
    assert format_amount(raw, decimals) == text


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.00", "-1", "+1", "1e3", "1,5", " 1", "1 ", "1.", ".5", "١", "1_000", "0x10", "NaN", "1.0000001"],
)
def test_anything_but_a_plain_positive_decimal_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="amount: "):
        parse_amount(text, 6)


@given(st.text(max_size=90))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with suppress(ApiError):
        assert parse_amount(text, 6) > 0


def test_the_tail_is_in_the_sixth_decimal_or_the_last() -> None:
    assert [tail_unit_raw(decimals) for decimals in (2, 6, 8, 18)] == [1, 1, 100, 10**12]
