"""Every process is replaced, one of each two after the other, and nobody notices.

Two web processes behind a balancer, and two of each worker, under steady traffic. Each is told to stop (SIGTERM), ends
by itself and is started again. `SOAK` replaces them one by one, several times.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.resilience.fleet import Fleet, at_once, until
from tests.resilience.test_hangs import assert_paid_out_once, payout
from tests.resilience.traffic import Traffic
from tests.resilience.world import EVENTS, Running, credits, query

ROUNDS = max(1, int(os.environ.get("SOAK", "10")) // 20)
BY_KIND = ("chain", "webhooks", "default", "signer", "web")

pytestmark = pytest.mark.timeout(400 + 300 * ROUNDS)


def test_everything_is_replaced_and_nothing_is_lost(running: Running, tmp_path: Path) -> None:
    fleet = Fleet(running, tmp_path)
    with fleet.up(), load(running, fleet.base_url) as traffic:
        for _ in range(ROUNDS):
            if "SOAK" in os.environ:
                for kind in BY_KIND:
                    for member in fleet.of(kind):
                        fleet.replace(member)
            else:
                for number in (1, 2):
                    at_once(fleet.replace, fleet.numbered(number))
        # Each stream was on a process that ended, was told when to come back, and did.
        until("the streams' return", lambda: all(s.ends and s.connections > s.ends for s in traffic.streams))
    # Each process finished its work and ended by itself.
    assert {(member.kind, code) for member in fleet.members for code in member.exits} == {(k, 0) for k in BY_KIND}
    assert fleet.balancer.refused == 0


@contextmanager
def load(running: Running, base_url: str) -> Iterator[Traffic]:
    """Inside, traffic flows, and a payout is approved. Afterwards nothing was lost, and nothing was done twice."""
    traffic = Traffic(running, base_url)
    credits_before = credits(running)
    payout_id, destination = payout(running)
    with traffic.flowing():
        until("the first payment", lambda: len(traffic.paid) > 0)
        approving = threading.Thread(target=running.approve, args=(payout_id,))
        approving.start()
        yield traffic
        until("some payments", lambda: len(traffic.paid) >= 3)
    approving.join()
    assert traffic.faults == []
    assert_kept(running, traffic, credits_before)
    assert_paid_out_once(running, payout_id, destination)


def assert_kept(running: Running, traffic: Traffic, credits_before: int) -> None:
    """Each creation made one invoice, each payment one credit, and each event arrived."""
    made = {invoice["id"] for invoice in traffic.made}
    assert len(made) == len(traffic.made) > 0
    ids = ", ".join(f"'{invoice_id}'" for invoice_id in made)
    assert query(running, f"SELECT count(*) FROM invoices WHERE id IN ({ids})") == len(made)

    paid = ", ".join(f"'{invoice['id']}'" for invoice in traffic.paid)
    count = f"SELECT count(*) FROM invoices WHERE id IN ({paid}) AND status = 'paid'"
    until("all credits", lambda: query(running, count) == len(traffic.paid))
    assert credits(running) == credits_before + len(traffic.paid)

    waiting = "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'"
    until("the end of all deliveries", lambda: query(running, waiting) == 0)
    arrived = arrivals(running)
    assert made <= {invoice_id for invoice_id, kind in arrived if kind == "invoice.created"}
    assert {(invoice["id"], kind) for invoice in traffic.paid for kind in EVENTS} <= arrived
    verified = running.command("verify-ledger")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def arrivals(running: Running) -> set[tuple[str, str]]:
    """The invoice and the type of each event that the merchant's server got."""
    receiver = running.interface.webhook_receiver
    answer = httpx.get(
        receiver.requests_url, params={"limit": "200000"}, verify=receiver.ca_file, timeout=60, trust_env=False
    )
    records = answer.raise_for_status().json()["data"]
    bodies = [
        (record["event_type"], httpx.Response(200, text=record["body"]).json()) for record in records if record["body"]
    ]
    return {(str(body.get("data", {}).get("id")), kind) for kind, body in bodies}
