"""Faults in webhooks: what is sent, to which addresses, and when retries end."""

from tests.mutation.table import Fault

SIGNING = (
    Fault(
        "app/webhooks/delivery.py",
        "event_id=delivery.event_id,",
        'event_id=f"{delivery.event_id}-{delivery.step}",',
        "a retry has another id, and the receiver ships the goods twice",
        ("webhooks/test_delivery.py::test_ten_attempts_by_the_schedule_then_dead_then_replayed",),
    ),
    Fault(
        "app/webhooks/signing.py",
        'signed = b"%d." % timestamp + body',
        "signed = body",
        "an event of last year is sent again with the time of today and verifies",
        ("webhooks/test_signing.py::test_our_signature_is_hmac_of_time_and_body_under_the_whole_secret",),
    ),
    Fault(
        "app/webhooks/signing.py",
        "crypto.hmac_sha256(_key_bytes(secret), signed)",
        "crypto.hmac_sha256(secret.encode(), signed)",
        "receivers that use the standard's library refuse every event",
        ("webhooks/test_signing.py::test_the_standard_library_verifies",),
    ),
    Fault(
        "app/webhooks/signing.py",
        '"Swap-Pay-Event-Id": event_id,',
        '"Swap-Pay-Event-Id": f"{event_id}-{timestamp}",',
        "a retry has another id, and the receiver ships the goods twice",
        ("webhooks/test_signing.py::test_each_attempt_has_its_own_time_and_the_same_id",),
    ),
    Fault(
        "app/webhooks/secrets.py",
        "and previous_until is not None and now < previous_until",
        "and previous_until is not None",
        "a rotated secret still signs",
        ("webhooks/test_delivery.py::test_a_rotation_signs_with_both_until_the_overlap_ends",),
    ),
)

TARGETS = (
    Fault(
        "app/core/outbound/targets.py",
        '        "169.254.0.0/16",\n',
        "",
        "a webhook reads the cloud's credentials from its metadata service",
        ("core/test_outbound_targets.py::test_addresses_that_are_denied",),
    ),
    Fault(
        "app/core/outbound/targets.py",
        '"10.0.0.0/8",',
        '"10.0.0.0/16",',
        "a webhook reaches machines inside the operator's own network",
        ("core/test_outbound_targets.py::test_addresses_that_are_denied",),
    ),
    Fault(
        "app/core/outbound/targets.py",
        'ALLOWED_IPV6 = IPv6Network("2000::/3")',
        'ALLOWED_IPV6 = IPv6Network("::/0")',
        "a private IPv4 address is reached in an IPv6 form",
        ("core/test_outbound_targets.py::test_a_denied_ipv4_address_is_denied_in_every_ipv6_form",),
    ),
    Fault(
        "app/core/outbound/targets.py",
        're.compile(r"https://", re.IGNORECASE | re.ASCII)',
        're.compile(r"https?://", re.IGNORECASE | re.ASCII)',
        "events are sent without TLS",
        ("core/test_outbound_targets.py::test_every_line_of_the_shared_list_is_refused",),
    ),
    Fault(
        "app/core/outbound/targets.py",
        'if "@" in authority:',
        "if False:",
        "a URL that looks like one host is sent to another",
        ("core/test_outbound_targets.py::test_tricks_are_refused_for_the_right_reason",),
    ),
    Fault(
        "app/core/outbound/client.py",
        "note = address_refusal(address, self._allow_networks)",
        "note = None",
        "a public name that resolves to a private address is sent to",
        ("core/test_outbound_client.py::test_one_denied_answer_among_many_refuses_the_name",),
    ),
    Fault(
        "app/core/outbound/client.py",
        "context = ssl.create_default_context()",
        "context = ssl._create_unverified_context()",
        "an attacker on the network receives events with a certificate of their own",
        ("core/test_outbound_client.py::test_certificates_that_do_not_verify",),
    ),
)

SCHEDULE = (
    Fault(
        "app/core/outbound/client.py",
        "TOTAL_TIMEOUT_S = 10.0",
        "TOTAL_TIMEOUT_S = 5.0",
        "a receiver that answers within the promised ten seconds gets the event again",
        ("test_security_page.py::test_a_receiver_has_ten_seconds",),
    ),
    Fault(
        "app/webhooks/schedule.py",
        "step >= len(DELAYS_S)",
        "step >= 5",
        "delivery of an event ends after an hour",
        (
            "webhooks/test_schedule.py::test_nine_retries_after_the_first_attempt_then_dead",
            "webhooks/test_delivery.py::test_ten_attempts_by_the_schedule_then_dead_then_replayed",
        ),
    ),
    Fault(
        "app/webhooks/schedule.py",
        "max(delay_s, at_least_s)",
        "delay_s",
        "the Retry-After of a receiver is ignored",
        ("webhooks/test_schedule.py::test_never_sooner_than_asked_and_never_much_later_than_a_day",),
    ),
    Fault(
        "app/webhooks/schedule.py",
        "status is not None and 200 <= status < 300",
        "status is not None and 200 <= status < 400",
        "a redirect counts as delivered and the event is lost",
        ("webhooks/test_schedule.py::test_anything_else_is_tried_again",),
    ),
    Fault(
        "app/webhooks/claims_repository.py",
        "MAX_IN_FLIGHT_PER_ENDPOINT = 4",
        "MAX_IN_FLIGHT_PER_ENDPOINT = 8",
        "a slow receiver gets too many requests at once",
        ("webhooks/test_delivery.py::test_never_more_than_four_at_once_at_one_endpoint",),
    ),
)

PAUSING = (
    Fault(
        "app/cabinet/webhooks.py",
        "lambda: endpoints.enable(endpoint_id)",
        "lambda: endpoints.pause(endpoint_id)",
        "a paused endpoint can't be enabled again",
        ("cabinet/test_webhooks.py::test_a_paused_endpoint_is_shown_everywhere_and_gets_waiting_events_in_order",),
    ),
    Fault(
        "app/webhooks/schedule.py",
        "PAUSE_AFTER_FAILURES = 20",
        "PAUSE_AFTER_FAILURES = 21",
        "an endpoint that fails is not paused when the page says so",
        ("webhooks/test_delivery.py::test_twenty_failures_pause_exactly_and_enabling_delivers_all_in_order",),
    ),
    Fault(
        "app/webhooks/claims_repository.py",
        "consecutive_failures > 0 AND consecutive_failures < $3",
        "consecutive_failures > 0 AND $3 > 0",
        "an endpoint that failed too often gets deliveries until the job pauses it",
        ("webhooks/test_delivery.py::test_twenty_failures_pause_exactly_and_enabling_delivers_all_in_order",),
    ),
    Fault(
        "app/webhooks/schedule.py",
        "return 0 if delivered else before + 1",
        "return before if delivered else before + 1",
        "twenty failures within a year pause a working endpoint",
        ("webhooks/test_delivery.py::test_a_success_resets_the_count",),
    ),
    Fault(
        "app/webhooks/schedule.py",
        "status == GONE or step",
        "step",
        "a receiver that answered 410 is called for days",
        ("webhooks/test_schedule.py::test_gone_is_final",),
    ),
    Fault(
        "app/webhooks/pausing.py",
        "await repository.abandon_pending(endpoint.id)",
        "pass",
        "deliveries of an endpoint that answered 410 wait for ever and can't be replayed",
        ("webhooks/test_delivery.py::test_status_410_disables_the_endpoint_and_keeps_waiting_deliveries",),
    ),
)
