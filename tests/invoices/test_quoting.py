"""What a price is in an asset: never less than its worth, over by at most what the rule says, and a figure that can be
typed. For every currency, every number of places, and rates from dust to mountains."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core import currencies
from app.core.errors import ApiError
from app.invoices.quoting import TYPABLE_DIGITS, amount_of_price_raw, amount_worth_raw, format_price, parse_price

every_currency = st.sampled_from(sorted(currencies.known()))
rates = st.decimals(Decimal("0.000000000001"), Decimal("1e12"), allow_nan=False, allow_infinity=False)


@example(price_raw=4990, currency="EUR", spread_bps=0, rate=Decimal("0.92"), decimals=6)
@example(price_raw=10**14, currency="KWD", spread_bps=1000, rate=Decimal("3E-12"), decimals=0)
@example(price_raw=1, currency="JPY", spread_bps=1, rate=Decimal("1E+12"), decimals=18)
@given(
    price_raw=st.integers(1, 10**15 - 1),
    currency=every_currency,
    spread_bps=st.integers(0, 1_000),
    rate=rates,
    decimals=st.integers(0, 18),
)
def test_an_amount_is_worth_the_price_and_hardly_more(
    price_raw: int, currency: str, spread_bps: int, rate: Decimal, decimals: int
) -> None:
    amount_raw = amount_of_price_raw(price_raw, currency, spread_bps, rate, decimals)
    places = currencies.places(currency)
    wanted = Fraction(price_raw, 10**places) * Fraction(10_000 + spread_bps, 10_000)
    worth = Fraction(amount_raw, 10**decimals) * Fraction(rate)
    assert worth >= wanted, "never below the price"
    over, one_unit = worth - wanted, Fraction(rate) / 10**decimals
    cent, share = Fraction(1, 10**places), worth / 10 ** (TYPABLE_DIGITS - 1)
    assert over < max(one_unit, min(cent, share)), "over by less than the rule says"
    assert 0 < amount_raw < 10**78


@given(worth_raw=st.integers(1, 10**15), currency=every_currency, rate=rates, decimals=st.integers(0, 18))
def test_what_is_sent_back_for_a_worth_is_the_most_that_is_not_above_it(
    worth_raw: int, currency: str, rate: Decimal, decimals: int
) -> None:
    amount_raw = amount_worth_raw(worth_raw, currency, rate, decimals)
    wanted, unit = Fraction(worth_raw, 10 ** currencies.places(currency)), Fraction(rate) / 10**decimals
    assert amount_raw * unit <= wanted < (amount_raw + 1) * unit


@given(price_raw=st.integers(1, 10**6), rate=rates, decimals=st.integers(0, 18))
def test_an_ordinary_price_has_six_digits_at_most(price_raw: int, rate: Decimal, decimals: int) -> None:
    """A price of no more than six digits: a seventh digit of the amount would be worth less than a cent."""
    amount_raw = amount_of_price_raw(price_raw, "EUR", 0, rate, decimals)
    assert len(str(amount_raw).rstrip("0")) <= TYPABLE_DIGITS + 1


@pytest.mark.parametrize(
    ("price", "currency", "rate", "decimals", "amount_raw"),
    [
        ("49.90", "EUR", "80000", 8, 62_375),
        ("49.90", "EUR", "2400", 18, 20_791_700_000_000_000),
        ("1000000.00", "EUR", "0.925", 6, 1_081_081_090_000),  # six digits alone would be over by 8 euros
        ("5000", "JPY", "150.25", 6, 33_277_900),
        ("1.500", "KWD", "0.307", 6, 4_886_000),
        ("0.01", "EUR", "80000", 8, 13),  # one satoshi is worth less than a cent, half a one can't be paid
        ("10.00", "EUR", "3.00", 0, 4),
    ],
)
def test_amounts(price: str, currency: str, rate: str, decimals: int, amount_raw: int) -> None:
    assert amount_of_price_raw(parse_price(price, currency), currency, 0, Decimal(rate), decimals) == amount_raw


@pytest.mark.parametrize("rate", ["0", "-1", "NaN", "Infinity"])
def test_no_amount_is_made_of_such_a_rate(rate: str) -> None:
    with pytest.raises(ValueError, match="a rate of"):
        amount_of_price_raw(100, "EUR", 0, Decimal(rate), 6)


def test_the_context_of_decimals_does_not_matter() -> None:
    exact = amount_of_price_raw(4990, "EUR", 17, Decimal("1234.56789012345678901234"), 18)
    with localcontext(prec=3):
        assert amount_of_price_raw(4990, "EUR", 17, Decimal("1234.56789012345678901234"), 18) == exact


@given(price_raw=st.integers(1, 10**15 - 1), currency=every_currency)
def test_a_price_is_read_as_it_is_shown(price_raw: int, currency: str) -> None:
    shown = format_price(price_raw, currency)
    assert parse_price(shown, currency) == price_raw
    assert len(shown.partition(".")[2]) == currencies.places(currency)


@pytest.mark.parametrize(("text", "currency"), [("49.901", "EUR"), ("0", "EUR"), ("5.5", "JPY"), ("1" * 14, "EUR")])
def test_what_is_no_price(text: str, currency: str) -> None:
    with pytest.raises(ApiError, match="INVALID_INPUT: amount"):
        parse_price(text, currency)
