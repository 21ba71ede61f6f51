"""The texts of the checkout page, without a browser."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import fields

from app.checkout.choosing import usual_wait
from app.checkout.view import Anomaly, CheckoutView, FeePayer, Transfer, shorten
from app.checkout.wording import estimate, put_into_words, time_left
from app.invoices.states import Status
from app.web.languages import ENGLISH
from tests.checkout.site import ADDRESS, a_priced_view, a_quoted_view, a_view


@pytest.mark.parametrize("status", Status)
def test_every_state_explains_itself_and_what_to_do(status: Status) -> None:
    words = put_into_words(a_view(status), ENGLISH)
    assert words.headline
    assert len(words.next_step) > 20
    assert "%(" not in "".join(str(getattr(words, name)) for name in words.__struct_fields__)


@pytest.mark.parametrize("anomaly", Anomaly)
def test_every_anomaly_is_explained(anomaly: Anomaly) -> None:
    assert put_into_words(a_view(Status.MANUAL_REVIEW, anomaly=anomaly), ENGLISH).anomaly


@pytest.mark.parametrize(
    ("seen", "required", "block_time_ms", "text"),
    [
        (19, 20, 3_000, "A few seconds to go"),
        (12, 20, 3_000, "About 30 seconds to go"),
        (0, 20, 3_000, "About 1 minute to go"),
        (1, 3, 600_000, "About 20 minutes to go"),
        (0, 1, 600_000, "About 10 minutes to go"),
        (0, 6, 600_000, "About 60 minutes to go"),
        (0, 12, 600_000, "About 2 hours to go"),
        (0, 15, 750, "About 20 seconds to go"),
        (25, 20, 3_000, "A few seconds to go"),
    ],
)
def test_the_estimate_never_promises_too_much(seen: int, required: int, block_time_ms: int, text: str) -> None:
    view = a_view(
        Status.CONFIRMING,
        confirmations_seen=seen,
        confirmations_required=required,
        block_time_ms=block_time_ms,
    )
    assert estimate(view, ENGLISH) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00"),
        (59 * 60 + 7, "59:07"),
        (3_723, "1:02:03"),
        (86_400 + 61, "1 day 00:01:01"),
        (604_800, "7 days 00:00:00"),
    ],
)
def test_time_left_reads_like_a_clock(seconds: int, text: str) -> None:
    assert time_left(seconds, ENGLISH) == text


def test_the_words_on_the_fee_depend_on_who_pays_it() -> None:
    def text(**changes: Any) -> str:
        return put_into_words(a_view(**changes), ENGLISH).fee

    assert text() == "Harbour & Pine pays the service fee."
    assert text(fee_payer=FeePayer.CUSTOMER).startswith("A service fee of 0.04 USDT is included.")
    assert text(fee_payer=FeePayer.CUSTOMER, status=Status.PAID) == "A service fee of 0.04 USDT was included."
    assert text(status=Status.EXPIRED) == ""


def test_that_fees_come_on_top_is_said_only_beside_an_amount_to_send() -> None:
    def text(status: Status, **changes: Any) -> str:
        return put_into_words(a_view(status, **changes), ENGLISH).on_top

    assert text(Status.AWAITING_DEPOSIT).startswith("Network fees come on top.")
    assert text(Status.MANUAL_REVIEW, can_be_paid_in_review=True)
    assert [text(status) for status in (Status.MANUAL_REVIEW, Status.CONFIRMING, Status.PAID)] == ["", "", ""]


@pytest.mark.parametrize(
    ("amount", "cent_tail", "parts"),
    [
        ("5.000073", 73, ("5.0000", "73")),
        ("5.00007", 70, ("5.0000", "7")),
        ("0.010073000000000001", 73, ("0.0100", "73000000000001")),
        ("5.00", 0, ("5.00", "")),
        ("5", 12, ("5", "")),
    ],
)
def test_the_identifying_digits_are_set_apart_and_nothing_is_lost(
    amount: str, cent_tail: int, parts: tuple[str, str]
) -> None:
    view = a_view(amount_decimal=amount, cent_tail=cent_tail)
    assert view.amount_parts == parts
    assert "".join(view.amount_parts) == amount


def test_address_groups_join_to_the_address() -> None:
    assert "".join(a_view().address_groups) == ADDRESS


def test_a_quote_shows_its_price_its_rate_and_two_ends() -> None:
    words = put_into_words(a_quoted_view(), ENGLISH)
    assert words.price == "Your price: 49.90 EUR"
    assert "1 BTC = 51" in words.rate
    assert words.rate.endswith("2 minutes old")
    assert (words.time_left, words.invoice_time_left) == ("14:50", "59:59")
    assert put_into_words(a_view(), ENGLISH).invoice_time_left == ""


def test_a_quote_that_has_run_out_is_renewed_unless_money_has_come() -> None:
    over = a_quoted_view(expires_at=a_quoted_view().now - timedelta(minutes=1))
    assert over.renewal is not None
    assert over.renewal.asset == "BTC"
    assert put_into_words(over, ENGLISH).headline == "This amount has run out"
    given_back = a_priced_view(ways_to_pay=over.ways_to_pay, has_had_quote=True)
    assert given_back.renewal == over.renewal
    assert a_quoted_view().renewal is None, "it still holds"
    assert a_quoted_view(expires_at=over.expires_at, came_decimal="0.0001").renewal is None
    ended = a_quoted_view(expires_at=over.expires_at, invoice_ends_at=over.expires_at)
    assert ended.renewal is None
    assert put_into_words(ended, ENGLISH).headline == "The time to pay is up"


def test_each_way_to_pay_tells_how_long_it_takes() -> None:
    waits = [usual_wait(way, ENGLISH) for way in a_priced_view().ways_to_pay]
    assert waits == [
        "Usually counts after 30 minutes",
        "Usually counts within a minute",
        "There is no exchange rate at the moment",
    ]


def test_an_expired_page_stays_live_for_an_hour() -> None:
    fresh = a_view(Status.EXPIRED)
    assert a_view(Status.EXPIRED, now=fresh.expires_at + timedelta(minutes=59)).is_live
    assert not a_view(Status.EXPIRED, now=fresh.expires_at + timedelta(minutes=61)).is_live


@pytest.mark.parametrize("field", ["success_url", "fail_url"])
@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://shop.example", "//shop.example", ""])
def test_a_link_that_is_not_https_is_refused(field: str, url: str) -> None:
    changes: dict[str, Any] = {field: url}
    with pytest.raises(ValueError, match="https"):
        a_view(**changes)
    with pytest.raises(ValueError, match="https"):
        a_view(**changes, test_mode=True)


def test_a_developers_shop_on_the_customers_own_machine_is_led_to_in_test_mode_alone() -> None:
    at_home = "http://localhost:3000/orders/1042"
    assert a_view(success_url=at_home, test_mode=True).success_url == at_home
    with pytest.raises(ValueError, match="https"):
        a_view(success_url=at_home, test_mode=False)


def test_other_links_are_refused_too() -> None:
    with pytest.raises(ValueError, match="scheme"):
        a_view(payment_uri="javascript:alert(1)")
    with pytest.raises(ValueError, match="https"):
        Transfer(transaction_id="a", amount_decimal="1", asset="USDT", explorer_url="javascript:alert(1)")


def test_private_fields_have_no_place_in_the_view() -> None:
    names = {field.name for field in fields(CheckoutView)}
    assert "invoice_id" in names
    assert not {"customer_id", "customer_email", "metadata", "order_id"} & names


def test_transaction_ids_are_shortened_in_the_middle() -> None:
    assert shorten("0x" + "ab" * 32) == "0xababab…ababab"
    assert shorten("short") == "short"
