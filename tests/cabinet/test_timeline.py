"""A timeline tells one fact once: an event, the audit log and a review that report the same deed are one entry."""

from datetime import UTC, datetime, timedelta

from app.reports.timeline import Fact, Source, _told_once

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def fact(source: Source, kind: str, subject: str = "INV-1", after_s: float = 0, note: str | None = None) -> Fact:
    return Fact(at=NOON + timedelta(seconds=after_s), source=source, kind=kind, subject=subject, note=note)


def told(*facts: Fact) -> list[tuple[str, str | None]]:
    return [(each.kind, each.who) for each in _told_once(list(facts))]


def test_what_a_person_did_is_one_entry_with_their_name() -> None:
    assert told(fact("event", "invoice.created"), fact("audit", "invoice.created", note="Ada")) == [
        ("invoice.created", "Ada")
    ]
    assert told(
        fact("withdrawal", "payout.pending_approval", "PO-1"),
        fact("audit", "payout.requested", "PO-1", note="Ada"),
        fact("audit", "withdrawal.approved", "PO-1", 30, note="one"),
        fact("withdrawal", "payout.approved", "PO-1", 60),
        fact("audit", "withdrawal.approved", "PO-1", 60, note="two"),
    ) == [("payout.pending_approval", "Ada"), ("withdrawal.approved", None), ("payout.approved", "two")]


def test_an_event_says_nothing_beside_the_review_or_the_transfer() -> None:
    assert told(
        fact("deposit", "exact", "DEP-1"),
        fact("event", "invoice.confirming", after_s=1),
        fact("event", "invoice.paid", after_s=40),
        fact("deposit", "second", "DEP-2", 90),
        fact("review", "opened", "DEP-2", 90),
        fact("event", "invoice.manual_review", after_s=90),
    ) == [("exact", None), ("invoice.paid", None), ("second", None), ("opened", None)]


def test_facts_of_other_moments_and_subjects_stay() -> None:
    apart = (
        fact("event", "invoice.cancelled"),
        fact("audit", "invoice.cancelled", after_s=5, note="Ada"),
        fact("withdrawal", "refund.rejected", "RF-1"),
        fact("audit", "withdrawal.rejected", "RF-2", note="Bo"),
        fact("event", "invoice.confirming"),
    )
    assert len(told(*apart)) == len(apart)
