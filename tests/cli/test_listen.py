"""`swap-pay listen` and `swap-pay events resend`: a developer's server gets the events, and nothing is missed."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import httpx
import pytest
from click.testing import CliRunner

from app.api_keys.scopes import Scope
from app.cli import following, forwarding
from app.cli.following import Follower
from app.cli.listen import listen
from app.cli.merchant_api import MerchantApi
from app.core import clock, database
from app.events import sequencer
from app.sandbox import signatures
from app.sandbox.home import ROOT
from app.sandbox.integrator import wait_for
from app.webhooks.fan_out import fan_out_with
from tests import commands
from tests.api.conftest import NewKey
from tests.api.serving import Served
from tests.cli.local_server import LocalServer, Request, local_server
from tests.factories.deployment import DATA_KEYS
from tests.factories.events import record_event
from tests.factories.webhooks import make_endpoint

TYPES = ("invoice.created", "invoice.confirming", "invoice.paid", "refund.confirmed", "invoice.expired")


@pytest.fixture
def shop() -> Iterator[LocalServer]:
    """The developer's server."""
    with local_server() as running:
        yield running


async def happen(merchant_id: str, *types: str) -> None:
    """Events of these types, in this order, with their numbers."""
    for type in types:
        await record_event(merchant_id=merchant_id, mode="test", type=type, now=clock.now())
    await sequencer.number_events(fan_out_with(DATA_KEYS))


async def merchant_of(server: Served, key: str) -> str:
    """The merchant whose key it is."""
    return str(await database.fetch_value("SELECT merchant FROM api_keys WHERE id = $1", key.split("_")[3]))


async def ran(server: Served, key: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, with the gateway's address and a key in its environment."""
    env = {**os.environ, "SWAP_PAY_URL": server.url, "SWAP_PAY_KEY": key, **environment}
    return await asyncio.to_thread(commands.run, *arguments, env=env)


def rows(output: str) -> list[list[str]]:
    """The cells of the table's rows, without the time."""
    found = [line.split() for line in output.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    return [cells[1:] for cells in found]


async def test_events_come_in_order_signed_and_as_the_very_bytes(
    server: Served, new_key: NewKey, shop: LocalServer, tmp_path: Path
) -> None:
    key = await new_key(Scope.EVENTS_READ)
    merchant_id = await merchant_of(server, key)
    await happen(merchant_id, *TYPES)
    headers = {"Authorization": f"Bearer {key}"}
    feed = httpx.get(f"{server.url}/api/v1/merchant/events?after_seq=0", headers=headers, trust_env=False)

    done = await ran(server, key, "listen", "--forward-to", shop.url, "--after-seq", "0", "--count", "5", "--print")

    assert done.returncode == 0, done.stderr
    secret = re.search(r"whsec_\S+", done.stderr)
    assert secret
    assert [json.loads(request.body)["type"] for request in shop.requests] == list(TYPES)
    assert feed.content == b'{"data":[%s],"next_cursor":null}' % b",".join(r.body for r in shop.requests)
    assert done.stdout.encode().splitlines() == [request.body for request in shop.requests]
    for number, request in enumerate(shop.requests):
        signatures.verify(secret[0], request.headers, request.body)
        assert request.headers["swap-pay-event-type"] == TYPES[number]
        assert request.headers["swap-pay-event-id"] == json.loads(request.body)["event_id"]
        assert request.headers["swap-pay-previous-seq"] == str(number)
        assert request.headers["user-agent"] == "Swap-Pay-Webhooks/1"
    assert [(row[0], row[1], row[3]) for row in rows(done.stderr)] == [
        (str(number), type, "200") for number, type in enumerate(TYPES, start=1)
    ]
    assert "5 events: 5 accepted, 0 skipped" in done.stderr
    assert "--after-seq 5" in done.stderr

    # Only some of them, from a time on; with a secret that is known before; and shown without a server.
    mine = "whsec_" + "QUJD" * 8
    done = await ran(
        server, key, "listen", "--events", "refund.*,invoice.expired", "--since", "1h", "--count", "2",
        "--forward-to", shop.url, SWAP_PAY_WEBHOOK_SECRET=mine,
    )  # fmt: skip
    assert [row[1] for row in rows(done.stdout)] == ["refund.confirmed", "invoice.expired"]
    signatures.verify(mine, shop.requests[-1].headers, shop.requests[-1].body)
    assert "signed with your secret" in done.stdout
    assert mine not in done.stdout + done.stderr
    shown = await ran(server, key, "listen", "--since", "2020-01-31T09:30:00Z", "--count", "1")
    assert [row[1] for row in rows(shown.stdout)] == ["invoice.created"]

    for other_key, arguments, words in (
        (key, ("--after-seq", "7"), "the newest event is number 5"),
        (await new_key(Scope.INVOICES_READ), (), "MISSING_SCOPE"),
        ("sspay_sec_test_0000000000_wrong", (), "INVALID_API_KEY"),
    ):
        refused = await ran(server, other_key, "listen", *arguments)
        assert refused.returncode == 1
        assert words in refused.stderr
        assert refused.stderr.count("\n") == 1

    await waits_for_what_comes(server, key, shop, tmp_path / "listen.log")


async def waits_for_what_comes(server: Served, key: str, shop: LocalServer, log: Path) -> None:
    """It begins with what comes next, and ends with a summary when it is told to."""
    merchant_id = await merchant_of(server, key)
    shop.requests.clear()
    log.touch()
    env = {**os.environ, "SWAP_PAY_URL": server.url, "SWAP_PAY_KEY": key}
    listening = commands.start("listen", "--forward-to", shop.url, env=env, log=log)
    try:
        await asyncio.to_thread(wait_for, "the table", lambda: "answer" in log.read_text() or None, 60)
        await happen(merchant_id, "invoice.confirming")
        await asyncio.to_thread(shop.until, 1)
        await happen(merchant_id, "invoice.paid", "refund.confirmed")
        await asyncio.to_thread(shop.until, 3)
        await asyncio.to_thread(wait_for, "the last row", lambda: "refund.confirmed" in log.read_text() or None, 60)
    finally:
        await asyncio.to_thread(commands.stop, listening, 60)
    assert listening.exitcode == 0
    assert [json.loads(request.body)["seq"] for request in shop.requests] == [6, 7, 8]
    assert "3 events: 3 accepted, 0 skipped" in log.read_text()


async def test_a_failing_server_gets_each_event_again_a_few_times_then_it_is_skipped(
    server: Served, new_key: NewKey, shop: LocalServer
) -> None:
    key = await new_key()
    merchant_id = await merchant_of(server, key)
    await happen(merchant_id, *TYPES[:3])
    failures = iter((500, 503))

    def answer(request: Request) -> tuple[int, dict[str, str], bytes] | None:
        kind = json.loads(request.body)["type"]
        if kind == "invoice.created":
            return next(failures, 200), {}, b"no such table: orders\nTraceback"
        return None if kind == "invoice.confirming" else (200, {}, b"")

    shop.answer = answer
    done = await ran(
        server, key, "listen", "--forward-to", shop.url, "--after-seq", "0", "--count", "3", "--tries", "3"
    )

    assert done.returncode == 1
    kinds = [json.loads(request.body)["type"] for request in shop.requests]
    assert kinds == ["invoice.created"] * 3 + ["invoice.confirming"] * 3 + ["invoice.paid"]
    assert "again in 1 s: no such table: orders" in done.stdout
    assert "Traceback" not in done.stdout
    assert "skipped" in done.stdout
    assert "3 events: 2 accepted, 1 skipped" in done.stdout
    skipped = json.loads(shop.requests[3].body)["event_id"]
    assert f"swap-pay events resend --forward-to {shop.url} {skipped}" in done.stdout

    # As it says, it can be sent again: from here, and by the gateway to an endpoint.
    shop.always(200)
    shop.requests.clear()
    again = await ran(server, key, "events", "resend", "--forward-to", shop.url, skipped)
    assert again.returncode == 0, again.stderr
    secret = re.search(r"whsec_\S+", again.stdout)
    assert secret
    signatures.verify(secret[0], shop.requests[0].headers, shop.requests[0].body)
    endpoint = await make_endpoint(
        merchant_id=merchant_id, mode="test", url="https://shop.example/", keys=DATA_KEYS, now=clock.now()
    )
    queued = await ran(server, key, "events", "resend", skipped, "--endpoint", endpoint.id)
    assert queued.stdout == f"{skipped}: sent again to 1 endpoint\n"
    assert await database.fetch_value("SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'") == 1
    nothing = await ran(server, key, "events", "resend", "5f0c7b0e-3f2a-4b8e-9d57-0c9a5a3c1f11")
    assert "event_id: no such event (404 EVENT_NOT_FOUND)" in nothing.stderr
    shop.always(500)
    assert (await ran(server, key, "events", "resend", "--forward-to", shop.url, skipped)).returncode == 1


@pytest.mark.parametrize(
    ("environment", "arguments", "words"),
    [
        ({"SWAP_PAY_KEY": ""}, (), "set SWAP_PAY_KEY in the environment"),
        ({"SWAP_PAY_URL": "http://pay.example.com"}, (), "pay.example.com is not this machine"),
        ({"SWAP_PAY_URL": "ftp://pay.example.com"}, (), "must begin with https://"),
        ({}, ("--forward-to", "http://shop.example/hook"), "use https, or add --allow-http"),
        ({}, ("--forward-to", "localhost:3000"), "must begin with https://"),
        ({}, ("--events", "invoice.payed"), "there is no 'invoice.payed'"),
        ({}, ("--since", "yesterday"), "neither a span such as 15m"),
        ({}, ("--since", "1h", "--after-seq", "1"), "give one of --since and --after-seq"),
        ({}, ("--forward-to", "http://localhost:1", "--secret", "s3cret"), "the secret must be whsec_"),
    ],
)
def test_what_is_wrong_with_options_is_said_in_one_line(
    environment: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    env = {"SWAP_PAY_URL": "http://localhost:1", "SWAP_PAY_KEY": "sspay_sec_test_0_0", **environment}
    done = CliRunner(env=env).invoke(listen, arguments)
    assert done.exit_code in (1, 2)
    assert words in done.stderr


def test_outages_and_limits_are_waited_for_and_nothing_is_missed_or_twice(
    shop: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("app.cli.following.time.sleep", waited.append)

    def page(*seqs: int, **headers: str) -> tuple[int, dict[str, str], bytes]:
        events = [
            {"event_id": str(n), "seq": n, "type": "invoice.paid", "created_at": "2026-01-31T09:30:00Z", "data": {}}
            for n in seqs
        ]
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return 200, names, json.dumps({"data": events, "next_cursor": None}).encode()

    limited = {"error": {"code": "RATE_LIMITED", "message": "the key has used up its requests"}}
    answers = iter(
        [
            page(5, 6, RateLimit_Limit="60", RateLimit_Remaining="50", RateLimit_Reset="40"),
            None,  # the connection breaks off, as when a web process is restarted
            (502, {}, b"<html>"),
            (503, {"Retry-After": "7"}, b"{}"),
            (429, {"Retry-After": "45"}, json.dumps(limited).encode()),
            page(7, RateLimit_Limit="60", RateLimit_Remaining="30", RateLimit_Reset="21"),
            page(),
            page(10),
        ]
    )
    shop.answer = lambda request: next(answers)
    said: list[str] = []
    follower = Follower(MerchantApi(f"http://127.0.0.1:{shop.port}", "sspay_sec_test_0_0"), 4, said.append)

    events = follower.events()
    assert [next(events).seq for _ in range(4)] == [5, 6, 7, 10]

    asked = [re.findall(r"after_seq=(\d+)", request.path) for request in shop.requests]
    assert asked == [["4"], *[["6"]] * 5, ["7"], ["7"]]
    assert waited[0] == 2, "half of the key's limit is left to the shop's own server"
    assert 0.9 <= waited[1] <= 1.1
    assert 1.8 <= waited[2] <= 2.2
    assert waited[3:5] == [7, 45]
    assert waited[5] == 21, "half of this minute's requests are used"
    assert "connected again; going on after event 6" in said
    assert any("the key has used up its requests (429 RATE_LIMITED); trying again in 45 s" in line for line in said)
    assert "events 8 to 9 are no longer kept" in said

    shop.answer = lambda request: (200, {}, b"<html>")
    with pytest.raises(click.ClickException, match="is it a Swap Pay"):
        next(Follower(MerchantApi(f"http://localhost:{shop.port}", "k"), 0, said.append).events())


def test_an_answer_that_comes_too_late_is_none(shop: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "TIMEOUT_S", 0.0)
    event = following.Event("e", 1, "invoice.paid", clock.now(), {"id": "INV-1"}, b"{}")
    told: list[str] = []
    local = forwarding.LocalServer(shop.url, None)
    monkeypatch.setattr(local, "_client", httpx.Client(trust_env=False))
    assert not local.deliver(event, 1, lambda answer, next_s: told.append(answer.shown))
    assert told == ["timeout"]


def test_the_commands_start_without_database_and_web_framework() -> None:
    """On a developer's machine, that is in a third of a second; the gateway takes many times as long."""
    heavy = ("litestar", "piccolo", "asyncpg", "redis", "eth_account", "app.wiring")
    commands_used = "app.cli.listen, app.cli.events, app.cli.check_integration, app.cli.trigger"
    code = f"import sys, {commands_used}; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"
