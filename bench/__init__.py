"""Measurements, each beside the raw limit of the machine taken in the same run. Not tests: nothing here fails."""

BENCHES = {
    "api": "The API",
    "creating": "Creating invoices",
    "checkout_page": "The checkout page",
    "open_pages": "Open checkout pages",
    "open_lists": "Open lists of the cabinet",
    "webhooks": "Webhooks",
    "watching": "Watching a chain",
    "ledger": "Verification of ledgers",
    "bitcoin": "Watching Bitcoin",
    "tron": "Watching Tron",
    "rates": "Rates",
    "starting": "Starting, and memory at rest",
}
"""What `make bench` runs, in this order, with what it is about: modules of this package that report figures
(bench/report.py)."""
