"""Each row of docs/security.md: the capability works until an event of the row ends it, and then is refused.

What needs a chain, a browser or a running server is tested elsewhere: `ELSEWHERE` names the tests.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

from app.core import clock
from app.core.settings import Settings
from tests.capabilities import accounts, found, merchants
from tests.capabilities.table import changes, named, rows
from tests.capabilities.world import a_world

TESTS = Path(__file__).parents[1]
ROWS = rows()
MAKES = accounts.MAKES | merchants.MAKES
ENDS = accounts.ENDS | merchants.ENDS

GUARD, SIGN_IN, SECURITY = "identity/test_guard.py", "identity/test_sign_in_pages.py", "identity/test_security_pages.py"
DELIVERY, LINKS, LIVE = "webhooks/test_delivery.py", "checkout/test_links.py", "checkout/test_checkout_live.py"
APPROVALS, DESK = "withdrawals/test_approvals.py", "operator/test_desk_actions.py"
ALERTS = "identity/test_sign_in_alerts.py"
KEPT = "cabinet/test_kept_forms.py"
RETURNS = "refunds/test_return_addresses.py"

ELSEWHERE: dict[tuple[str, str], str] = {
    ("Session", "another sign-in in the same browser"): f"{SIGN_IN}::test_a_new_sign_in_ends_the_browsers_last_session",
    ("Visit", "a right password"): f"{SIGN_IN}::test_every_step_replaces_a_planted_token",
    ("Token of a form", "signing out"): f"{GUARD}::test_a_token_of_a_form_ends_with_its_session",
    ("Key of a form", "use"): "accounts/test_form_uses.py::"
    "test_of_ten_submissions_at_once_one_is_carried_out_and_nine_get_its_redirect",
    ("Kept form", "use"): f"{KEPT}::test_a_refused_form_can_be_loaded_again_and_is_gone_once_it_is_right",
    ("Kept form", "signing in as somebody else"): f"{KEPT}::"
    "test_what_was_typed_is_shown_to_the_account_that_typed_it_alone",
    ("Secret that waits for its page", "use"): "accounts/test_form_uses.py::"
    "test_a_secret_is_encrypted_and_read_once_by_its_own_session_and_page",
    ("Sentence for the next page", "use"): f"{GUARD}::test_a_flash_is_shown_once_and_only_ours",
    ("Email that waits to be sent", "use"): "mail/test_service.py::"
    "test_a_link_is_never_in_the_outbox_in_clear_and_gone_once_it_is_sent",
    ("Stored answer to a creation", "revocation"): "api_keys/test_keys.py::"
    "test_revocation_and_expiry_work_on_the_next_request",
    ("Signing secret of an endpoint", "rotation and its overlap"): f"{DELIVERY}::"
    "test_a_rotation_signs_with_both_until_the_overlap_ends",
    ("Signing secret of an endpoint", "deletion of the endpoint"): "webhooks/test_service.py::"
    "test_a_deleted_endpoint_is_gone_and_gets_nothing",
    ("Payment link", "a new `LINK_SECRET`"): "invoices/test_rules.py::"
    "test_a_link_opens_its_invoice_and_no_other_text_does",
    **{
        ("Payment link of a merchant", event): "api/test_link_pages.py::"
        "test_a_link_that_is_over_says_so_and_makes_nothing"
        for event in ("switching it off", "the merchant is suspended", "the merchant is banned")
    },
    ("Payment link of a merchant", "its last payment"): "api/test_link_pages.py::"
    "test_more_payments_than_there_may_be_can_t_be_taken_by_a_race",
    ("Payment link of a merchant", "a new `LINK_SECRET`"): "invoices/test_rules.py::"
    "test_a_link_opens_its_invoice_and_no_other_text_does",
    ("Receipt link", "a new `LINK_SECRET`"): "invoices/test_rules.py::"
    "test_a_link_opens_its_invoice_and_no_other_text_does",
    ("Return link", "a member confirms an address"): f"{RETURNS}::"
    "test_a_customer_s_address_is_confirmed_and_used_for_the_return",
    ("Return link", "the merchant’s setting"): f"{RETURNS}::test_the_merchant_s_rule_decides_what_operators_see",
    ("Return link", "a new `LINK_SECRET`"): "invoices/test_rules.py::"
    "test_a_return_link_is_good_for_one_deposit_of_one_invoice",
    ("Stream of a checkout page", "the page is closed"): f"{LIVE}::test_streams_of_disconnected_clients_are_closed",
    ("Request for a payout or refund", "cancellation"): "payouts/test_payouts.py::"
    "test_the_merchant_cancels_while_nobody_has_decided",
    (
        "Request for a payout or refund",
        "rejection",
    ): f"{APPROVALS}::test_a_rejection_has_a_reason_and_releases_the_money",
    ("Form of an approval", "another request or an edited one"): f"{DESK}::"
    "test_a_form_of_another_payout_approves_neither",
    ("Approval", "rejection"): f"{APPROVALS}::test_an_approved_payout_is_rejected_only_while_nothing_is_signed",
    ("Approval", "a hold"): f"{APPROVALS}::test_a_hold_stops_unsent_and_later_withdrawals",
    ("Approval", "removal of the operator while others are missing"): f"{APPROVALS}::"
    "test_an_approval_ends_with_the_right_to_give_one",
    ("Passkey", "removal of the passkey"): "accounts/test_passkeys.py::"
    "test_a_removed_passkey_and_what_it_has_opened_are_gone",
    ("Challenge of a passkey", "use"): "accounts/test_passkeys.py::"
    "test_an_answer_is_taken_once_in_its_browser_for_its_purpose_and_in_time",
    ("Known browser", "being forgotten in the list"): f"{ALERTS}::"
    "test_a_browser_that_is_forgotten_is_written_about_again",
    (
        "Known browser",
        "a sign-in that is disowned",
    ): f"{ALERTS}::test_it_was_not_me_ends_everything_and_starts_the_reset",
    ("Merchant and mode of the last visit", "another merchant or mode"): "cabinet/test_begin.py::"
    "test_the_cabinet_begins_where_one_worked_last",
    ("Time until which a browser has seen what there was", "the next page"): "standby/test_readers.py::"
    "test_who_wrote_or_was_told_sees_it_and_others_may_see_what_was",
    ("Metrics token", "a new `METRICS_TOKEN`"): "monitoring/test_routes.py::test_metrics_need_the_token",
}


@pytest.mark.parametrize("what", MAKES)
async def test_it_works_until_each_thing_that_ends_it(
    db: str, steady_clock: None, settings: Settings, what: str
) -> None:
    row, still_works = ROWS[what], []
    assert await (await MAKES[what](await a_world(settings)))(), "it does not work at first"
    for end in row.ends:
        if (what, end) in ELSEWHERE:
            continue
        world = await a_world(settings)
        use = await MAKES[what](world)
        if end == "use":
            await use()
        else:
            await ENDS[end](world)
        if await use():
            still_works.append(end)
    assert still_works == []


@pytest.mark.parametrize("what", [what for what in MAKES if ROWS[what].lifetime])
async def test_it_lasts_as_long_as_the_table_says(db: str, steady_clock: None, settings: Settings, what: str) -> None:
    lifetime = ROWS[what].lifetime
    assert lifetime is not None
    use = await MAKES[what](await a_world(settings))
    clock.shift(lifetime)
    assert not await use()


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_row_has_its_proofs(row) -> None:  # type: ignore[no-untyped-def]
    """A scenario above, or an existing test elsewhere that asserts something."""
    assert row.ends, "a row must say what ends it"
    for end in row.ends:
        proof = ELSEWHERE.get((row.what, end))
        if proof is None:
            assert row.what in MAKES, f"nothing makes it, and no test is named for: {end}"
            assert end == "use" or end in ENDS, f"nothing makes this happen: {end}"
        else:
            assert asserts_something(proof), proof


def test_every_proof_has_a_row() -> None:
    walked = {(row.what, end) for row in ROWS.values() for end in row.ends}
    assert set(ELSEWHERE) <= walked
    assert set(MAKES) <= set(ROWS)
    assert set(ENDS) <= {end for _, end in walked}
    assert len(changes()) == 9


def test_everything_in_the_code_that_gives_a_right_is_on_the_page() -> None:
    """And the page names nothing that does not exist."""
    in_code = {
        "cookie": found.cookie_names(),
        "derived key": found.derived_keys(),
        "sealed": found.sealed(),
    }
    for kind, names in in_code.items():
        assert named(kind) == names, kind
    assert found.tables() <= named("table")
    assert named("HMAC") == {"payment-link", "receipt-link", "return-link", "reusable-link"}
    assert found.hmacs() == {
        "app/core/crypto.py",  # API keys: the pepper
        "app/identity/form_keys.py",  # tokens of forms
        "app/invoices/links.py",  # payment links, links of receipts and of returns
        "app/invoices/creation.py",  # matching by a customer's address: no right
        "app/accounts/throttle.py",  # counts: no right
        "app/webhooks/signing.py",  # signatures under an endpoint's secret
    }


def asserts_something(proof: str) -> bool:
    """Whether a test of that name exists and asserts something."""
    path, _, name = proof.partition("::")
    return any(
        isinstance(node, ast.Assert) or (isinstance(node, ast.Attribute) and node.attr.startswith("until_"))
        for function in _tests_of(path)
        if function.name == name
        for node in ast.walk(function)
    )


@cache
def _tests_of(path: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    body = ast.parse((TESTS / path).read_text()).body
    return [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
