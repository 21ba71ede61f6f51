"""What the page says of transfers that did not simply pay."""

import json
from datetime import timedelta

import pytest
from msgspec.structs import replace

from app.checkout.mistakes import explain, mistake_of
from app.checkout.view import Anomaly, ReturnState
from app.checkout.wording import put_into_words
from app.deposits.matching import NEEDS_NO_REVIEW, Verdict
from app.invoices.states import Status
from app.refunds.return_addresses_repository import Case
from app.web.languages import ENGLISH
from tests.checkout.site import a_mistake, a_view
from tests.factories.networks import evm_network


@pytest.mark.parametrize("anomaly", Anomaly)
@pytest.mark.parametrize("status", [Status.MANUAL_REVIEW, Status.PAID, Status.CONFIRMING, Status.AWAITING_DEPOSIT])
def test_every_mistake_says_what_happens_next_and_nothing_wrong_about_sending(anomaly: Anomaly, status: Status) -> None:
    for payable in (True, False):
        for state in ReturnState:
            mistake = a_mistake(anomaly, return_state=state, given_short="TQn9Y2…cbLSE")
            view = a_view(status, anomaly=anomaly, mistakes=(mistake,), can_be_paid_in_review=payable)
            told = explain(mistake, view, ENGLISH)
            said = " ".join(str(getattr(told, name)) for name in told.__struct_fields__)
            assert told.title
            assert told.happens_next
            assert "%(" not in said
            assert bool(told.returning) == (state is not ReturnState.NOT_ASKED)
            assert bool(told.ask) == (state in (ReturnState.ASKED, ReturnState.GIVEN, ReturnState.REJECTED))
            # A second payment is asked for only where it would still count.
            if "exactly 5.000073 USDT" in said:
                assert view.may_still_be_paid
                assert anomaly in (Anomaly.LESS, Anomaly.OTHER_ASSET)
            returning = explain(replace(mistake, is_returning=True), view, ENGLISH)
            what = "What is too much" if anomaly is Anomaly.MORE and status is Status.PAID else "It"
            on_its_way = (returning.happens_next, returning.can_do, returning.how_long)
            assert on_its_way == (f"{what} is being sent back. Nothing more to do.", "", "")
            words = put_into_words(view, ENGLISH)
            assert words.anomaly == "", "each transfer is explained by itself"


def test_a_review_says_by_how_much_and_how_long_it_takes() -> None:
    told = explain(a_mistake(), a_view(Status.MANUAL_REVIEW), ENGLISH)
    assert told.title == "0.100073 USDT less came in than was asked for."
    assert told.how_long == "This is done by hand and can take some hours."
    known = a_view(Status.MANUAL_REVIEW, review_takes=timedelta(minutes=170))
    assert explain(a_mistake(), known, ENGLISH).how_long == "Usual time of a review: 3 hours."
    late = a_mistake(Anomaly.LATE, difference_decimal="")
    assert explain(late, known, ENGLISH).title == "The payment came in after its time was up."
    more = a_mistake(Anomaly.MORE, came_decimal="12345.6", difference_decimal="12340.599927")
    assert explain(more, known, ENGLISH).title.startswith("12\u202f340.599927 USDT more came in")


def test_parts_say_the_exact_figure_that_is_still_to_send() -> None:
    view = a_view(accepts_parts=True, amount_decimal="0.73", came_decimal="4.270073", whole_decimal="5.000073")
    words = put_into_words(view, ENGLISH)
    assert words.headline == "0.73 USDT still to send"
    assert words.tail_hint == "4.270073 of 5.000073 USDT have come in."
    # What a stranger sends does not make the customer send the rest in vain.
    mistake = a_mistake(Anomaly.LESS)
    in_review = a_view(Status.MANUAL_REVIEW, accepts_parts=True, mistakes=(mistake,), can_be_paid_in_review=True)
    assert "would not count" not in explain(mistake, in_review, ENGLISH).can_do


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - NEEDS_NO_REVIEW - {Verdict.UNKNOWN}))
def test_an_open_case_shows_what_was_asked_and_what_came(verdict: Verdict) -> None:
    network = evm_network(["http://127.0.0.1:1"], "0x" + "11" * 20)
    asset = "ETH" if verdict is Verdict.WRONG_ASSET else "USDT"
    facts = {
        "asked": {"asset": "USDT", "amount_raw": "5000073", "before": "2026-01-01T12:00:00Z", "invoice_status": "x"},
        "came": {"asset": asset, "amount_raw": "4000000", "at": "2026-01-01T13:00:00Z", "from_address": None},
    }
    case = Case(
        deposit_id="DEP-1",
        invoice_id="INV-1",
        merchant_id="MCH-1",
        mode="test",
        network=network.key,
        asset=asset,
        amount_raw=4_000_000,
        verdict=verdict.value,
        facts=json.dumps(facts),
        review_status="open",
        deposit_status="suspended",
        rule="confirmed",
        given=None,
    )
    shown = mistake_of(case, network, True, lambda deposit_id: f"/return/{deposit_id}")
    assert (shown.asked_decimal, shown.asked_asset, shown.asset) == ("5.000073", "USDT", asset)
    assert shown.came_decimal == ("0.000000000004" if asset == "ETH" else "4.00")
    assert shown.difference_decimal == ("" if asset == "ETH" else "1.000073")
    assert (shown.return_state, shown.return_url) == (ReturnState.ASKED, "/return/DEP-1")
    assert mistake_of(case, network, False, lambda _: "/x").return_url == ""
