"""The web process holds no more memory after a day of a busy merchant than after its first minutes. Only with `SOAK`:
some tens of thousands of requests. `SOAK_INVOICES=500` makes the day shorter."""

import json
import os
import urllib.request

import psutil
import pytest

from bench.stack import API, Stack, running_stack

if not os.environ.get("SOAK"):
    pytest.skip("only with SOAK: some minutes", allow_module_level=True)

INVOICES = int(os.environ.get("SOAK_INVOICES", "20000"))
"""Of the day; a fifth of them comes first, until what a process remembers on purpose is full."""

PAGE_OF = 25
"""Every so many invoices somebody opens a page, and the merchant's list."""

MOST_GROWN_MB = 12.0
"""What may come on top, for QR codes and rows that are remembered up to a fixed number."""

MB = 2**20


@pytest.mark.timeout(3_600)
def test_memory_is_flat_over_a_days_load() -> None:
    with running_stack(web_processes=1) as stack:
        (serving,) = psutil.Process(stack.web.pid).children()
        warm = INVOICES // 5
        for number in range(warm):
            _one_sale(stack, number)
        before_mb = serving.memory_info().rss / MB
        for number in range(warm, INVOICES):
            _one_sale(stack, number)
        grown_mb = serving.memory_info().rss / MB - before_mb
    print(f"{before_mb:.1f} MB after {warm:,} invoices, {grown_mb:+.1f} MB after {INVOICES:,}")
    assert grown_mb < MOST_GROWN_MB


def _one_sale(stack: Stack, number: int) -> None:
    """What a shop asks for with one sale, and now and then what its customer and its bookkeeper open."""
    asked = {"amount": f"{5 + number % 90}.00", "currency": "USDT", "chain": "ethereum", "order_id": f"order {number}"}
    invoice = json.loads(_sent(stack, f"{API}/invoices", json.dumps(asked).encode(), number))
    _sent(stack, f"{API}/invoices/{invoice['id']}")
    if number % PAGE_OF == 0:
        _sent(stack, f"{API}/invoices?limit=50")
        _sent(stack, invoice["payment_url"].removeprefix(stack.base_url), number=number)


def _sent(stack: Stack, path: str, body: bytes | None = None, number: int = 0) -> bytes:
    # Each customer has an address of their own: pages are limited for each.
    customer = f"198.51.{number // PAGE_OF % 250}.{number // PAGE_OF // 250 + 1}"
    headers = {"Authorization": f"Bearer {stack.key}", "X-Forwarded-For": customer}
    if body is not None:
        headers |= {"Content-Type": "application/json", "Idempotency-Key": f"sale {number}"}
    with urllib.request.urlopen(urllib.request.Request(f"{stack.base_url}{path}", body, headers)) as answer:
        content: bytes = answer.read()
    return content
