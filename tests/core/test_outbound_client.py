"""The client with real TLS servers on loopback, correct and faulty ones.

127.0.0.1 stands for the public internet (it is allowed), 127.0.0.2 for our own network (it is not).
"""

import asyncio
import gzip
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest
import uvloop

from app.core import clock
from app.core.outbound import ErrorClass, OutboundClient, Outcome, TargetRefused, build_ssl_context
from app.core.outbound.resolver import SystemResolver
from app.core.outbound.targets import NOT_PUBLIC
from tests.core.outbound_servers import OK, Exchange, TestCA, https_server, plain_listener

NAME = "hooks.example.com"
PUBLIC = "127.0.0.1"
INSIDE = "127.0.0.2"
ALLOW = (IPv4Network("127.0.0.1/32"), IPv4Network("127.0.0.3/32"))
HEADERS = {"Content-Type": "application/json", "Swap-Pay-Event-Id": "e1"}
BODY = b'{"event_id":"e1"}'


class Names:
    """A resolver for tests: the answers for each name in order; the last one is repeated."""

    def __init__(self, **answers: Sequence[str | Sequence[str]]) -> None:
        self._answers = {name.replace("_", "."): list(list_) for name, list_ in answers.items()}
        self.queries: list[str] = []

    async def __call__(self, host: str) -> Sequence[str]:
        self.queries.append(host)
        answers = self._answers.get(host)
        if answers is None:
            raise OSError("Name or service not known")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [answer] if isinstance(answer, str) else answer


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """Both loops: their TLS transports differ, and workers may run on either."""
    policy: asyncio.AbstractEventLoopPolicy = request.param()
    return policy


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> TestCA:
    return TestCA(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server_tls(ca: TestCA) -> ssl.SSLContext:
    return ca.server_context(NAME, "localhost", PUBLIC)


@pytest.fixture
async def clients(ca: TestCA) -> AsyncIterator["ClientFactory"]:
    factory = ClientFactory(ca)
    yield factory
    for client in factory.made:
        await client.aclose()


class ClientFactory:
    """Clients that trust the test CA, with short time limits, closed at the end of the test."""

    def __init__(self, ca: TestCA) -> None:
        self._ca = ca
        self.made: list[OutboundClient] = []

    def __call__(
        self,
        resolver: Names | None = None,
        *,
        total_timeout_s: float = 30.0,
        connect_timeout_s: float = 3.0,
        idle_expiry_s: float = 15.0,
        allow: Sequence[IPv4Network | IPv6Network] = ALLOW,
    ) -> OutboundClient:
        client = OutboundClient(
            ssl_context=build_ssl_context(self._ca.ca_file),
            allow_networks=allow,
            resolver=resolver or Names(hooks_example_com=[PUBLIC]),
            total_timeout_s=total_timeout_s,
            connect_timeout_s=connect_timeout_s,
            idle_expiry_s=idle_expiry_s,
        )
        self.made.append(client)
        return client


async def answer_ok(exchange: Exchange) -> None:
    await exchange.send(OK)


async def post(client: OutboundClient, url: str) -> Outcome:
    return await client.post(url, headers=HEADERS, body=BODY)


# ── A good receiver ──


async def test_a_delivery_arrives_with_name_headers_and_body(
    clients: ClientFactory, server_tls: ssl.SSLContext
) -> None:
    async with https_server(server_tls, answer_ok) as server:
        outcome = await post(clients(), server.url(NAME, "/h?x=1"))

    (seen,) = server.exchanges
    assert seen.request_line == "POST /h?x=1 HTTP/1.1"
    assert seen.body == BODY
    assert seen.sni == NAME
    assert seen.headers == {
        "host": f"{NAME}:{server.port}",
        "accept-encoding": "identity",
        "content-length": str(len(BODY)),
        "content-type": "application/json",
        "swap-pay-event-id": "e1",
    }
    assert (outcome.status, outcome.error, outcome.delivered) == (200, None, True)
    assert (outcome.response_excerpt, outcome.peer) == (b"ok", PUBLIC)
    assert 0 <= outcome.duration_ms < 5_000


@pytest.mark.parametrize("host", [PUBLIC, "localhost"])
async def test_an_allowed_literal_and_localhost_are_dialled_without_a_resolver(
    clients: ClientFactory, server_tls: ssl.SSLContext, host: str
) -> None:
    names = Names()
    async with https_server(server_tls, answer_ok) as server:
        outcome = await post(clients(names), server.url(host))

    assert outcome.delivered, outcome
    assert names.queries == []


async def test_ipv6_literal_is_dialled_with_brackets_in_host(ca: TestCA, clients: ClientFactory) -> None:
    client = clients(allow=(IPv6Network("::1/128"),))
    async with https_server(ca.server_context("::1"), answer_ok, "::1") as server:
        outcome = await post(client, server.url("[::1]"))

    assert outcome.delivered, outcome
    assert server.exchanges[0].headers["host"] == f"[::1]:{server.port}"


async def test_connections_are_kept_and_used_again(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    client = clients()
    async with https_server(server_tls, answer_ok) as server:
        for _ in range(5):
            assert (await post(client, server.url(NAME))).delivered

    assert [seen.connection_number for seen in server.exchanges] == [1] * 5


async def test_an_idle_connection_is_closed_without_another_request(
    clients: ClientFactory, server_tls: ssl.SSLContext
) -> None:
    ended = asyncio.Event()

    async def answer_and_wait_for_the_end(exchange: Exchange) -> None:
        await exchange.send(OK)
        if await exchange.reader.read() == b"":
            ended.set()

    async with https_server(server_tls, answer_and_wait_for_the_end) as server:
        assert (await post(clients(idle_expiry_s=0.1), server.url(NAME))).delivered
        await asyncio.wait_for(ended.wait(), 30)


async def test_two_hundred_at_once_all_arrive_and_the_next_two_hundred_open_no_connection(
    clients: ClientFactory, server_tls: ssl.SSLContext
) -> None:
    client = clients(total_timeout_s=30)
    async with https_server(server_tls, answer_ok) as server:
        outcomes = await asyncio.gather(*(post(client, server.url(NAME)) for _ in range(200)))
        opened = {seen.connection_number for seen in server.exchanges}
        outcomes += await asyncio.gather(*(post(client, server.url(NAME)) for _ in range(200)))

    assert all(outcome.delivered for outcome in outcomes)
    assert len(server.exchanges) == 400
    assert {seen.connection_number for seen in server.exchanges} == opened


async def test_a_kept_connection_that_the_server_closed_causes_no_failure(
    clients: ClientFactory, server_tls: ssl.SSLContext
) -> None:
    async def answer_then_hang_up_on_the_next(exchange: Exchange) -> None:
        if server.connections == 1 and len(server.exchanges) == 2:
            exchange.reset()
        else:
            await exchange.send(OK)

    client = clients()
    async with https_server(server_tls, answer_then_hang_up_on_the_next) as server:
        first = await post(client, server.url(NAME))
        second = await post(client, server.url(NAME))

    assert first.delivered
    assert second.delivered
    assert server.connections == 2


async def test_unexpected_bytes_do_not_answer_the_next_request(
    clients: ClientFactory, server_tls: ssl.SSLContext
) -> None:
    async def answer_twice(exchange: Exchange) -> None:
        await exchange.send(OK)
        await asyncio.sleep(0.02)
        await exchange.send(OK.replace(b"200", b"299"))

    client = clients()
    async with https_server(server_tls, answer_twice) as server:
        await post(client, server.url(NAME))
        await asyncio.sleep(0.1)
        second = await post(client, server.url(NAME))

    assert second.status == 200
    assert server.connections == 2


# ── Name resolution ──


async def test_a_name_that_turns_private_is_never_connected_to(
    clients: ClientFactory, server_tls: ssl.SSLContext
) -> None:
    client = clients(Names(hooks_example_com=[PUBLIC, INSIDE]))
    async with (
        https_server(server_tls, answer_ok) as server,
        plain_listener(INSIDE, server.port) as inside,
    ):
        first = await post(client, server.url(NAME))
        second = await post(client, server.url(NAME))
        await asyncio.sleep(0.05)

    assert first.delivered
    assert (second.status, second.error, second.detail) == (None, ErrorClass.DNS, NOT_PUBLIC)
    assert inside.connections == 0
    assert len(server.exchanges) == 1, "the kept connection must not be used for it"


async def test_the_look_up_that_was_checked_is_the_only_one(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    names = Names(hooks_example_com=[PUBLIC, INSIDE])
    async with (
        https_server(server_tls, answer_ok) as server,
        plain_listener(INSIDE, server.port) as inside,
    ):
        outcome = await post(clients(names), server.url(NAME))

    assert outcome.delivered
    assert outcome.peer == PUBLIC
    assert names.queries == [NAME]
    assert inside.connections == 0


async def test_a_name_that_moves_gets_a_new_connection(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    client = clients(Names(hooks_example_com=[PUBLIC, "127.0.0.3"]))
    async with (
        https_server(server_tls, answer_ok) as old,
        https_server(server_tls, answer_ok, "127.0.0.3", old.port) as new,
    ):
        await post(client, old.url(NAME))
        outcome = await post(client, old.url(NAME))

    assert outcome.peer == "127.0.0.3"
    assert (len(old.exchanges), len(new.exchanges)) == (1, 1)


@pytest.mark.parametrize(
    "answer",
    [
        [PUBLIC, INSIDE],
        [INSIDE, PUBLIC],
        ["8.8.8.8", "169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["fe80::1%lo"],
        ["not an address"],
        [],
    ],
)
async def test_one_denied_answer_among_many_refuses_the_name(
    clients: ClientFactory, server_tls: ssl.SSLContext, answer: list[str]
) -> None:
    async with https_server(server_tls, answer_ok) as server:
        outcome = await post(clients(Names(hooks_example_com=[answer])), server.url(NAME))

    assert (outcome.status, outcome.error, outcome.detail) == (None, ErrorClass.DNS, NOT_PUBLIC)
    assert server.connections == 0


async def test_private_and_missing_names_give_the_merchant_the_same_message(clients: ClientFactory) -> None:
    client = clients(Names(inside_example_com=["10.0.0.5"]))

    private = await post(client, "https://inside.example.com/h")
    missing = await post(client, "https://missing.example.com/h")

    assert (private.error, private.detail, private.peer) == (missing.error, missing.detail, missing.peer)
    assert "10.0.0.5" in private.operator_note
    for url in ("https://inside.example.com/h", "https://missing.example.com/h"):
        with pytest.raises(TargetRefused, match=NOT_PUBLIC):
            await client.check_target(url)


async def test_check_target_returns_the_addresses_to_dial(clients: ClientFactory) -> None:
    target = await clients().check_target(f"https://{NAME.upper()}/h")

    assert target.url == f"https://{NAME}/h"


async def test_refused_urls_are_outcomes_and_open_no_connection(clients: ClientFactory) -> None:
    async with plain_listener(INSIDE) as inside:
        for url in (
            f"https://{INSIDE}:{inside.port}/h",
            f"https://u@{PUBLIC}:{inside.port}/h",
            "http://x.y/",
        ):
            outcome = await post(clients(), url)
            assert (outcome.status, outcome.error) == (None, ErrorClass.REFUSED_TARGET)
            assert INSIDE not in outcome.detail

    assert inside.connections == 0


async def test_a_silent_resolver_times_out(ca: TestCA) -> None:
    async def silent(host: str) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    client = OutboundClient(resolver=silent, resolve_timeout_s=0.1)
    outcome = await post(client, "https://hooks.example.com/h")

    assert (outcome.error, outcome.detail) == (ErrorClass.DNS, NOT_PUBLIC)
    assert outcome.duration_ms < 2_000
    await client.aclose()


async def test_the_systems_resolver_is_used_unless_another_is_given() -> None:
    client = OutboundClient()
    outcome = await post(client, "https://no-such-host.invalid/h")

    assert (outcome.error, outcome.detail) == (ErrorClass.DNS, NOT_PUBLIC)
    await client.aclose()


async def test_the_next_address_is_tried_if_one_refuses(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    async with https_server(server_tls, answer_ok) as server:  # nothing listens at 127.0.0.3
        outcome = await post(clients(Names(hooks_example_com=[["127.0.0.3", PUBLIC]])), server.url(NAME))

    assert outcome.delivered
    assert outcome.peer == PUBLIC


async def test_redirects_are_not_followed(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    async def redirect(exchange: Exchange) -> None:
        location = f"http://{INSIDE}:{inside.port}/latest/meta-data/"
        await exchange.send(f"HTTP/1.1 307 Away\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())

    async with plain_listener(INSIDE) as inside, https_server(server_tls, redirect) as server:
        outcome = await post(clients(), server.url(NAME))

    assert (outcome.status, outcome.error, outcome.delivered) == (307, None, False)
    assert "redirects are not followed" in outcome.detail
    assert inside.connections == 0


async def test_proxies_of_the_environment_are_ignored(
    clients: ClientFactory, server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with plain_listener(INSIDE) as proxy, https_server(server_tls, answer_ok) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://{INSIDE}:{proxy.port}")
        outcome = await post(clients(), server.url(NAME))

    assert outcome.delivered
    assert proxy.connections == 0


# ── TLS ──


@pytest.mark.parametrize(
    ("hosts", "days", "self_signed", "detail"),
    [
        (("other.example.com",), 30, False, "Hostname mismatch"),
        ((PUBLIC,), 30, False, "Hostname mismatch"),  # valid for the address, not for the name
        ((NAME,), -1, False, "certificate has expired"),
        ((NAME,), 30, True, "self-signed certificate"),
    ],
)
async def test_certificates_that_do_not_verify(
    ca: TestCA, clients: ClientFactory, hosts: tuple[str, ...], days: int, self_signed: bool, detail: str
) -> None:
    context = ca.server_context(*hosts, days=days, self_signed=self_signed)
    async with https_server(context, answer_ok) as server:
        outcome = await post(clients(), server.url(NAME))

    assert (outcome.status, outcome.error, outcome.peer) == (None, ErrorClass.TLS, PUBLIC)
    assert detail in outcome.detail
    assert server.exchanges == []


async def test_the_test_ca_is_trusted_only_where_it_is_given(server_tls: ssl.SSLContext) -> None:
    client = OutboundClient(allow_networks=ALLOW, resolver=Names(hooks_example_com=[PUBLIC]))
    async with https_server(server_tls, answer_ok) as server:
        outcome = await post(client, server.url(NAME))

    assert outcome.error is ErrorClass.TLS
    await client.aclose()


async def test_servers_that_do_not_speak_tls(clients: ClientFactory) -> None:
    async with plain_listener(PUBLIC, on_connect=lambda writer: writer.write(OK)) as server:
        plain = await post(clients(), server.url(NAME))
    async with plain_listener(PUBLIC, on_connect=lambda writer: writer.transport.abort()) as server:
        hanging_up = await post(clients(), server.url(NAME))
    async with plain_listener(PUBLIC) as server:
        silent = await post(clients(total_timeout_s=0.2), server.url(NAME))

    assert plain.error is ErrorClass.TLS
    assert hanging_up.error is ErrorClass.TLS
    assert silent.error is ErrorClass.TIMEOUT


# ── Connecting ──


async def test_connection_refused(clients: ClientFactory) -> None:
    async with plain_listener(PUBLIC) as gone:
        pass
    outcome = await post(clients(), gone.url(NAME))

    assert (outcome.status, outcome.error, outcome.detail) == (None, ErrorClass.CONNECT, "connection refused")


@contextmanager
def deaf_port(address: str, port: int = 0) -> Iterator[int]:
    """A listener whose queue is full: it ignores new connections, like a firewall."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind((address, port))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]


async def test_an_address_that_does_not_answer_is_given_up(clients: ClientFactory) -> None:
    with deaf_port(PUBLIC) as port:
        outcome = await post(clients(connect_timeout_s=0.2), f"https://{NAME}:{port}/h")

    assert outcome.error is ErrorClass.CONNECT_TIMEOUT
    assert outcome.duration_ms < 2_000


async def test_an_address_that_does_not_answer_delays_the_next_one_only_briefly(
    clients: ClientFactory, server_tls: ssl.SSLContext
) -> None:
    client = clients(Names(hooks_example_com=[["127.0.0.3", PUBLIC]]))
    async with https_server(server_tls, answer_ok) as server:
        with deaf_port("127.0.0.3", server.port):
            before = len(_tcp_peers())
            outcome = await post(client, server.url(NAME))
            await client.aclose()
            await asyncio.sleep(0.05)
            after = len(_tcp_peers())

    assert outcome.delivered, outcome
    assert outcome.peer == PUBLIC
    assert outcome.duration_ms < 1_000
    assert after <= before, "the failed attempt ends"


async def test_concurrent_requests_for_one_name_share_the_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = []

    def slow_getaddrinfo(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        looked_up.append(host)
        time.sleep(0.05)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 0))] * 2

    monkeypatch.setattr(socket, "getaddrinfo", slow_getaddrinfo)
    resolver = SystemResolver()
    impatient = asyncio.create_task(asyncio.wait_for(resolver("a.example.com"), 0.01))
    answers = await asyncio.gather(*(resolver(f"{name}.example.com") for name in "aaab"))
    later = await resolver("a.example.com")
    resolver.close()

    assert [*answers, later] == [["8.8.8.8"]] * 5
    assert sorted(looked_up) == ["a.example.com", "a.example.com", "b.example.com"]
    with pytest.raises(TimeoutError):
        await impatient


# ── Bad responses ──


async def outcome_of(
    clients: ClientFactory, tls: ssl.SSLContext, response: bytes, *, then: str = "close", limit_s: float = 5.0
) -> Outcome:
    """The outcome of a delivery when the server sends `response` and then closes, resets or waits."""

    async def respond(exchange: Exchange) -> None:
        await exchange.send(response)
        if then == "wait":
            await asyncio.sleep(60)
        elif then == "reset":
            await asyncio.sleep(0.02)
            exchange.reset()
        else:
            exchange.writer.close()

    async with https_server(tls, respond) as server:
        return await post(clients(total_timeout_s=limit_s), server.url(NAME))


@pytest.mark.parametrize(
    ("response", "then", "error"),
    [
        (b"", "close", ErrorClass.RESET),
        (b"", "reset", ErrorClass.RESET),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "close", ErrorClass.RESET),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "reset", ErrorClass.RESET),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "wait", ErrorClass.TIMEOUT),
        (b"", "wait", ErrorClass.TIMEOUT),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "wait", ErrorClass.TIMEOUT),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "wait", ErrorClass.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "wait", ErrorClass.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "wait", ErrorClass.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nBad\x00: 1\r\n\r\n", "wait", ErrorClass.PROTOCOL),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "wait", ErrorClass.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "wait", ErrorClass.TOO_LARGE),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, "wait", ErrorClass.TOO_LARGE),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000, "wait", ErrorClass.TOO_LARGE),
    ],
)
async def test_no_complete_response_headers_is_a_failure(
    clients: ClientFactory, server_tls: ssl.SSLContext, response: bytes, then: str, error: ErrorClass
) -> None:
    outcome = await outcome_of(
        clients, server_tls, response, then=then, limit_s=0.4 if error is ErrorClass.TIMEOUT else 5.0
    )

    assert (outcome.status, outcome.error, outcome.delivered) == (None, error, False)
    assert outcome.detail
    assert outcome.duration_ms < 3_000


@pytest.mark.parametrize(
    ("body", "then", "remark"),
    [
        (b"Content-Length: 100\r\n\r\nshort", "close", "broken off"),
        (b"Content-Length: 100\r\n\r\nshort", "reset", "broken off"),
        (b"Content-Length: 100\r\n\r\nshort", "wait", "did not end in time"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\nzz\r\n", "wait", "broken off"),
        (b"Content-Length: 1000000\r\n\r\nshort" + b"x" * 999_995, "wait", "too long"),
        (b"\r\nshort", "close", ""),
    ],
)
async def test_after_the_headers_the_status_counts_regardless_of_the_body(
    clients: ClientFactory, server_tls: ssl.SSLContext, body: bytes, then: str, remark: str
) -> None:
    outcome = await outcome_of(clients, server_tls, b"HTTP/1.1 202 Ok\r\n" + body, then=then, limit_s=0.5)

    assert (outcome.status, outcome.error, outcome.delivered) == (202, None, True)
    assert remark in outcome.detail
    assert outcome.response_excerpt.startswith(b"short")
    assert len(outcome.response_excerpt) <= 4_096
    assert outcome.duration_ms < 2_000


@pytest.mark.parametrize("status", [199 + 1, 204, 299])
async def test_every_2xx_is_delivered(clients: ClientFactory, server_tls: ssl.SSLContext, status: int) -> None:
    outcome = await outcome_of(clients, server_tls, f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())

    assert outcome.delivered


@pytest.mark.parametrize("status", [300, 304, 400, 404, 410, 429, 500, 503, 599])
async def test_no_other_status_is_delivered(clients: ClientFactory, server_tls: ssl.SSLContext, status: int) -> None:
    outcome = await outcome_of(clients, server_tls, f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())

    assert (outcome.status, outcome.error, outcome.delivered) == (status, None, False)


async def test_a_dripping_body_is_left_at_the_deadline(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    async def drip(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await exchange.send(b".")
            await asyncio.sleep(0.01)

    async with https_server(server_tls, drip) as server:
        outcome = await post(clients(total_timeout_s=0.3), server.url(NAME))

    assert outcome.delivered
    assert 250 <= outcome.duration_ms < 1_500


async def test_dripping_headers_fail_at_the_deadline(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    async def drip(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            await exchange.send(b".")
            await asyncio.sleep(0.01)

    async with https_server(server_tls, drip) as server:
        outcome = await post(clients(total_timeout_s=0.3), server.url(NAME))

    assert outcome.error is ErrorClass.TIMEOUT
    assert 250 <= outcome.duration_ms < 1_500


async def test_an_endless_body_is_read_to_the_cap_and_the_connection_dropped(
    clients: ClientFactory, server_tls: ssl.SSLContext
) -> None:
    sent_bytes = 0

    async def flood(exchange: Exchange) -> None:
        nonlocal sent_bytes
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while sent_bytes < 200_000_000:
            await exchange.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            sent_bytes += 4_096
            await asyncio.sleep(0)  # with drain alone the loop may never see the broken connection

    client = clients()
    async with https_server(server_tls, flood) as server:
        outcome = await post(client, server.url(NAME))
        await asyncio.sleep(0.05)

    assert outcome.delivered
    assert outcome.response_excerpt == b"x" * 4_096
    assert outcome.duration_ms < 2_000
    assert sent_bytes < 20_000_000, "no more than the sockets' buffers hold"


async def test_a_gzip_bomb_is_not_decompressed(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    bomb = gzip.compress(b"\x00" * 20_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()

    outcome = await outcome_of(clients, server_tls, head + bomb)

    assert outcome.delivered
    assert outcome.response_excerpt == bomb[:4_096]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("0", 0), ("9" * 400, 86_400), ("-5", None), ("soon", None), ("", None), ("1.5", None)],
)
@pytest.mark.parametrize("status", [200, 503])
async def test_retry_after_in_seconds(
    clients: ClientFactory, server_tls: ssl.SSLContext, value: str, seconds: int | None, status: int
) -> None:
    head = f"HTTP/1.1 {status} X\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    outcome = await outcome_of(clients, server_tls, head.encode())

    assert (outcome.status, outcome.retry_after_s) == (status, seconds)


async def test_retry_after_as_a_date(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    waits = []
    for ahead in (timedelta(minutes=5), timedelta(minutes=-5), timedelta(days=400)):
        date = format_datetime((clock.now() + ahead).astimezone(UTC), usegmt=True)
        head = f"HTTP/1.1 429 X\r\nRetry-After: {date}\r\nContent-Length: 0\r\n\r\n"
        waits.append((await outcome_of(clients, server_tls, head.encode())).retry_after_s)

    assert waits[0] in range(295, 302)
    assert waits[1:] == [0, 86_400]


# ── Our own side ──


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil"},
        {"content-length": "5"},
        {"X-A": "1\r\nX-B: 2"},
        {"X A": "1"},
        {"X-A": " 1"},
        {"": "1"},
    ],
)
async def test_headers_that_are_not_the_callers_to_send(clients: ClientFactory, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="header"):
        await clients().post(f"https://{NAME}/h", headers=headers, body=b"")


async def test_cancelling_passes_and_closes_the_connection(clients: ClientFactory, server_tls: ssl.SSLContext) -> None:
    closed = asyncio.Event()

    async def wait(exchange: Exchange) -> None:
        arrived.set()
        await exchange.reader.read()
        closed.set()

    arrived = asyncio.Event()
    async with https_server(server_tls, wait) as server:
        delivery = asyncio.create_task(post(clients(), server.url(NAME)))
        await arrived.wait()
        delivery.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivery
        await asyncio.wait_for(closed.wait(), 30)


async def test_no_descriptor_is_leaked(clients: ClientFactory, ca: TestCA) -> None:
    wrong = ca.server_context("other.example.com")
    good = ca.server_context(NAME)
    client = clients(Names(hooks_example_com=[["127.0.0.3", PUBLIC]]), total_timeout_s=0.3)
    async with (
        https_server(good, answer_ok) as server,
        https_server(wrong, answer_ok) as mistaken,
        plain_listener(PUBLIC) as silent,
    ):
        urls = [server.url(NAME), mistaken.url(NAME), silent.url(NAME)] * 5
        await asyncio.gather(*(post(client, url) for url in urls))
        await client.aclose()
        await asyncio.sleep(0.1)
        mine = [line for line in _tcp_peers() if line in {server.port, mistaken.port, silent.port}]

    assert mine == []


def _tcp_peers() -> list[int]:
    """Remote ports of this process's TCP sockets, connected or connecting."""
    own = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_open(f"/proc/self/fd/{fd}")}
    ports = []
    for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if f"socket:[{columns[9]}]" in own and columns[3] in ("01", "02"):
            ports.append(int(columns[2].rsplit(":", 1)[1], 16))
    return ports


def _is_open(link: str) -> bool:
    return Path(link).is_symlink()
