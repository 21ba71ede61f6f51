"""Which invoice a transfer is for, what pays it, and what is too small to count."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.deposits.matching import Candidate, Match, TimelyDeposit, Verdict, match, overshoots, payment
from app.invoices.states import Status

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TOO_LATE = NOW + timedelta(minutes=1)
ASKED_RAW = 10_000


def invoice(id: str, status: Status = Status.AWAITING_DEPOSIT, pay_in_raw: int = 100, asset: str = "USDT") -> Candidate:
    return Candidate(id, status, asset, pay_in_raw, TOO_LATE)


def in_parts(received_raw: int = 0, status: Status = Status.AWAITING_DEPOSIT) -> Candidate:
    return replace(invoice("A", status, ASKED_RAW), accept_parts=True, received_raw=received_raw)


def came(*amounts_raw: int) -> list[TimelyDeposit]:
    """Deposits of these amounts, in order; less than 1 % of ASKED_RAW is dust."""
    return [TimelyDeposit(str(n), amount_raw, amount_raw * 100 < ASKED_RAW) for n, amount_raw in enumerate(amounts_raw)]


def raw(deposits: Sequence[TimelyDeposit]) -> list[int]:
    return [deposit.amount_raw for deposit in deposits]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (Status.AWAITING_DEPOSIT, Verdict.EXACT),
        (Status.CONFIRMING, Verdict.SECOND),
        (Status.PAID, Verdict.SECOND),
        (Status.REFUNDED, Verdict.SECOND),
        (Status.CLOSED, Verdict.SECOND),
        (Status.EXPIRED, Verdict.LATE),
        (Status.CANCELLED, Verdict.CANCELLED),
        (Status.MANUAL_REVIEW, Verdict.EXACT),
    ],
)
def test_the_right_amount_pays_an_open_invoice_and_one_in_review(status: Status, verdict: Verdict) -> None:
    assert match("USDT", 100, NOW, [invoice("A", status)]) == Match("A", verdict)


@pytest.mark.parametrize("status", [Status.AWAITING_DEPOSIT, Status.MANUAL_REVIEW])
def test_the_last_moment_is_too_late(status: Status) -> None:
    assert match("USDT", 100, TOO_LATE, [invoice("A", status)]) == Match("A", Verdict.LATE)


@pytest.mark.parametrize("amount", [100, 99])
def test_after_a_cancellation_nothing_pays_whatever_came_before(amount: int) -> None:
    cancelled = replace(invoice("A", Status.MANUAL_REVIEW), was_cancelled=True)
    assert match("USDT", amount, NOW, [cancelled]) == Match("A", Verdict.CANCELLED)


@pytest.mark.parametrize("status", [Status.AWAITING_DEPOSIT, Status.MANUAL_REVIEW])
@pytest.mark.parametrize(
    ("asset", "amount", "verdict"),
    [("USDT", 99, Verdict.UNDERPAID), ("USDT", 101, Verdict.OVERPAID), ("ETH", 100, Verdict.WRONG_ASSET)],
)
def test_any_other_deposit_has_a_verdict(status: Status, asset: str, amount: int, verdict: Verdict) -> None:
    assert match(asset, amount, NOW, [invoice("A", status)]) == Match("A", verdict)


def test_a_late_payment_matches_its_invoice_although_another_has_the_address() -> None:
    served = [invoice("new", pay_in_raw=200), invoice("old", Status.EXPIRED, pay_in_raw=100)]
    assert match("USDT", 100, NOW, served) == Match("old", Verdict.LATE)
    assert match("USDT", 200, NOW, served) == Match("new", Verdict.EXACT)
    assert match("USDT", 150, NOW, served) == Match("new", Verdict.UNDERPAID)


def test_a_late_last_part_matches_its_invoice_although_another_has_the_address() -> None:
    served = [replace(in_parts(), id="new"), in_parts(received_raw=6_000, status=Status.EXPIRED)]
    assert match("USDT", 4_000, NOW, served) == Match("A", Verdict.LATE)
    assert match("USDT", 3_000, NOW, served) == Match("new", Verdict.PART)


def test_an_address_that_served_nobody_lately_is_unknown() -> None:
    assert match("USDT", 100, NOW, []) == Match(None, Verdict.UNKNOWN)
    assert match("USDT", 99, NOW, [], dust_limit_raw=100) == Match(None, Verdict.DUST)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize(
    ("asset", "amount_raw", "dust_limit_raw", "is_dust"),
    [
        ("USDT", 99, 0, True),  # less than 1 % of 10,000
        ("USDT", 100, 0, False),
        ("ETH", 99, 0, False),  # 1 % of another asset does not apply
        ("ETH", 999, 1_000, True),
        ("ETH", 1_000, 1_000, False),
        ("USDT", 500, 1_000, True),
    ],
)
def test_dust_is_dust_whatever_the_invoice_is(
    status: Status, asset: str, amount_raw: int, dust_limit_raw: int, is_dust: bool
) -> None:
    for target in (invoice("A", status, ASKED_RAW), in_parts(status=status)):
        found = match(asset, amount_raw, NOW, [target], dust_limit_raw)
        assert (found.invoice_id, found.verdict is Verdict.DUST) == ("A", is_dust)


def test_the_expected_amount_is_never_dust() -> None:
    assert match("USDT", 100, NOW, [invoice("A")], dust_limit_raw=1_000) == Match("A", Verdict.EXACT)


@given(
    st.sampled_from(["USDT", "ETH"]),
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(list(Status)), st.integers(1, 3), st.sampled_from(["USDT", "ETH"])), max_size=5),
)
def test_only_an_open_invoice_over_just_this_is_ever_paid(
    asset: str, amount: int, served: list[tuple[Status, int, str]]
) -> None:
    candidates = [invoice(str(n), *facts) for n, facts in enumerate(served)]
    found = match(asset, amount, NOW, candidates)
    assert (found.invoice_id is None) == (not candidates)
    if found.verdict == Verdict.EXACT:
        paid = next(c for c in candidates if c.id == found.invoice_id)
        assert paid.status in (Status.AWAITING_CHOICE, Status.AWAITING_DEPOSIT, Status.MANUAL_REVIEW)
        assert (paid.asset, paid.pay_in_raw) == (asset, amount)


def test_parts_pay_when_they_are_the_amount_and_not_before() -> None:
    target = in_parts()
    assert payment(target, came(6_000)) == []
    assert raw(payment(target, came(6_000, 4_000))) == [6_000, 4_000]
    assert payment(target, came(6_000, 4_001)) == []
    assert payment(invoice("A", pay_in_raw=ASKED_RAW), came(6_000, 4_000)) == []


def test_neither_a_test_transfer_nor_a_strangers_dust_changes_the_sum() -> None:
    target = in_parts()
    assert raw(payment(target, came(50, 9_950))) == [50, 9_950], (
        "the customer's own deposit, and the amount that the page then requests"
    )
    assert raw(payment(target, came(6_000, 7, 4_000))) == [6_000, 4_000], "sent without loading the page again"
    assert raw(payment(target, came(6_000, 7, 3_993))) == [6_000, 7, 3_993], "sent after loading it again"
    assert raw(payment(target, came(9_950, 50))) == [9_950, 50], "the last part is dust by its size"


def test_the_one_exact_deposit_pays_and_the_parts_are_left() -> None:
    assert raw(payment(in_parts(), came(6_000, 10_000))) == [10_000]


def test_a_part_that_is_too_large_is_recognised_at_once() -> None:
    assert not overshoots(in_parts(), came(6_000), 4_000)
    assert not overshoots(in_parts(), came(6_000, 7), 4_000)
    assert overshoots(in_parts(), came(6_000), 4_001)


DUST_RAW = st.lists(st.integers(1, 99), max_size=4)


@given(st.lists(st.integers(100, 4_000), max_size=4), st.lists(st.integers(1, 20_000), max_size=5), st.data())
def test_one_exact_deposit_pays_in_whatever_order(parts: list[int], others: list[int], data: st.DataObject) -> None:
    deposits = data.draw(st.permutations([*parts, *others, ASKED_RAW]))
    for target in (in_parts(), invoice("A", pay_in_raw=ASKED_RAW)):
        assert raw(payment(target, came(*deposits))) == [ASKED_RAW]


@given(st.lists(st.integers(100, 3_000), min_size=1, max_size=3), DUST_RAW, DUST_RAW, st.data())
def test_parts_pay_with_dust_between_and_after_them(
    parts: list[int], before: list[int], after: list[int], data: st.DataObject
) -> None:
    """A customer who sends the missing amount pays, with or without loading the page again."""
    deposits = data.draw(st.permutations([*parts, *before]))
    missing_raw = ASKED_RAW - sum(deposits if data.draw(st.booleans()) else parts)
    paying = payment(in_parts(), came(*deposits, missing_raw, *after))
    assert sum(raw(paying)) == ASKED_RAW
    assert len({deposit.id for deposit in paying}) == len(paying)
    assert payment(in_parts(), came(*deposits)) == []
