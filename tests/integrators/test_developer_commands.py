"""Tools of the command line against a running sandbox: events that are listened to, and events that are triggered."""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
import redis

from app.events.types import EVENT_TYPES, TEST
from app.sandbox import signatures
from app.sandbox.home import ROOT
from app.sandbox.integrator import IntegratorError, wait_for
from app.sandbox.triggers import NOT_HERE, TRIGGERS
from tests import commands
from tests.cli.local_server import local_server
from tests.docs.test_guides import DOCS, run, snippets
from tests.sandbox.sandboxes import Sandbox

PATIENCE_S = 180
"""Long, for a busy machine."""

INVOICE = {"amount": "1.00", "currency": "USDT", "chain": "ethereum"}

LEADING = (
    "invoice.paid",
    "invoice.quoted",
    "invoice.expired",
    "invoice.cancelled",
    "invoice.closed",
    "payout.confirmed",
    "payout.rejected",
    "payout.cancelled",
    "refund.confirmed",
    "refund.rejected",
    "webhook.test",
    "invoice.refunded",
    "invoice.reversed",
)
"""On the way to these, all others happen too."""

pytestmark = pytest.mark.timeout(900)


def environment(sandbox: Sandbox) -> dict[str, str]:
    """A developer's environment: the gateway's address and a key, and where the sandbox is."""
    known = {"SWAP_PAY_URL": sandbox.interface.base_url, "SWAP_PAY_KEY": sandbox.interface.api_key}
    return {**os.environ, **known, "SWAP_PAY_VAR": str(sandbox.home.directory)}


def restart_web(sandbox: Sandbox, how: signal.Signals) -> None:
    """End the web process; return once the sandbox has started another one and it answers."""
    pid_file = sandbox.home.logs / "web.pid"
    before = pid_file.read_text()
    os.kill(json.loads(before)["pid"], how)

    def again() -> bool | None:
        if not pid_file.exists() or pid_file.read_text() in ("", before):
            return None
        try:
            sandbox.integrator().get("/events", limit=1)
        except IntegratorError:
            return None
        return True

    wait_for("another web process", again, PATIENCE_S)


def test_listening_misses_nothing_through_restarts_and_a_flush(sandbox: Sandbox, tmp_path: Path) -> None:
    integrator, customer, log = sandbox.integrator(), sandbox.customer(), tmp_path / "listen.log"
    before = integrator.get("/events", limit=1)["data"][0]["seq"]
    log.touch()
    with local_server() as shop:
        listening = commands.start("listen", "--forward-to", shop.url, env=environment(sandbox), log=log)
        try:
            wait_for("the table", lambda: "answer" in log.read_text() or None, PATIENCE_S)
            for number, how in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGKILL)):
                invoice = integrator.post("/invoices", INVOICE, once=f"listen-{tmp_path.name}-{number}")
                pay_in = invoice["pay_in"]
                customer.send("USDT", pay_in["address"], int(pay_in["amount_raw"]))  # it is seen while web is away
                if number == 1:
                    redis.Redis.from_url(sandbox.interface.redis_url).flushall()
                restart_web(sandbox, how)

            def all_paid() -> int | None:
                listed = integrator.get("/events", after_seq=before, limit=100)["data"]
                return int(listed[-1]["seq"]) if [e["type"] for e in listed].count("invoice.paid") >= 3 else None

            last = wait_for("three payments", all_paid, PATIENCE_S)
            shop.until(last - before)
            wait_for("the last row", lambda: re.search(rf"^\S+ +{last} ", log.read_text(), re.MULTILINE), PATIENCE_S)
        finally:
            commands.stop(listening, 60)
        events = [json.loads(request.body) for request in shop.requests]
        feed = integrator.get("/events", after_seq=before, limit=100)["data"]
    assert [event["seq"] for event in events] == list(range(before + 1, last + 1)), "none is missing, or there twice"
    assert events == feed[: len(events)]
    secret = re.search(r"whsec_\S+", log.read_text())
    assert secret
    signatures.verify(secret[0], shop.requests[-1].headers, shop.requests[-1].body)
    assert log.read_text().count("connected again") >= 1
    assert f"{len(events)} events: {len(events)} accepted, 0 skipped" in log.read_text()
    assert listening.exitcode == 0


def test_every_event_that_can_be_is_triggered(sandbox: Sandbox, tmp_path: Path) -> None:
    done = commands.run("trigger", *LEADING, env=environment(sandbox), timeout_s=540)

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"✓ (\S+) of", done.stdout) == list(LEADING)
    happened = set(re.findall(r"^(\S+\.\S+) +\S+ +event \d+", done.stdout, re.MULTILINE))
    assert happened == set(TRIGGERS)
    assert {*TRIGGERS, *NOT_HERE} == {*EVENT_TYPES, TEST}

    listed = commands.run("trigger", "--list", env=environment(sandbox)).stdout
    assert all(f"{type} " in listed for type in (*TRIGGERS, *NOT_HERE))
    nowhere = environment(sandbox) | {"SWAP_PAY_VAR": str(tmp_path)}
    for arguments, env, words in (
        ("invoice.paid", nowhere, "start the sandbox first, with `make run`"),
        ("invoice.paid", environment(sandbox) | {"SWAP_PAY_URL": "https://pay.example.com"}, "only in the sandbox"),
        ("invoice.payed", environment(sandbox), "there is no event invoice.payed"),
        ("payout.failed", environment(sandbox), "can't be triggered: the signer tries"),
    ):
        refused = commands.run("trigger", arguments, env=env)
        assert refused.returncode == 1
        assert words in refused.stderr


def test_the_page_about_them_runs_as_written(sandbox: Sandbox, tmp_path: Path) -> None:
    for name, command in (("swap-pay", '-m app.cli "$@"'), ("python3", '"$@"')):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {command}\n")
        program.chmod(0o755)
    known = environment(sandbox) | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    given = {name: known[name] for name in ("PATH", "SWAP_PAY_URL", "SWAP_PAY_KEY", "SWAP_PAY_VAR")}
    pieces = snippets((DOCS / "cli-for-developers.md").read_text())
    assert len(pieces) == 2
    for piece in pieces:
        run("cli-for-developers", piece, given, PATIENCE_S)
