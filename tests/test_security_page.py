"""Every sentence of the security page, and the tests that fail when it stops being true.

`data/security_page.txt` is a copy of the page. A sentence about the gateway has tests that prove it; a sentence of
advice to the integrator has tests of the functions that the advice needs, or of the gateway's own behaviour. At least
one test of each sentence is in the table of faults (tests/mutation), so `make mutate` fails if that test is emptied.
"""

import inspect
import re
from pathlib import Path

import pytest

from app.core.outbound import OutboundClient
from tests.mutation.faults import FAULTS
from tests.mutation.proofs import why_no_proof

TESTS = Path(__file__).parent
PAGE = (TESTS / "data/security_page.txt").read_text()

PROOFS: dict[str, tuple[str, ...]] = {
    "Treat the secret like a password.": (
        "api_keys/test_keys.py::test_a_key_is_read_with_its_merchant_and_shows_no_secret",
    ),
    "Put it in a secret manager, never commit it, never log it.": (
        "web/test_edge.py::test_the_access_log_names_the_route_and_no_secret",
    ),
    "Use one key per integration role and scope it down": ("api/test_invoices.py::test_a_key_allows_only_its_scopes",),
    "Add an IP allowlist on every production key.": (
        "api_keys/test_keys.py::test_the_allowlist_knows_both_families",
        "web/test_rate_limits.py::test_a_spoofed_header_opens_no_allowlist",
    ),
    "Set a tight per-key rate limit.": ("web/test_rate_limits.py::test_of_200_parallel_requests_exactly_60_pass",),
    "A leaked key with rate-limit 60 is much less dangerous": (
        "web/test_rate_limits.py::test_two_real_server_processes_share_the_limit",
        "web/test_rate_limits.py::test_without_redis_each_process_still_limits_and_nobody_waits",
    ),
    "Rotate keys on every staff change.": (
        "api_keys/test_keys.py::test_rotation_keeps_the_old_secret_for_the_grace_and_no_longer",
        "api_keys/test_keys.py::test_rotation_without_grace_ends_the_old_secret_at_once",
    ),
    "5 failed attempts": (
        "api_keys/test_lockout.py::test_of_a_hundred_parallel_guesses_five_are_compared",
        "api_keys/test_lockout.py::test_the_lock_survives_redis_and_restarts_and_ends_after_an_hour",
    ),
    "The lockout is per-key": ("api_keys/test_lockout.py::test_of_a_hundred_parallel_guesses_five_are_compared",),
    "Verify the Swap-Pay-Signatureheader": (
        "webhooks/test_signing.py::test_our_signature_is_hmac_of_time_and_body_under_the_whole_secret",
        "webhooks/test_delivery.py::test_an_event_arrives_signed_and_is_the_very_bytes_that_the_query_shows",
        "docs/test_webhook_snippets.py::test_the_snippet_accepts_our_webhooks_only",
    ),
    "Reject events older than 5 minutes": (
        "docs/test_webhook_snippets.py::test_the_snippet_accepts_our_webhooks_only",
        "webhooks/test_signing.py::test_each_attempt_has_its_own_time_and_the_same_id",
    ),
    "Always dedupe by event_id.": ("webhooks/test_signing.py::test_each_attempt_has_its_own_time_and_the_same_id",),
    "Retries reuse the same id.": (
        "webhooks/test_delivery.py::test_ten_attempts_by_the_schedule_then_dead_then_replayed",
    ),
    "Use HTTPS endpoints with strict TLS": (
        "core/test_outbound_client.py::test_certificates_that_do_not_verify",
        "core/test_outbound_targets.py::test_every_line_of_the_shared_list_is_refused",
        "core/test_outbound_targets.py::test_addresses_that_are_denied",
        "core/test_outbound_targets.py::test_a_denied_ipv4_address_is_denied_in_every_ipv6_form",
        "core/test_outbound_client.py::test_a_name_that_turns_private_is_never_connected_to",
        "api/test_webhooks.py::test_a_refused_url_creates_no_endpoint",
    ),
    "Respond 2xx within 10 seconds.": (
        "test_security_page.py::test_a_receiver_has_ten_seconds",
        "core/test_outbound_client.py::test_dripping_headers_fail_at_the_deadline",
        "core/test_outbound_client.py::test_every_2xx_is_delivered",
        "core/test_outbound_client.py::test_no_other_status_is_delivered",
    ),
    "Slow replies trigger retries and eventual dead-letter.": (
        "webhooks/test_delivery.py::test_ten_attempts_by_the_schedule_then_dead_then_replayed",
    ),
    "If your endpoint accumulates 20 consecutive failures": (
        "webhooks/test_delivery.py::test_twenty_failures_pause_exactly_and_enabling_delivers_all_in_order",
        "webhooks/test_delivery.py::test_a_success_resets_the_count",
    ),
    "Re-enable in the cabinet.": (
        "cabinet/test_webhooks.py::test_a_paused_endpoint_is_shown_everywhere_and_gets_waiting_events_in_order",
    ),
    "The payment_urlcontains an HMAC": (
        "checkout/test_links.py::test_every_wrong_link_gets_the_same_answer_in_the_same_time",
        "invoices/test_rules.py::test_a_link_opens_its_invoice_and_no_other_text_does",
    ),
    "Send your customer the full URL exactly as we return it.": (
        "checkout/test_links.py::test_every_wrong_link_gets_the_same_answer_in_the_same_time",
    ),
    "The page sets a strict": (
        "web/test_edge.py::test_headers_of_pages_and_of_the_api",
        "checkout/test_links.py::test_nothing_private_reaches_the_page_its_parts_or_headers",
        "test_architecture.py::test_no_template_holds_inline_script_or_style",
    ),
    "Don't iframe it.": (
        "web/test_edge.py::test_headers_of_pages_and_of_the_api",
        "checkout/test_checkout_live.py::test_a_foreign_page_can_neither_pay_nor_frame",
        "checkout/test_embedding.py::test_only_listed_origins_frame_only_the_embedded_page",
    ),
    "Customer data:": (
        "api/test_invoices.py::test_only_a_hash_of_the_customers_address_is_stored",
        "checkout/test_links.py::test_nothing_private_reaches_the_page_its_parts_or_headers",
    ),
    "Use raw minor units in your storage.": ("core/test_database.py::test_amounts_come_back_as_int",),
    "Never store amounts as floats.": ("test_architecture.py::test_money_code_holds_no_float",),
    "The exact amount on the hosted checkout includes the service fee.": (
        "invoices/test_rules.py::test_every_minor_unit_is_credited_to_somebody",
        "checkout/test_pages.py::test_the_exact_amount_is_first_and_shown_once",
    ),
    "Wrong-amount transfers go to manual review.": (
        "deposits/test_payment.py::test_a_wrong_amount_goes_to_review_and_to_suspense",
    ),
    "Every payout and refund waits for operator approval": (
        "withdrawals/test_approvals.py::test_postgres_refuses_an_unapproved_transaction",
        "signer/test_signing.py::test_a_status_set_in_the_database_is_no_approval",
        "deposits/test_reviews.py::test_a_return_is_a_refund_that_another_operator_approves",
    ),
    "Ledger is hash-chained per (merchant, asset).": (
        "ledger/test_ledger.py::test_parallel_bookings_make_one_chain_that_verifies",
        "ledger/test_ledger.py::test_a_change_without_triggers_is_named",
    ),
    "Reconciliation runs every 6 hours": (
        "test_security_page.py::test_reconciliation_runs_every_six_hours",
        "reconciliation/test_drift.py::test_one_run_finds_it_and_alerts_everybody",
    ),
    "success_url/fail_urlmust be HTTPS.": ("api/test_invoices.py::test_what_is_wrong_is_named",),
    "Don't include secrets in the redirect target": ("api/test_invoices.py::test_what_is_wrong_is_named",),
    "Verify the payment status on your server side": (
        "api/test_invoices.py::test_an_invoice_is_made_read_and_cancelled",
        "deposits/test_payment.py::test_the_exact_amount_confirms_and_pays",
    ),
    "The redirect alone is not authoritative": ("deposits/test_payment.py::test_the_exact_amount_confirms_and_pays",),
    "Enable TOTP on every cabinet account": (
        "identity/test_sign_in_pages.py::test_with_an_authenticator_the_password_alone_opens_nothing",
        "identity/test_guard.py::test_operators_act_with_two_steps_only",
    ),
    "Cabinet sessions are 30-day cookies": (
        "accounts/test_sessions.py::test_a_session_ends_after_thirty_days_used_or_not",
        "identity/test_security_pages.py::test_a_stolen_cookie_does_nothing_sensitive_without_a_code",
    ),
}
"""By the beginning of each sentence."""

NO_PROMISE = ("Security", "API keys", "Webhooks", "Hosted checkout", "Money safety", "Customer redirect", "2FA")
"""Headings."""

INTRODUCTION = ("Read this if", "The short version")


def sentences() -> list[str]:
    """The page, one sentence each. A line that is no item and follows no heading continues the previous one."""
    paragraphs: list[str] = []
    for line in filter(None, map(str.strip, PAGE.splitlines())):
        if line.startswith("- ") or not paragraphs or paragraphs[-1] in NO_PROMISE or line in NO_PROMISE:
            paragraphs.append(line.removeprefix("- "))
        else:
            paragraphs[-1] += " " + line
    return [part for whole in paragraphs for part in re.split(r"(?<=[.])(?:\s+|- )+(?=[A-Z])", whole)]


def promises() -> list[str]:
    return [one for one in sentences() if one not in NO_PROMISE and not one.startswith(INTRODUCTION)]


@pytest.mark.parametrize("sentence", promises())
def test_a_sentence_has_its_tests(sentence: str) -> None:
    assert any(sentence.startswith(beginning) for beginning in PROOFS), "a promise without a test"


def test_every_proof_is_of_a_present_sentence() -> None:
    assert [each for each in PROOFS if not any(one.startswith(each) for one in promises())] == []


@pytest.mark.parametrize("node", sorted({node for nodes in PROOFS.values() for node in nodes}))
def test_a_proof_is_an_existing_test(node: str) -> None:
    assert why_no_proof(node) is None


@pytest.mark.parametrize("beginning", PROOFS)
def test_a_fault_breaks_each_promise(beginning: str) -> None:
    noticing = {node.partition("[")[0] for fault in FAULTS for node in fault.noticed_by}
    assert noticing & set(PROOFS[beginning])


def test_a_receiver_has_ten_seconds() -> None:
    assert inspect.signature(OutboundClient).parameters["total_timeout_s"].default == 10


def test_reconciliation_runs_every_six_hours() -> None:
    from workers import default

    (job,) = [job.cron() for job in default.QUEUE.jobs if job.work is default.reconcile]
    assert (job.hour, job.minute, job.second) == ({0, 6, 12, 18}, 30, 0)
    assert (job.month, job.day, job.weekday) == (None, None, None)
