"""Measurements, each beside the raw limit of the machine taken in the same run. Not tests: nothing here fails."""

BENCHES = (
    "api",
    "creating",
    "checkout",
    "checkout_page",
    "open_pages",
    "webhooks",
    "watching",
    "ledger",
    "bitcoin",
    "tron",
    "rates",
    "starting",
)
"""What `make bench` runs, in this order: modules of this package that report figures (bench/report.py)."""
