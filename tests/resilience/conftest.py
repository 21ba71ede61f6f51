"""One sandbox for all tests of this folder: its start costs as much as most of them."""

from collections.abc import Iterator

import pytest

from tests.resilience.world import Running, assert_paid_once, credits, sandbox


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running sandbox whose merchant has a balance to pay out. A test leaves all of its processes alive. It ends with
    the folder's last test, since its workers are never idle."""
    with sandbox(tmp_path_factory.mktemp("resilience") / "var") as running:
        before, invoice = credits(running), running.new_invoice()
        running.pay(invoice)
        assert_paid_once(running, invoice, before)
        yield running
