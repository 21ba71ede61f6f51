"""Faults in what holds while a database host dies."""

from tests.mutation.table import Fault

HOSTS = (
    Fault(
        "app/core/database.py",
        "if not _is_lost(connection) and connection.committed_on_one_host():",
        "if False:",
        "an operator cancels what hangs, and payments are answered that the next fail-over loses",
        ("core/test_database.py::test_a_commit_that_no_standby_has_is_never_a_success",),
    ),
    Fault(
        "app/webhooks/outcomes.py",
        "database.transaction(may_be_lost=not gone)",
        "database.transaction()",
        "webhooks stop while no standby is left, although they could go on",
        ("core/test_database.py::test_the_transactions_that_a_fail_over_may_lose_are_those_of_the_docs",),
    ),
    Fault(
        "app/core/connecting.py",
        "_answered[dsn] = one_host",
        "pass",
        "while the first host is away each new connection takes five seconds",
        ("core/test_waiting.py::test_a_first_host_that_does_not_answer_is_skipped",),
    ),
    Fault(
        "app/doctor/postgres.py",
        'elif not row["synchronous"]:',
        "elif False:",
        "nobody learns that no second host has the payments",
        ("doctor/test_doctor.py::test_commits_that_a_fail_over_would_lose_are_named",),
    ),
)
