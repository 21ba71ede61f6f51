"""Which invoice a transfer is for: one verdict pays, and only to the letter."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deposits.matching import Candidate, Match, Verdict, match
from app.invoices.states import Status

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def invoice(id: str, status: Status = Status.AWAITING_DEPOSIT, pay_in_raw: int = 100, asset: str = "USDT") -> Candidate:
    return Candidate(id, status, asset, pay_in_raw, NOW + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (Status.AWAITING_DEPOSIT, Verdict.EXACT),
        (Status.CONFIRMING, Verdict.SECOND),
        (Status.PAID, Verdict.SECOND),
        (Status.REFUNDED, Verdict.SECOND),
        (Status.EXPIRED, Verdict.LATE),
        (Status.CANCELLED, Verdict.CANCELLED),
        (Status.MANUAL_REVIEW, Verdict.IN_REVIEW),
    ],
)
def test_the_right_amount_pays_an_open_invoice_alone(status: Status, verdict: Verdict) -> None:
    assert match("USDT", 100, NOW, [invoice("A", status)]) == Match("A", verdict)


def test_the_last_moment_is_too_late() -> None:
    assert match("USDT", 100, NOW + timedelta(minutes=1), [invoice("A")]) == Match("A", Verdict.LATE)


@pytest.mark.parametrize(
    ("asset", "amount", "verdict"),
    [("USDT", 99, Verdict.UNDERPAID), ("USDT", 101, Verdict.OVERPAID), ("ETH", 100, Verdict.WRONG_ASSET)],
)
def test_anything_else_names_its_fault(asset: str, amount: int, verdict: Verdict) -> None:
    assert match(asset, amount, NOW, [invoice("A")]) == Match("A", verdict)


def test_a_late_payment_finds_its_invoice_though_another_holds_the_address() -> None:
    served = [invoice("new", pay_in_raw=200), invoice("old", Status.EXPIRED, pay_in_raw=100)]
    assert match("USDT", 100, NOW, served) == Match("old", Verdict.LATE)
    assert match("USDT", 200, NOW, served) == Match("new", Verdict.EXACT)
    assert match("USDT", 150, NOW, served) == Match("new", Verdict.UNDERPAID)


def test_an_address_that_served_nobody_lately_is_unknown() -> None:
    assert match("USDT", 100, NOW, []) == Match(None, Verdict.UNKNOWN)


@given(
    st.sampled_from(["USDT", "ETH"]),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(list(Status)), st.integers(1, 3), st.sampled_from(["USDT", "ETH"])), max_size=5),
)
def test_only_an_open_invoice_over_just_this_is_ever_paid(asset: str, amount: int, served: list[tuple]) -> None:
    candidates = [invoice(str(n), *facts) for n, facts in enumerate(served)]
    found = match(asset, amount, NOW, candidates)
    assert (found.invoice_id is None) == (not candidates)
    if found.verdict == Verdict.EXACT:
        paid = next(c for c in candidates if c.id == found.invoice_id)
        assert (paid.status, paid.asset, paid.pay_in_raw) == (Status.AWAITING_DEPOSIT, asset, amount)
