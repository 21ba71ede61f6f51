"""Requests that no client library would send, against a real server: an answer below 500, and ours where it can be.

What Granian itself answers, before there is a request at all, is its bare 400 or a closed connection.
"""

import contextlib
import json
import socket

from tests.api.conftest import BASE, NewKey
from tests.api.serving import Served

INVOICES = f"{BASE}/invoices".encode()


def send(server: Served, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send exactly these bytes. Returns status, headers and body; status 0 if the connection was closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        with contextlib.suppress(OSError):  # it may answer and close before it has read everything
            connection.sendall(raw)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    if not head:
        return 0, {}, b""
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(body.split(b"\r\n")[1::2])
    return int(first.split()[1]), headers, body


def request(method: bytes, target: bytes, *headers: bytes, body: bytes = b"", announced: bool = True) -> bytes:
    """A request that asks for the connection to be closed."""
    length = [b"content-length: %d" % len(body)] if body and announced else []
    return b"\r\n".join(
        [method + b" " + target + b" HTTP/1.1", b"host: x", b"connection: close", *headers, *length, b"", body]
    )


def code(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    """Check the error envelope. Returns the status and the code."""
    status, headers, body = answer
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "request_id"}
    assert error["request_id"] == headers["x-request-id"]
    assert headers["content-type"] == "application/json"
    return status, error["code"]


async def test_every_request_is_answered_below_500(server: Served, new_key: NewKey) -> None:
    key = b"authorization: Bearer " + (await new_key()).encode()
    for group in (paths_and_methods, queries, bodies, types_and_sizes, headers, hardly_http, read_two_ways):
        group(server, key)
    assert server.faults() == []
    assert send(server, request(b"GET", INVOICES, key))[0] == 200


JSON = b"content-type: application/json"
ONCE = b"idempotency-key: k"


def paths_and_methods(server: Served, key: bytes) -> None:
    for target in (
        b"/api",
        b"/api/",
        b"/api/nothing",
        b"/api/v1",
        b"/api//v1//merchant",
        b"/api/v1/merchant/../..",
        b"/api/%ff%fe",
        b"/api/%00",
        b"/api/v1/merchant/invoices/%00",
        b"/api/v1/merchant/invoices/a%2fb",
        b"/api/" + b"a" * 20_000,
        b"/api/" + b"a/" * 10_000,
        b"/api/%e2%80%ae",
        b"/api/%",
        b"/api/%zz",
    ):
        assert code(send(server, request(b"GET", target, key))) == (404, "NOT_FOUND"), target[:60]
    for target in (b"/invoices/" + b"I" * 20_000, b"/invoices/%ff", b"/invoices/%F0%9F%92%A9", b"/invoices/INV-0"):
        answer = send(server, request(b"GET", BASE.encode() + target, key))
        assert code(answer) == (404, "INVOICE_NOT_FOUND"), target[:60]
    for method in (b"PUT", b"DELETE", b"PATCH", b"TRACE", b"OPTIONS", b"BREW"):
        answer = send(server, request(method, INVOICES, key))
        assert answer[1]["allow"] == "GET, HEAD, POST", method
        assert code(answer) == (405, "METHOD_NOT_ALLOWED")
    status, reply_headers, body = send(server, request(b"HEAD", INVOICES, key))
    assert (status, reply_headers["content-type"], body) == (200, "application/json", b"")


def queries(server: Served, key: bytes) -> None:
    for query in (
        b"status=%00",
        b"status=%ff",
        b"order_id=%ED%A0%80",
        b"limit=" + b"9" * 8_000,
        b"limit=%D9%A3",
        b"a" * 9_000,
        b"order_id=" + b"%00" * 1_000,
        b"created_from=99999-01-01T00:00:00Z",
        b"created_from=0000-00-00",
        b"created_from=0001-01-01T00:00:00%2B23:59",
        b"created_to=9999-12-31T23:59:59.999999-23:59",
        b"=",
        b"==&&&=",
        b"limit=1&limit=2",
        b"colour=red",
        b"cursor=" + b"A" * 199,
        b"status[]=paid",
        b"limit=1;status=paid",
    ):
        answer = code(send(server, request(b"GET", INVOICES + b"?" + query, key)))
        assert answer == (400, "INVALID_INPUT"), query[:60]
    for query in (
        b"&&",
        b"",
        b"created_from=0001-01-01T00:00:00Z&created_to=9999-12-31T23:59:59Z",
        b"order_id=%F0%9F%92%A9",
        b"order_id=",
        b"customer_id=" + b"x" * 7_000,
        b"customer_email=%20",
    ):
        status, _, body = send(server, request(b"GET", INVOICES + b"?" + query, key))
        assert status == 200, (query[:60], body)
    for query in (b"asset=USDT&chain=ethereum&cursor=" + b"9" * 18, b"asset=USDT&chain=ethereum&limit=100"):
        assert send(server, request(b"GET", f"{BASE}/ledger".encode() + b"?" + query, key))[0] == 200


def bodies(server: Served, key: bytes) -> None:
    sent = json.dumps({"amount": "5", "currency": "USDT", "chain": "ethereum", "metadata": {"a": 0}}).encode()
    for body in (
        b"{",
        b"\xff",
        b"\x00",
        b"nul",
        b'{"amount":"5","amount":"6"}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"9" * 60_000,
        b"-",
        b'"\\ud800"',
        sent.replace(b"0}", b"9" * 50_000 + b"}"),
        sent.replace(b"0}", b"1e400}"),
        sent.replace(b"0}", b"-" + b"1" * 79 + b"}"),
        sent.replace(b'"5"', b'"5\\u0000"'),
        sent[:-1],
        sent + b"x",
        sent.replace(b"0}", b'{"b":' * 40 + b"1" + b"}" * 41),
        b"\xef\xbb\xbf" + sent,
        sent.decode().encode("utf-16"),
        sent.replace(b"0}", b'"' + b"x" * 5_000 + b'"}'),
        sent.replace(b'"a"', b'"\\u0000"'),
    ):
        answer = code(send(server, request(b"POST", INVOICES, key, JSON, ONCE, body=body)))
        assert answer == (400, "INVALID_INPUT"), body[:60]
    fits = sent.replace(b"0}", b'{"big":12345678901234567890123456789,"small":1e-300}}')
    status, _, body = send(server, request(b"POST", INVOICES, key, JSON, b"idempotency-key: fits", body=fits))
    assert (status, json.loads(body)["metadata"]["a"]["small"]) == (201, 1e-300), body


def types_and_sizes(server: Served, key: bytes) -> None:
    for kind in (b"content-type: text/plain", b"content-type: application/json; charset=utf-16", b"x-none: 1"):
        answer = send(server, request(b"POST", INVOICES, key, kind, ONCE, body=b"{}"))
        assert code(answer) == (415, "UNSUPPORTED_MEDIA_TYPE"), kind
    large = b" " * 70_000
    announced = request(b"POST", INVOICES, key, JSON, ONCE, body=large)
    assert code(send(server, announced)) == (413, "BODY_TOO_LARGE")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [large[:35_000]] * 2) + b"0\r\n\r\n"
    unannounced = request(
        b"POST", INVOICES, key, JSON, ONCE, b"transfer-encoding: chunked", body=chunks, announced=False
    )
    assert code(send(server, unannounced)) == (413, "BODY_TOO_LARGE")
    boast = request(b"POST", INVOICES, key, JSON, ONCE, b"content-length: 99999999999")
    assert code(send(server, boast)) == (413, "BODY_TOO_LARGE")
    empty = request(b"POST", INVOICES, key, JSON, ONCE, b"content-length: 0")
    assert code(send(server, empty)) == (400, "INVALID_INPUT")


def headers(server: Served, key: bytes) -> None:
    for header, expected in (
        (b"authorization: Bearer " + b"a" * 20_000, (401, "INVALID_API_KEY")),
        (b"authorization: Bearer \xff\xfe", (401, "INVALID_API_KEY")),
        (b"authorization:", (401, "MISSING_API_KEY")),
        (b"x-merchant-api-key: sspay_sec_test__", (401, "INVALID_API_KEY")),
        (b"x-request-id: " + b"a" * 20_000, (401, "MISSING_API_KEY")),
        (b"x-forwarded-for: " + b"1," * 5_000, (401, "MISSING_API_KEY")),
    ):
        assert code(send(server, request(b"GET", INVOICES, header))) == expected, header[:40]
    for once in (b"\xff", b"a" * 129, b"\xc3\xa4", b"a\tb"):
        answer = send(server, request(b"POST", INVOICES, key, JSON, b"idempotency-key: " + once, body=b"{}"))
        assert code(answer)[0] == 400, once[:20]


def hardly_http(server: Served, key: bytes) -> None:
    for raw in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET " + INVOICES + b" HTTP/9.9\r\n\r\n",
        request(b"GET", INVOICES, b"a" * 70_000 + b": b"),
        request(b"GET", INVOICES, b"x-a: " + b"b" * 500_000),
        request(b"GET", INVOICES, *[b"x-%d: a" % n for n in range(200)]),
        request(b"GET", b"/api/" + b"a" * 500_000),
        request(b"GET", INVOICES, b"x-nul: a\x00b"),
        request(b"POST", INVOICES, key, JSON, ONCE, b"content-length: -1"),
        request(b"POST", INVOICES, key, JSON, ONCE, b"content-length: 1", b"content-length: 2", body=b"{}"),
        request(b"POST", INVOICES, key, JSON, ONCE, b"transfer-encoding: chunked", body=b"zz\r\n", announced=False),
        request(b"GET", b"api/without/slash", key),
        request(b"GET", b"*", key),
    ):
        status, _, _ = send(server, raw)
        assert status == 0 or 400 <= status < 500, raw[:60]


def read_two_ways(server: Served, key: bytes) -> None:
    """Requests that a proxy and the gateway could interpret differently. Granian's own answers have no envelope."""
    start, close, chunk = b"POST " + INVOICES + b" HTTP/1.1\r\n", b"connection: close\r\n", b"2\r\n{}\r\n0\r\n\r\n"
    rest = key + b"\r\n" + JSON + b"\r\n" + ONCE + b"\r\n"
    host, two, zipped = b"host: x\r\n", b"content-length: 2\r\n", b"content-encoding: gzip\r\n"
    for raw, expected in (
        (start + close + rest + two + b"\r\n{}", (400, "INVALID_INPUT")),  # no host
        (start + host + host + close + rest + two + b"\r\n{}", (400, "INVALID_INPUT")),
        (start + host + b"host: y\r\n" + close + rest + two + b"\r\n{}", (400, "INVALID_INPUT")),
        (start + b"host: a b\r\n" + close + rest + two + b"\r\n{}", (400, "INVALID_INPUT")),
        (start + host + rest + b"transfer-encoding: gzip, chunked\r\n\r\n" + chunk, (400, "INVALID_INPUT")),
        (start + host + rest + b"transfer-encoding: chunked, chunked\r\n\r\n" + chunk, (400, "INVALID_INPUT")),
        (start + host + rest + b"transfer-encoding: chunked\r\n" * 2 + b"\r\n" + chunk, (400, "INVALID_INPUT")),
        (start + host + close + rest + zipped + two + b"\r\n{}", (415, "UNSUPPORTED_MEDIA_TYPE")),
        # Both lengths: the chunks count, and nothing may follow on this connection (RFC 9112, section 6.1).
        (start + host + rest + two + b"transfer-encoding: chunked\r\n\r\n" + chunk + start, (400, "INVALID_INPUT")),
        (start + host + rest + b"transfer-encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", (400, "INVALID_INPUT")),
    ):
        answer = send(server, raw)
        assert code(answer) == expected, raw
    for lines in (
        b"transfer-encoding: gzip\r\n",
        b"transfer-encoding: identity\r\n" + two,
        b"transfer-encoding: xchunked\r\n",
        b"transfer-encoding: \x0bchunked\r\n",
        b"content-length: 2\r\ncontent-length: 3\r\n",
        b"content-length: 2, 2\r\n",
        b"content-length: +2\r\n",
        b"content-length: -2\r\n",
        b"content-length: 0x2\r\n",
        b"content-length: 99999999999999999999999999\r\n",
        b"x-a: b\r\n c\r\n" + two,  # a folded line
        b"x-a : b\r\n" + two,
        b"x-a: b\rc\r\n" + two,
        b": b\r\n" + two,
    ):
        status, _, body = send(server, start + host + close + rest + lines + b"\r\n{}")
        assert (status, body) == (400, b""), lines
    old = b"POST " + INVOICES + b" HTTP/1.0\r\n" + host + rest
    assert send(server, old + b"transfer-encoding: chunked\r\n\r\n" + chunk)[0] == 400
    assert send(server, b"GET /healthz HTTP/1.0\r\n\r\n")[0] == 200
    assert send(server, b"GET /healthz?\xff HTTP/1.1\r\nhost: x\r\n\r\n")[0] == 400
    # A bare line feed may end a line (RFC 9112, section 2.2).
    assert send(server, b"GET /healthz HTTP/1.1\nhost: x\nconnection: close\n\n")[0] == 200
    # Neither protocol is spoken here, so there is nothing to smuggle through one.
    for upgrade in (
        b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        b"connection: upgrade, close\r\nupgrade: h2c\r\n",
    ):
        assert send(server, b"GET /nowhere HTTP/1.1\r\nhost: x\r\n" + close + upgrade + b"\r\n")[0] == 404
    assert send(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")[0] == 0
