"""Faults in the rates: what a source says and nobody should believe."""

from tests.mutation.table import Fault

_MEDIAN = "rates/test_median.py::"
_REFRESH = "rates/test_refresh.py::"

RATES = (
    Fault(
        "app/rates/median.py",
        "if now > quoted.at + quoted.good_for:",
        "if False:",
        "a delisted market's last price of a month ago counts",
        (f"{_MEDIAN}test_what_no_source_may_say",),
    ),
    Fault(
        "app/rates/median.py",
        "near = [not _is_off(figure, middle, MAX_OFF_BPS) for figure in figures]",
        "near = [True for figure in figures]",
        "one source that lies moves the rate",
        (f"{_MEDIAN}test_the_rate_is_the_median_without_what_is_far_off",),
    ),
    Fault(
        "app/rates/median.py",
        "return near if sum(near) >= MIN_SOURCES else",
        "return near if sum(near) >= 1 else",
        "a rate rests on one source alone",
        (f"{_MEDIAN}test_the_rate_is_the_median_without_what_is_far_off",),
    ),
    Fault(
        "app/rates/median.py",
        "if has_jumped and (held is None or _is_off(figure, held, MAX_OFF_BPS)):",
        "if False:",
        "an error of a moment sells goods for a millionth of their price",
        (f"{_REFRESH}test_a_jump_is_held_until_two_refreshes_agree",),
    ),
    Fault(
        "app/rates/sources/listing.py",
        "1 / price if self.is_inverted else +price",
        "+price",
        "a pair that is listed the other way round has the reciprocal of its rate",
        (f"{_REFRESH}test_a_pair_that_is_listed_the_other_way_round_is_inverted",),
    ),
    Fault(
        "app/rates/sources/kraken.py",
        'if result.keys() != {market.name, "last"}:',
        "if False:",
        "the answer of another market is the asset's rate, or the source fails with a riddle",
        (f"{_REFRESH}test_a_source_that_sets_a_trap_does_not_count",),
    ),
    Fault(
        "app/rates/service.py",
        "return now <= rate.good_until",
        "return True",
        "while the worker is down, customers pay by yesterday's rate",
        ("rates/test_service.py::test_a_rate_that_is_too_old_is_none",),
    ),
    Fault(
        "app/networks/evm/feeds.py",
        "if latest.answered_in_round < latest.round_id:",
        "if False:",
        "a feed's answer of an earlier round counts",
        ("rates/test_chainlink.py::test_a_round_that_is_not_answered_has_no_price",),
    ),
    Fault(
        "app/networks/evm/feeds.py",
        'if "".join(stated.split()).upper() != f"{feed.base}/{feed.quote}":',
        "if False:",
        "a wrong address in the networks file gives one asset the price of another",
        ("rates/test_chainlink.py::test_a_contract_that_is_not_the_pairs_feed_has_no_price",),
    ),
    Fault(
        "app/worth/service.py",
        '("invoice_credit", "payout_settled", "refund_settled")',
        '("invoice_credit", "refund_settled")',
        "a payout has no worth in the books of its merchant",
        ("worth/test_worth.py::test_a_payout_is_worth_what_it_was_when_it_was_confirmed",),
    ),
    Fault(
        "app/checkout/view.py",
        " and not self.came_decimal and not self.deposits",
        "",
        "whoever has paid a part is offered a new amount, and pays twice",
        ("checkout/test_wording.py::test_a_quote_that_has_run_out_is_renewed_unless_money_has_come",),
    ),
    Fault(
        "app/networks/customer_fees.py",
        " if look.looked_at >= since}",
        "}",
        "a customer is shown a network fee of a quieter hour",
        ("networks/test_customer_fees.py::test_it_is_stored_kept_where_a_look_fails_and_not_shown_once_it_is_old",),
    ),
    Fault(
        "app/networks/customer_fees.py",
        "        except NetworkError as error:",
        "        except ZeroDivisionError as error:",
        "one network without an answer stops the looks at the fees of all",
        ("networks/test_customer_fees.py::test_it_is_stored_kept_where_a_look_fails_and_not_shown_once_it_is_old",),
    ),
)
