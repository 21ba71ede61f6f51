"""Faults in access: keys, sessions, codes, forms, and limits of requests."""

from tests.mutation.table import Fault

KEYS = (
    Fault(
        "app/api_keys/service.py",
        "    stored = secrets.seal(peppers, secret)\n    while True:",
        "    stored = secrets.seal(peppers, secret)\n    settings = settings._replace(name=secret)\n    while True:",
        "an attacker who reads the database knows the keys of all merchants",
        ("api_keys/test_keys.py::test_a_key_is_read_with_its_merchant_and_shows_no_secret",),
    ),
    Fault(
        "app/api_keys/lockout.py",
        "MAX_FAILURES = 5",
        "MAX_FAILURES = 50",
        "an attacker gets fifty guesses at a key",
        ("api_keys/test_lockout.py::test_of_a_hundred_parallel_guesses_five_are_compared",),
    ),
    Fault(
        "app/api_keys/lockout.py",
        "LOCK = timedelta(hours=1)",
        "LOCK = timedelta(minutes=50)",
        "a locked key is unlocked too early",
        ("api_keys/test_lockout.py::test_the_lock_survives_redis_and_restarts_and_ends_after_an_hour",),
    ),
    Fault(
        "app/api_keys/authentication.py",
        "if not allowlist.admits(tuple(row.allowlist), address):",
        "if False:",
        "a stolen key works from the thief's address",
        ("api_keys/test_keys.py::test_the_allowlist_knows_both_families",),
    ),
    Fault(
        "app/api_keys/authentication.py",
        "if row.revoked_at is not None:",
        "if False:",
        "a revoked key still works",
        ("api_keys/test_keys.py::test_revocation_and_expiry_work_on_the_next_request",),
    ),
    Fault(
        "app/api_keys/authentication.py",
        "matched is None or key.mode != row.mode",
        "matched is None",
        "a test key is accepted as a live one",
        ("api_keys/test_keys.py::test_the_mode_is_part_of_the_key",),
    ),
    Fault(
        "app/api_keys/authentication.py",
        "until is not None and now < until",
        "until is not None",
        "a process that has seen the old secret accepts it for ever after a rotation",
        ("api_keys/test_keys.py::test_rotation_keeps_the_old_secret_for_the_grace_and_no_longer",),
    ),
    Fault(
        "app/api_keys/secrets.py",
        "accepted.previous_valid_until is not None and now < accepted.previous_valid_until",
        "accepted.previous_valid_until is not None",
        "the old secret works for ever after a rotation",
        ("api_keys/test_keys.py::test_rotation_keeps_the_old_secret_for_the_grace_and_no_longer",),
    ),
    Fault(
        "app/api_keys/repository.py",
        "WHERE id = $1 AND merchant = $2 AND revoked_at IS NULL",
        "WHERE id = $1 AND $2 <> '' AND revoked_at IS NULL",
        "one merchant rotates the keys of another and sees the new secret",
        ("api_keys/test_keys.py::test_keys_of_another_merchant_are_not_found",),
    ),
    Fault(
        "app/api_keys/authentication.py",
        "if not is_open(row.merchant_status, row.mode):",
        "if False:",
        "a banned merchant still accepts payments",
        ("api_keys/test_keys.py::test_before_approval_keys_of_test_mode_alone_are_let_in",),
    ),
    Fault(
        "app/merchants/roles.py",
        'return standing == "approved" or (mode == "test" and standing in OPEN_TO_TEST)',
        'return standing == "approved" or standing in OPEN_TO_TEST',
        "a merchant takes real payments before it is approved",
        (
            "api_keys/test_keys.py::test_before_approval_keys_of_test_mode_alone_are_let_in",
            "merchants/test_roles.py::test_an_unapproved_merchant_does_no_business_and_a_banned_one_changes_nothing",
        ),
    ),
    Fault(
        "app/api/guard.py",
        "if needed != _ANY_SCOPE and not principal.may(needed):",
        "if False:",
        "a key for reports requests payouts",
        ("api/test_invoices.py::test_a_key_allows_only_its_scopes",),
    ),
    Fault(
        "app/web/access_log.py",
        'if is_api(scope["path"]):',
        "if True:",
        "payment links and other secrets of URLs are written to the access log",
        ("web/test_edge.py::test_the_access_log_names_the_route_and_no_secret",),
    ),
)

SESSIONS = (
    Fault(
        "app/accounts/sessions.py",
        "LIFETIME = timedelta(days=30)",
        "LIFETIME = timedelta(days=300)",
        "a stolen cookie works for most of a year",
        ("accounts/test_sessions.py::test_a_session_ends_after_thirty_days_used_or_not",),
    ),
    Fault(
        "app/accounts/sessions_repository.py",
        'SessionTable.expires_at > Param("now")',
        "SessionTable.expires_at.is_not_null()",
        "a session never ends",
        ("accounts/test_sessions.py::test_a_session_ends_after_thirty_days_used_or_not",),
    ),
    Fault(
        "app/accounts/sessions_repository.py",
        '_IS_CURRENT = WhereRaw("{} = {}", SessionTable',
        '_IS_CURRENT = WhereRaw("{} <= 0 OR {} >= 0", SessionTable',
        "a thief stays signed in after the password was changed",
        ("identity/test_password_pages.py::test_a_changed_password_signs_out_everywhere_else",),
    ),
    Fault(
        "app/accounts/sessions_repository.py",
        'SessionTable.delete().where(SessionTable.id == Param("id"), SessionTable.account == Param("account"))',
        'SessionTable.delete().where(SessionTable.id == Param("id"))',
        "anybody signs anybody out",
        ("accounts/test_sessions.py::test_nobody_ends_another_ones_session",),
    ),
    Fault(
        "app/identity/cookies.py",
        "Secure; HttpOnly; SameSite=Lax",
        "Secure; SameSite=Lax",
        "a script on a page reads the session's token",
        ("identity/test_sign_in_pages.py::test_a_password_opens_the_account_and_signing_out_closes_it_at_once",),
    ),
    Fault(
        "app/accounts/links.py",
        '"password_reset": timedelta(hours=1)',
        '"password_reset": timedelta(hours=100)',
        "a letter in an old mailbox gives access to the account",
        ("identity/test_password_pages.py::test_a_link_resets_once_for_an_hour_and_the_latest_password_counts",),
    ),
    Fault(
        "app/accounts/throttle_repository.py",
        "WHERE t.used < $3 OR t.ends_at <= $2",
        "WHERE t.used < $3 * 10 OR t.ends_at <= $2",
        "passwords are guessed ten times as fast",
        ("accounts/test_throttle.py::test_of_a_hundred_tries_at_once_five_are_allowed",),
    ),
)

TOTP = (
    Fault(
        "app/accounts/totp.py",
        "DRIFT_STEPS = 1",
        "DRIFT_STEPS = 20",
        "a code that somebody else saw works for ten minutes",
        ("accounts/test_totp.py::test_a_code_is_valid_in_its_step_and_in_the_one_before_and_after",),
    ),
    Fault(
        "app/accounts/repository.py",
        '_IS_IT, Account.totp_last_counter < Param("counter")\n    )',
        '_IS_IT, Account.totp_last_counter <= Param("counter")\n    )',
        "one code approves several payouts",
        ("withdrawals/test_approvals.py::test_one_code_is_accepted_once_however_many_at_once",),
    ),
    Fault(
        "app/accounts/totp.py",
        "SHORT_WINDOW, SHORT_TRIES = timedelta(minutes=5), 5",
        "SHORT_WINDOW, SHORT_TRIES = timedelta(minutes=5), 15",
        "codes are guessed three times as fast",
        ("withdrawals/test_approvals.py::test_five_wrong_codes_in_five_minutes_twenty_an_hour",),
    ),
    Fault(
        "app/accounts/totp.py",
        "LONG_WINDOW, LONG_TRIES = timedelta(hours=1), 20",
        "LONG_WINDOW, LONG_TRIES = timedelta(hours=1), 60",
        "codes can be guessed for hours",
        ("withdrawals/test_approvals.py::test_five_wrong_codes_in_five_minutes_twenty_an_hour",),
    ),
    Fault(
        "app/accounts/sessions.py",
        "FRESH_CODE = timedelta(minutes=10)",
        "FRESH_CODE = timedelta(hours=10)",
        "an unlocked laptop requests payouts all day",
        ("identity/test_security_pages.py::test_a_code_is_valid_for_ten_minutes_and_used_once",),
    ),
    Fault(
        "app/accounts/codes_repository.py",
        "_USE_CODE = Command(\n    RecoveryCode.delete()",
        '_USE_CODE = Command(\n    RecoveryCode.update({RecoveryCode.account: Param("account")})',
        "a recovery code works again and again",
        ("accounts/test_recovery_codes.py::test_of_twenty_uses_of_one_code_at_once_one_counts",),
    ),
    Fault(
        "app/accounts/sign_in.py",
        "if fresh.has_second_step:",
        "if False:",
        "a password alone signs in to an account with two-step verification",
        ("identity/test_sign_in_pages.py::test_with_an_authenticator_the_password_alone_opens_nothing",),
    ),
    Fault(
        "app/identity/guard.py",
        "if not session.has_second_step:",
        "if False:",
        "an operator acts with a password alone",
        ("identity/test_guard.py::test_operators_act_with_two_steps_only",),
    ),
    Fault(
        "app/identity/identity.py",
        "if not visitor.needs_code(now):",
        "if True:",
        "a stolen cookie creates keys and requests payouts",
        ("identity/test_security_pages.py::test_a_stolen_cookie_does_nothing_sensitive_without_a_code",),
    ),
)

CSRF = (
    Fault(
        "app/web/same_origin.py",
        'return fetch_site == "same-origin"',
        'return fetch_site != "none"',
        "a page of another site submits our forms",
        ("identity/test_guard.py::test_forms_are_refused_from_elsewhere_and_of_other_sessions",),
    ),
    Fault(
        "app/identity/form_keys.py",
        "return key if is_ours else None",
        "return key",
        "a form needs no token of ours",
        ("identity/test_guard.py::test_forms_are_refused_from_elsewhere_and_of_other_sessions",),
    ),
    Fault(
        "app/identity/form_keys.py",
        'f"{bound_to}:{key}"',
        "key",
        "a stranger's own form token works in somebody else's session",
        ("identity/test_guard.py::test_a_token_of_a_form_ends_with_its_session",),
    ),
    Fault(
        "app/web/headers.py",
        '"X-Frame-Options": "DENY",',
        "",
        "a page of another site frames ours (clickjacking)",
        ("web/test_edge.py::test_headers_of_pages_and_of_the_api",),
    ),
    Fault(
        "app/accounts/form_uses_repository.py",
        'target=FormUse.id, action="DO NOTHING"',
        'target=FormUse.id, action="DO UPDATE", values=[FormUse.session_id]',
        "a form that is sent twice requests two payouts",
        ("accounts/test_form_uses.py::test_of_ten_submissions_at_once_one_is_carried_out_and_nine_get_its_redirect",),
    ),
)

IDEMPOTENCY = (
    Fault(
        "app/web/idempotency.py",
        "if found.request_hash != replay.request_hash:",
        "if False:",
        "a shop that reuses a key gets the first order's invoice for its second order",
        ("api/test_invoices.py::test_another_body_under_a_used_key_is_refused",),
    ),
    Fault(
        "app/web/idempotency.py",
        '"\\0".join((merchant_id, mode, endpoint, key))',
        '"\\0".join((mode, endpoint, key))',
        "one merchant gets the stored answer of another",
        ("api/test_invoices.py::test_two_merchants_may_use_the_same_key",),
    ),
    Fault(
        "app/web/idempotency.py",
        "if found.created_at <= now - KEPT:",
        "if False:",
        "a key that is used again after a day creates nothing",
        ("api/test_invoices.py::test_a_replay_is_the_same_bytes_and_ends_after_a_day",),
    ),
    Fault(
        "app/invoices/creation_repository.py",
        "FROM invoice WHERE replay_id IS NOT NULL",
        "FROM invoice WHERE replay_id IS NULL",
        "a request that is sent twice creates two invoices",
        ("api/test_invoices.py::test_one_key_creates_one_invoice_however_many_requests_at_once",),
    ),
    Fault(
        "app/withdrawals/requests.py",
        "await idempotency.store(new.replay, 201, body, now)",
        "pass",
        "a refund that is requested again after a lost answer is paid twice",
        ("api/test_refunds.py::test_a_replay_is_byte_for_byte",),
    ),
)

RATE_LIMITS = (
    Fault(
        "app/web/rate_limits.py",
        "return self.used > self.limit",
        "return self.used > self.limit + 1",
        "a key gets more requests than its limit",
        ("web/test_rate_limits.py::test_of_200_parallel_requests_exactly_60_pass",),
    ),
    Fault(
        "app/web/rate_limits.py",
        "self._local[subject] = (used + 1, ends_s)",
        "self._local[subject] = (used, ends_s)",
        "without Redis, rate limits no longer apply",
        ("web/test_rate_limits.py::test_without_redis_each_process_still_limits_and_nobody_waits",),
    ),
    Fault(
        "app/web/client_address.py",
        "if not is_proxy:  # anybody can send the header",
        "if False:",
        "a header that anybody can send bypasses allowlists and limits",
        ("web/test_edge.py::test_the_client_address_of_a_request",),
    ),
    Fault(
        "app/web/client_address.py",
        "IPV6_SITE_BITS = 64",
        "IPV6_SITE_BITS = 128",
        "one subscriber has 2^64 addresses, each with a limit of its own",
        ("web/test_edge.py::test_a_limit_per_address_takes_a_64_as_one",),
    ),
    Fault(
        "app/checkout/viewing.py",
        "frame_origins=public.frame_origins if framed else ()",
        "frame_origins=public.frame_origins",
        "a page that asks for no frame can be framed",
        ("checkout/test_embedding.py::test_only_listed_origins_frame_only_the_embedded_page",),
    ),
    Fault(
        "app/invoices/links.py",
        'RECEIPT = b"receipt-link\\0"',
        "RECEIPT = PAYMENT",
        "whoever is given a receipt can open the payment page",
        ("checkout/test_receipts.py::test_the_link_of_a_receipt_opens_the_receipt_and_nothing_else",),
    ),
)
