"""Amounts as people type and paste them."""

import pytest

from app.identity.amounts import amount
from app.identity.forms import Form


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        ("25", "25"),
        ("25.00 USDT", "25.00"),
        ("usdt 25", "25"),
        ("12,5", "12.5"),
        ("0,250", "0.250"),
        ("10000,25", "10000.25"),
        ("1.250", "1.250"),
        ("1,250.00", "1250.00"),
        ("1.250,00", "1250.00"),
        ("1,250,000", "1250000"),
        ("1.250.000", "1250000"),
        ("1 250,5", "1250.5"),
        ("1\u202f250", "1250"),
        ("1’250.75", "1250.75"),
    ],
)
def test_an_amount_with_one_meaning_is_understood(typed: str, understood: str) -> None:
    form = Form.empty(amount=typed)
    assert amount(form, "amount", "USDT") == understood
    assert form.errors == {}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Enter an amount, such as 1250.00."),
        ("1,250", "Does 1,250 mean 1250 or 1.250?"),
        ("25 BTC", "The amount says BTC, but USDT is chosen."),
        ("1,25,000", "with a point and no thousands separator"),
        ("1.2.3", "with a point and no thousands separator"),
        ("-3", "with a point and no thousands separator"),
        ("1e5", "with a point and no thousands separator"),
        ("five", "with a point and no thousands separator"),
        ("٣", "with a point and no thousands separator"),
    ],
)
def test_an_amount_with_no_meaning_or_two_is_named(typed: str, words: str) -> None:
    form = Form.empty(amount=typed)
    assert amount(form, "amount", "USDT") == ""
    assert words in form.errors["amount"]
