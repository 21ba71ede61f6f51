"""Check that every event is numbered, and delivered, pending or dead-lettered (I4)."""

from datetime import datetime, timedelta

from app.reconciliation.findings import Finding, Result
from app.reconciliation.snapshot import rows

CHECK = "events"

MOST_UNNUMBERED = timedelta(minutes=10)
"""The sequencer needs well under a second; after this time it has stopped, or the event is stuck."""


async def check(now: datetime) -> Result:
    """Find gaps in the numbers, events without a number, and deliveries that no worker can claim."""
    (counted,) = await rows(
        """
        SELECT count(*) AS all, count(*) FILTER (WHERE seq IS NULL AND created_at < $1) AS stuck FROM events
        """,
        now - MOST_UNNUMBERED,
    )
    findings = []
    if counted["stuck"]:
        message = "events wait to be numbered and fanned out: is a webhooks worker running?"
        findings.append(Finding(CHECK, "unnumbered events", message, {"events": counted["stuck"]}))
    # Below the numbers that were deleted for their age only what still waits is left.
    for row in await rows(
        """
        SELECT h.merchant_id, h.mode, h.last_seq, count(e.seq) AS numbered, min(e.seq) AS lowest, max(e.seq) AS highest
        FROM event_heads h LEFT JOIN events e
            ON e.merchant_id = h.merchant_id AND e.mode = h.mode AND e.seq > h.purged_through_seq
        GROUP BY h.merchant_id, h.mode, h.last_seq
        HAVING count(e.seq) > 0
            AND (max(e.seq) <> h.last_seq OR count(e.seq) <> max(e.seq) - min(e.seq) + 1)
        ORDER BY 1, 2
        """
    ):
        figures = {
            "last_seq": row["last_seq"],
            "numbered": row["numbered"],
            "lowest": row["lowest"],
            "highest": row["highest"],
        }
        findings.append(Finding(CHECK, f"{row['merchant_id']} {row['mode']}", "the numbers have gaps", figures))
    # Due deliveries are found through their endpoint's queue: one that its queue doesn't know waits for ever.
    for row in await rows(
        """
        SELECT d.endpoint, count(*) AS waiting FROM webhook_deliveries d
        JOIN webhook_endpoints w ON w.id = d.endpoint AND w.status = 'enabled'
        LEFT JOIN webhook_queues q ON q.endpoint = d.endpoint
        WHERE d.status = 'pending' AND (q.endpoint IS NULL OR q.due_at IS NULL)
        GROUP BY d.endpoint ORDER BY d.endpoint
        """
    ):
        figures = {"waiting": row["waiting"]}
        findings.append(Finding(CHECK, row["endpoint"], "deliveries wait, and nothing will claim them", figures))
    (deliveries,) = await rows(
        """
        SELECT count(*) FILTER (WHERE status = 'delivered') AS delivered,
            count(*) FILTER (WHERE status = 'pending') AS waiting, count(*) FILTER (WHERE status = 'dead') AS dead
        FROM webhook_deliveries
        """
    )
    return Result(CHECK, {"events": counted["all"], **dict(deliveries)}, findings)
