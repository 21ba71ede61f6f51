"""Faults in return addresses: who may name one, whose it is, and who decides on it."""

from tests.mutation.table import Fault

_TESTS = "refunds/test_return_addresses.py::"

RETURNS = (
    Fault(
        "app/refunds/return_addresses.py",
        'return given if given.decision == "confirmed" or case.rule == "direct" else None',
        "return given",
        "whoever has the payment link is paid, and the merchant was not asked",
        (f"{_TESTS}test_the_merchant_s_rule_decides_what_operators_see",),
    ),
    Fault(
        "app/refunds/return_addresses.py",
        'if now_given is not None and now_given.decision == "confirmed":',
        "if False:",
        "a confirmed address is replaced, or the page fails where it should say no",
        (f"{_TESTS}test_a_customer_s_address_is_confirmed_and_used_for_the_return",),
    ),
    Fault(
        "app/refunds/return_addresses.py",
        "if given is None or given.id != address_id:",
        "if given is None:",
        "a member confirms an address that was not on the page",
        (f"{_TESTS}test_a_rejected_address_is_asked_for_again_and_only_the_newest_is_decided",),
    ),
    Fault(
        "app/refunds/return_addresses.py",
        "if case is None or case.merchant_id != by.merchant_id:",
        "if case is None:",
        "a merchant confirms where another merchant's customer is paid",
        (f"{_TESTS}test_a_link_is_good_for_its_deposit_and_invoice_alone",),
    ),
    Fault(
        "app/invoices/links.py",
        'self._mac(f"{invoice_id}\\0{deposit_id}", RETURN)',
        "self._mac(deposit_id, RETURN)",
        "a return link opens at other invoices, whose pages it was not made for",
        (f"{_TESTS}test_a_link_is_good_for_its_deposit_and_invoice_alone",),
    ),
    Fault(
        "app/deposits/reviews.py",
        "if {review.deposit_id for review in now_open} != set(deposit_ids):",
        "if False:",
        "an operator settles a deposit that came after the page was made",
        ("operator/test_desk_actions.py::test_the_open_reviews_of_an_invoice_are_settled_in_one_step_or_not_at_all",),
    ),
)
