"""Traces: one of an API call to its delivery, one of a block to the credit's delivery, and nothing in them that tells
of people, money or secrets. Against a collector on loopback, which reads OTLP as the real ones do.
"""

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.core import clock, tracing
from app.core.settings import Settings
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.home import ROOT
from app.wiring import wire
from tests.api.conftest import Integrator, client, integrator, new_integrator
from tests.factories.webhooks import make_endpoint
from tests.webhooks.receiving import Receiver, dispatching, receiving

__all__ = ["client", "integrator", "new_integrator"]

PACKAGES = ROOT / "var/tracing"
"""The extra `tracing` as its users install it."""

CANARY = "canary"


@dataclass
class Collector:
    """What processes have sent: the bytes, and the spans in them."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Any]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        found = []
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                found += [span for scope in resource.scope_spans for span in scope.spans]
        return found


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector on loopback. The packages of the extra are those of its own environment, after ours."""
    packages = next(PACKAGES.glob("lib/python*/site-packages"), None)
    assert packages is not None, "the environment of the extra `tracing` is missing: make var/tracing/.stamp"
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    tracing.end()
    server.shutdown()
    server.server_close()


@pytest.fixture
def environment(environment: dict[str, str], collector: Collector) -> dict[str, str]:
    return environment | {"TRACES_URL": collector.url, "TRACES_PERCENT": "100"}


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path) as running:
        yield running


async def test_one_trace_from_the_api_call_and_one_from_the_block_to_the_delivery(
    integrator: Integrator,
    collector: Collector,
    chain_settings: Callable[..., Settings],
    receiver: Receiver,
    driver: AnvilDriver,
    token: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings = chain_settings()
    services = wire(settings)
    url = receiver.url(f"/{CANARY}-hook")
    await make_endpoint(
        merchant_id=integrator.merchant_id, mode="test", url=url, keys=settings.data_keys, now=clock.now()
    )
    (watcher,) = services.watchers()
    await watcher.tick()

    # When a shop creates an invoice, its customer pays it, and both events are delivered by another process,
    personal = {"description": f"{CANARY} socks", "customer_email": f"{CANARY}@example.test", "order_id": f"{CANARY}-1"}
    invoice = await integrator.invoice("once", **personal)
    pay_in = invoice["pay_in"]
    receipt = await driver.transfer_token(token, pay_in["address"], int(pay_in["amount_raw"]))
    await driver.mine(1)
    await watcher.tick()
    await driver.mine(3)
    await watcher.tick()
    async with dispatching(receiver, settings.data_keys):
        await receiver.until_received(3)
        await asyncio.sleep(0)
    assert (await integrator.get(f"/invoices/{CANARY}")).status_code == 404
    await services.networks.aclose()
    await asyncio.to_thread(tracing.end)

    # then the call's trace ends at the shop's server,
    spans = {span.span_id: span for span in collector.spans()}

    def way(span: Any) -> list[str]:
        """The names from the trace's beginning to this span."""
        above = spans.get(span.parent_span_id)
        assert above is not None or not span.parent_span_id, f"{span.name} has a parent that nobody recorded"
        assert above is None or above.trace_id == span.trace_id
        return [*([] if above is None else way(above)), span.name]

    ways = {said(span).get("swap_pay.event.type"): way(span) for span in spans.values() if span.name == "webhook"}
    call = ["POST /api/v1/merchant/invoices", "transaction", "event", "relay", "webhook"]
    assert ways["invoice.created"] == call
    # and the block's: what was seen in it, its credit some blocks later, and the webhook about that.
    assert ways["invoice.confirming"] == ["blocks", "transaction", "deposit", "event", "relay", "webhook"]
    assert ways["invoice.paid"] == ["blocks", "transaction", "deposit", "credit", "event", "relay", "webhook"]

    # Every attribute is one of ours, and none tells of people, money or secrets.
    for span in spans.values():
        assert set(said(span)) <= set(tracing.ATTRIBUTES.values()), span.name
        assert not span.events
    (deposit,) = (span for span in spans.values() if span.name == "deposit")
    assert said(deposit) == {"swap_pay.network": "ethereum:test", "swap_pay.deposit.verdict": "exact"}
    sent = b"".join(collector.bodies).lower()
    payment = (pay_in["address"], pay_in["amount_raw"], receipt["transactionHash"], token)
    for private in (CANARY, invoice["id"], integrator.key, *payment):
        assert private.lower().encode() not in sent, private

    # The log names the trace.
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    (logged,) = (line for line in lines if line.get("route") == "/api/v1/merchant/invoices")
    (root,) = (span for span in spans.values() if span.name == call[0])
    assert logged["trace_id"] == root.trace_id.hex()


def said(span: Any) -> dict[str, Any]:
    """A span's attributes."""
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def test_an_error_marks_a_span_by_its_class_alone(collector: Collector) -> None:
    tracing.begin(collector.url, percent=100, process="test")
    with pytest.raises(ValueError, match=CANARY), tracing.trace("job", job="reconcile"):
        raise ValueError(f"{CANARY}@example.test")
    with pytest.raises(KeyError), tracing.trace("job", address="0xCANARY"):
        pass
    tracing.end()
    failed = next(span for span in collector.spans() if said(span))
    assert (failed.status.code, failed.status.message) == (2, "ValueError")
    assert CANARY.encode() not in b"".join(collector.bodies)


def test_a_missing_package_is_named_and_without_a_url_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_otel", None)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    tracing.begin(None, percent=10, process="web")
    assert not tracing.is_on()
    with tracing.trace("request", kind="server") as span:
        span.set(status=200)
        assert tracing.trace_id() is None
    with pytest.raises(tracing.NotInstalled, match=r"swap-pay-gateway\[tracing\]"):
        tracing.begin("http://127.0.0.1:4318/v1/traces", percent=10, process="web")
