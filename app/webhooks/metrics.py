"""What `/metrics` says of deliveries."""

from prometheus_client import Counter, Gauge, Histogram

from app.core import database

attempts_total = Counter(
    "swap_pay_webhook_attempts_total", "Attempts by result: delivered, http_<status> or an error class", ["result"]
)

first_attempt_latency_s = Histogram(
    "swap_pay_webhook_first_attempt_latency_seconds",
    "From the event's fact to its first attempt",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

in_flight = Gauge("swap_pay_webhook_in_flight", "Attempts under way", multiprocess_mode="livesum")

waiting = Gauge(
    "swap_pay_webhook_waiting",
    "Deliveries that wait, by the status of their endpoint",
    ["endpoint_status"],
    multiprocess_mode="mostrecent",
)


async def measure_waiting() -> None:
    """Count what waits. Reads every waiting row's index entry: for every half minute, not for every event."""
    rows = await database.fetch_all(
        """
        SELECT s.status, coalesce(n.waiting, 0) AS waiting
        FROM unnest(ARRAY['enabled', 'paused']) AS s (status)
        LEFT JOIN (
            SELECT w.status, sum(d.waiting) AS waiting
            FROM (
                SELECT endpoint, count(*) AS waiting FROM webhook_deliveries WHERE status = 'pending'
                GROUP BY endpoint
            ) d JOIN webhook_endpoints w ON w.id = d.endpoint GROUP BY w.status
        ) n ON n.status = s.status
        """
    )
    for row in rows:
        waiting.labels(endpoint_status=row["status"]).set(int(row["waiting"]))
