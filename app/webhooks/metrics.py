"""The metrics of deliveries at `/metrics`."""

from prometheus_client import Counter, Gauge, Histogram

from app.webhooks import deliveries_repository

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
    """Set the gauge of waiting deliveries. It counts all of them, so it runs every half minute, not with every
    event."""
    for status, count in (await deliveries_repository.count_waiting_by_status()).items():
        waiting.labels(endpoint_status=status).set(count)
