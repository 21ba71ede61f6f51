"""Faults in what is kept and what is deleted for its age."""

from tests.mutation.table import Fault

GROWTH = (
    Fault(
        "app/webhooks/retention_repository.py",
        "WHERE event = old.id AND status = 'pending' LIMIT 1",
        "WHERE event = old.id AND status = 'dead' LIMIT 1",
        "events whose deliveries were given up are kept for ever",
        ("webhooks/test_attempts_by_month.py::test_an_old_event_that_waits_stays_and_leaves_no_gap",),
    ),
    Fault(
        "app/events/repository.py",
        "SET purged_through_seq = greatest(h.purged_through_seq, last.seq)",
        "SET purged_through_seq = h.purged_through_seq",
        "what was deleted for its age is reported as a gap in the numbers",
        ("webhooks/test_attempts_by_month.py::test_an_old_event_that_waits_stays_and_leaves_no_gap",),
    ),
    Fault(
        "app/webhooks/attempts_by_month.py",
        "repository.drop_oldest(now - timedelta(days=retention_days))",
        "repository.drop_oldest(now - timedelta(days=1))",
        "attempts are gone on the day after their month",
        (
            "webhooks/test_attempts_by_month.py"
            "::test_months_are_made_ahead_and_old_ones_go_whole_with_an_entry_in_the_audit_log",
        ),
    ),
    Fault(
        "app/webhooks/attempts_by_month.py",
        "MONTHS_AHEAD = 2",
        "MONTHS_AHEAD = 0",
        "each month begins without a partition, and its attempts go where they are never dropped",
        (
            "webhooks/test_attempts_by_month.py"
            "::test_months_are_made_ahead_and_old_ones_go_whole_with_an_entry_in_the_audit_log",
        ),
    ),
)
