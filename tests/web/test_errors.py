"""Every fault ends in the envelope or a page, with the right status and no internal details."""

import json

import asyncpg
import httpx
import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from structlog.testing import capture_logs

from app.core.settings import Settings
from app.core.waiting import DatabaseUnavailable
from app.web.bodies import MAX_BODY_BYTES
from app.web.errors import classify
from tests.factories.api_keys import IssuedKey, api_key
from tests.web.site import THINGS, client, make_site

pytestmark = pytest.mark.usefixtures("db", "valkey")

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def key(settings: Settings) -> IssuedKey:
    return await api_key(settings.api_key_peppers, scopes=["invoices.write"])


def outcome(answer: httpx.Response) -> tuple[int, str]:
    """Check the envelope's form. Returns the status and the code."""
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "request_id"}
    assert body["error"]["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, body["error"]["code"]


async def test_faults_of_routing_and_validation(settings: Settings, key: IssuedKey) -> None:
    async with client(make_site(settings)) as http:
        assert outcome(await http.get("/api/nothing")) == (404, "NOT_FOUND")
        assert outcome(await http.get("/api")) == (404, "NOT_FOUND")
        assert outcome(await http.get("/api/v1/merchant/%00")) == (404, "NOT_FOUND")
        assert outcome(await http.get(f"{THINGS}/a%00b", headers=key.bearer)) == (404, "NOT_FOUND")
        deleted = await http.delete(THINGS, headers=key.bearer)
        assert outcome(deleted) == (405, "METHOD_NOT_ALLOWED")
        assert {"GET", "POST"} <= set(deleted.headers["Allow"].split(", "))
        options = await http.options(THINGS)
        assert outcome(options) == (405, "METHOD_NOT_ALLOWED")
        assert options.headers["Allow"] == "GET, HEAD, POST"
        missing = await http.get("/api/typed")
        assert outcome(missing) == (400, "INVALID_INPUT")
        wrong = await http.get("/api/typed?count=many")
        assert outcome(wrong) == (400, "INVALID_INPUT")
        assert wrong.json()["error"]["message"].startswith("count: ")


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.LockNotAvailableError,
        asyncpg.DeadlockDetectedError,
        asyncpg.SerializationError,
        asyncpg.QueryCanceledError,
        DatabaseUnavailable,
    ],
)
def test_temporary_database_errors_may_be_repeated(error: type[Exception]) -> None:
    fault = classify(error("details of ours"))
    assert (fault.status, fault.code) == (503, "UNAVAILABLE")
    assert fault.retry_after_s is not None
    assert "ours" not in fault.message


async def test_a_bug_is_logged_and_its_answer_reveals_nothing(settings: Settings) -> None:
    async with client(make_site(settings)) as http:
        with capture_logs([structlog.contextvars.merge_contextvars]) as logged:
            answer = await http.get("/api/boom", headers={"X-Request-Id": "support-42"})
        assert outcome(answer) == (500, "INTERNAL")
        assert "swordfish" not in answer.text
        assert [(line["event"], line["request_id"]) for line in logged] == [("request_failed", "support-42")]
        assert "swordfish" in str(logged[0]["exc_info"])
        page = await http.get("/boom")
        assert page.status_code == 500
        assert page.headers["Content-Type"].startswith("text/html")
        assert "swordfish" not in page.text
        unreadable = await http.get("/nowhere")
        assert unreadable.status_code == 404
        assert unreadable.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "body: must be a JSON object"),
        (b"{", "body: is not valid JSON"),
        (b'{"name": "\xff"}', "body: is not valid UTF-8"),
        (b'\xef\xbb\xbf{"name": "a"}', "body: is not valid JSON"),
        ('{"name": "a"}'.encode("utf-16"), "body: is not valid UTF-8"),
        (b"[1]", "body: expected `object`, got `array`"),
        (b'{"name": 5}', "name: expected `str`, got `int`"),
        (b'{"name": "a", "colour": "red"}', "colour: is not a known field"),
        (b'{"name": "a", "detail": {"colour": "red", "size": 1}}', "detail.size: is not a known field"),
        (b'{"name": "a", "detail": {}}', "detail.colour: is required"),
        (b"{}", "name: is required"),
        (b'{"name": "a", "name": "b"}', "name: stands twice in the same object"),
        (b'{"name": "a", "metadata": {"x": 1, "x": 2}}', "x: stands twice in the same object"),
        (b'{"name": "a\\u0000b"}', "name: must not hold NUL characters"),
        (b'{"name": "a", "metadata": {"k\\u0000": 1}}', "metadata: must not hold NUL characters"),
        (b'{"name": "a\x00b"}', "body: is not valid JSON"),
        (b'{"name": "\\ud800"}', "name: holds half of a surrogate pair"),
        (b'{"name": "a", "metadata": {"x": NaN}}', "body: is not valid JSON: NaN is not a JSON value"),
        (b'{"name": "a", "metadata": {"x": -Infinity}}', "body: is not valid JSON"),
        (b'{"name": "a", "metadata": {"x": 1e999}}', "body: has a number that is out of range"),
        (b'{"name": "a", "metadata": {"x": ' + b"9" * 60_000 + b"}}", "body: has a number of more than"),
        (b'{"name": "a", "metadata": {"x": ' + b"[" * 40 + b"]" * 40 + b"}}", "body: is nested deeper than 32"),
        (b"[" * 60_000, "body: is nested deeper than 32"),
        (b'{"a":' * 12_000, "body: is nested deeper than 32"),
    ],
)
async def test_bad_bodies_are_refused_by_name(settings: Settings, key: IssuedKey, body: bytes, message: str) -> None:
    async with client(make_site(settings)) as http:
        answer = await http.post(THINGS, content=body, headers=key.bearer | JSON)
    assert outcome(answer) == (400, "INVALID_INPUT")
    assert answer.json()["error"]["message"].startswith(message)


async def test_good_bodies_are_read_whole(settings: Settings, key: IssuedKey) -> None:
    flat = b'{"name": "a", "metadata": {"x": [' + b"[]," * 100 + b'"\\\\u0000 [[[", "\\ud83d\\ude00"]}}'
    async with client(make_site(settings)) as http:
        for body, kind in [
            (b'{"name": "K\xc3\xa4se"}', "application/json"),
            (b' {"name": "a", "detail": null} ', "application/json; charset=utf-8"),
            (b'{"name": "a"}', 'Application/JSON;charset="UTF-8"'),
            (flat, "application/json"),
        ]:
            answer = await http.post(THINGS, content=body, headers={**key.bearer, "Content-Type": kind})
            assert answer.status_code == 201, answer.text


async def test_content_types_and_sizes(settings: Settings, key: IssuedKey) -> None:
    async def in_pieces() -> object:
        for _ in range(10):
            yield b"x" * (MAX_BODY_BYTES // 8)

    async with client(make_site(settings)) as http:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""):
            answer = await http.post(THINGS, content=b"{}", headers={**key.bearer, "Content-Type": kind})
            assert outcome(answer) == (415, "UNSUPPORTED_MEDIA_TYPE"), kind
        too_large = await http.post(THINGS, content=b" " * (MAX_BODY_BYTES + 1), headers=key.bearer | JSON)
        assert outcome(too_large) == (413, "BODY_TOO_LARGE")
        unannounced = await http.post(THINGS, content=in_pieces(), headers=key.bearer | JSON)  # type: ignore[arg-type]
        assert outcome(unannounced) == (413, "BODY_TOO_LARGE")
        fits = await http.post(THINGS, content=b'{"name":"a"}'.ljust(MAX_BODY_BYTES), headers=key.bearer | JSON)
        assert fits.status_code == 201


async def test_lists_are_asked_for_strictly(settings: Settings, key: IssuedKey) -> None:
    async with client(make_site(settings)) as http:
        for query, field in {
            "limit=0": "limit",
            "limit=101": "limit",
            "limit=-1": "limit",
            "limit=٣": "limit",
            "limit=1e1": "limit",
            "limit=": "limit",
            "limit=5&limit=6": "limit",
            "colour=red": "colour",
            "cursor=AAAA": "cursor",
            "cursor=": "cursor",
            "cursor=%F0%9F%98%80": "cursor",
            "cursor=" + "A" * 5000: "cursor",
            "status=%00": "query",
            "status=%ff": "query",
        }.items():
            answer = await http.get(f"{THINGS}?{query}", headers=key.bearer)
            assert outcome(answer) == (400, "INVALID_INPUT"), query
            assert answer.json()["error"]["message"].startswith(f"{field}: "), query
        fine = await http.get(f"{THINGS}?limit=100&status=paid", headers=key.bearer)
        assert fine.json()["limit"] == 100


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


async def test_no_input_makes_a_5xx(settings: Settings, key: IssuedKey) -> None:
    """Any bytes as body, query, path, header: an answer below 500, in the envelope if it is an error."""
    site = make_site(settings)
    async with client(site) as http:
        runs: list[dict[str, object]] = []

        bodies = st.binary(max_size=200) | JSONISH.map(lambda value: json.dumps(value).encode())
        fields = JSONISH.map(lambda value: json.dumps({"name": value, "metadata": {"a": value}}).encode())

        @examples(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(bodies | fields, st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=60))
        def collect(body: bytes, query: bytes, path: bytes, header: bytes) -> None:
            runs.append({"body": body, "query": query, "path": path, "header": header})

        collect()
        for run in runs:
            for answer in (
                await http.post(THINGS, content=run["body"], headers=key.bearer | JSON),  # type: ignore[arg-type]
                await raw_get(site, f"{THINGS}/x".encode(), run["query"], run["header"]),  # type: ignore[arg-type]
                await raw_get(site, THINGS.encode(), run["query"], key.full.encode()),  # type: ignore[arg-type]
                await raw_get(site, THINGS.encode() + b"/" + run["path"], b"", key.full.encode()),  # type: ignore
            ):
                assert answer.status_code < 500, run
                if answer.status_code >= 400:
                    outcome(answer)


async def raw_get(site: object, path: bytes, query: bytes, presented: bytes) -> httpx.Response:
    """A GET with bytes that no client library would send, as a server hands them on."""
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path.decode(errors="replace"),
        "raw_path": path,
        "query_string": query,
        "headers": [(b"host", b"pay.example.test"), (b"authorization", b"Bearer " + presented)],
        "client": ("203.0.113.5", 4000),
        "server": ("127.0.0.1", 8000),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
    }
    await site(scope, receive, send)  # type: ignore[operator]
    body = b"".join(message.get("body", b"") for message in sent[1:])  # type: ignore[misc]
    return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=body)  # type: ignore[arg-type]
