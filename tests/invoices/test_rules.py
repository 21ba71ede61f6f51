"""The pure rules of invoices: prices, states, links."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import tail_unit_raw
from app.invoices import states
from app.invoices.links import PaymentLinks
from app.invoices.pricing import MAX_TAIL, price, share, shares, tail_of_lease
from app.invoices.states import IllegalTransition, Status, check_transition

AMOUNT = st.integers(min_value=1, max_value=10**40)
BPS = st.integers(min_value=0, max_value=5_000)
TAIL = st.integers(min_value=0, max_value=MAX_TAIL)
DECIMALS = st.integers(min_value=0, max_value=18)
PAYER = st.sampled_from(["merchant", "customer"])


@given(AMOUNT, BPS, PAYER, TAIL, DECIMALS)
def test_every_minor_unit_is_credited_to_somebody(amount: int, bps: int, payer: str, tail: int, decimals: int) -> None:
    priced = price(amount, bps, payer, tail, decimals)  # type: ignore[arg-type]
    assert priced.pay_in_raw == priced.net_raw + priced.service_fee_raw
    total_raw = amount + (priced.service_fee_raw if payer == "customer" else 0)
    assert priced.pay_in_raw - total_raw == tail * tail_unit_raw(decimals)


@given(AMOUNT, BPS)
def test_the_fee_is_rounded_up_to_the_minor_unit(amount: int, bps: int) -> None:
    fee = price(amount, bps, "merchant", 0, 6).service_fee_raw
    assert fee * 10_000 >= amount * bps > (fee - 1) * 10_000


def test_the_example_of_the_contract() -> None:
    priced = price(5_000_000, 80, "merchant", 73, 6)
    assert (priced.pay_in_raw, priced.service_fee_raw, priced.net_raw) == (5_000_073, 40_000, 4_960_073)
    assert price(1, 1, "merchant", 0, 6).service_fee_raw == 1


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=8), BPS)
def test_the_fee_of_the_parts_is_the_fee_of_their_sum(parts: list[int], bps: int) -> None:
    total_raw = sum(parts)
    fee = price(total_raw, bps, "merchant", 0, 6).service_fee_raw
    divided = shares(parts, total_raw, fee)
    assert sum(part.service_fee_raw for part in divided) == fee == share(total_raw, total_raw, fee).service_fee_raw
    assert all(part.service_fee_raw >= 0 and part.net_raw >= 0 for part in divided)
    assert [part.service_fee_raw + part.net_raw for part in divided] == parts


def test_tails_run_from_1_to_99_and_start_over() -> None:
    assert [tail_of_lease(n) for n in range(99)] == list(range(1, 100))
    assert tail_of_lease(99) == 1


def test_every_state_has_its_row_and_no_step_leads_nowhere() -> None:
    assert set(states.TRANSITIONS) == set(Status)
    for targets in states.TRANSITIONS.values():
        assert targets <= set(Status)


CONTRACT_STEPS = {
    "awaiting_choice>awaiting_deposit",
    "awaiting_choice>confirming",  # an earlier quote was paid in time
    "awaiting_choice>expired",
    "awaiting_choice>cancelled",
    "awaiting_choice>manual_review",
    "awaiting_deposit>awaiting_choice",  # the quote is over
    "awaiting_deposit>confirming",
    "awaiting_deposit>expired",
    "awaiting_deposit>cancelled",
    "awaiting_deposit>manual_review",
    "confirming>paid",
    "confirming>awaiting_deposit",
    "confirming>manual_review",
    "paid>partially_refunded",
    "paid>refunded",
    "partially_refunded>refunded",
    "expired>manual_review",
    "cancelled>manual_review",
    "manual_review>confirming",
    "manual_review>paid",
    "manual_review>closed",
}


def test_the_steps_of_the_contract_are_allowed_and_no_others() -> None:
    allowed = {f"{current}>{target}" for current, targets in states.TRANSITIONS.items() for target in targets}
    assert allowed == CONTRACT_STEPS
    with pytest.raises(IllegalTransition):
        check_transition(Status.EXPIRED, Status.PAID)


def test_a_return_link_is_good_for_one_deposit_of_one_invoice() -> None:
    links = PaymentLinks("https://pay.example", b"s" * 32)
    slug = links.return_slug("INV-0000000001", "DEP-0000000001")
    assert links.return_url("INV-0000000001", "DEP-0000000001").endswith(f"/return/{slug}")
    assert links.deposit_id("INV-0000000001", slug) == "DEP-0000000001"
    assert links.deposit_id("INV-0000000002", slug) is None
    assert PaymentLinks("https://pay.example", b"t" * 32).deposit_id("INV-0000000001", slug) is None
    for wrong in (slug[:-1], slug + "A", slug.replace("DEP-0000000001", "DEP-0000000002"), "", "DEP-0000000001"):
        assert links.deposit_id("INV-0000000001", wrong) is None
    # No link of one kind is one of another.
    assert links.deposit_id("INV-0000000001", links.slug("INV-0000000001")) is None
    assert links.invoice_id(slug) is None


def test_a_link_opens_its_invoice_and_no_other_text_does() -> None:
    links = PaymentLinks("https://pay.example", b"k" * 32)
    slug = links.slug("INV-0123456789")
    assert links.url("INV-0123456789") == f"https://pay.example/pay/{slug}"
    assert links.invoice_id(slug) == "INV-0123456789"
    foreign = PaymentLinks("https://pay.example", b"x" * 32).slug("INV-0123456789")
    for bad in (
        slug[:-1],
        slug + "A",
        slug + "=",
        slug.replace("9.", "8."),
        slug.lower(),
        "INV-0123456789",
        "",
        foreign,
    ):
        assert links.invoice_id(bad) is None

    receipt = links.receipt_slug("INV-0123456789")
    assert links.receipt_url("INV-0123456789") == f"https://pay.example/receipt/{receipt}"
    assert links.receipt_invoice_id(receipt) == "INV-0123456789"
    assert (links.invoice_id(receipt), links.receipt_invoice_id(slug)) == (None, None)
    foreign = PaymentLinks("https://pay.example", b"x" * 32).receipt_slug("INV-0123456789")
    for bad in (receipt[:-1], receipt + "A", "INV-0123456789", "", foreign):
        assert links.receipt_invoice_id(bad) is None

    reusable = links.link_slug("PL-0123456789")
    assert links.link_url("PL-0123456789") == f"https://pay.example/l/{reusable}"
    assert (links.link_id(reusable), links.invoice_id(reusable)) == ("PL-0123456789", None)
    foreign = PaymentLinks("https://pay.example", b"x" * 32).link_slug("PL-0123456789")
    for bad in (reusable[:-1], reusable + "A", "PL-0123456789", "", foreign, slug, receipt):
        assert links.link_id(bad) is None


@given(st.text(max_size=60))
def test_random_text_is_no_link(text: str) -> None:
    assert PaymentLinks("https://pay.example", b"k" * 32).invoice_id(text) is None
