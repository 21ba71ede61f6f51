"""The Python client's calls: what is sent, what is sent again, what comes of the answers. The server is scripted."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from swap_pay import AsyncSwapPay, Retries, SwapPay, SwapPayError, _identity, amounts, errors, models
from swap_pay._async import transport as async_transport
from swap_pay._retries import parse_retry_after
from swap_pay._sync import transport as sync_transport

from tests.openapi_document import openapi_document

URL, KEY = "https://pay.example.test", "sspay_sec_test_0123456789abcdef_secret"


@pytest.fixture(scope="module")
def invoice() -> dict[str, Any]:
    """An invoice as the API shows it."""
    operation = openapi_document()["paths"]["/api/v1/merchant/invoices"]["post"]
    example: dict[str, Any] = operation["responses"]["201"]["content"]["application/json"]["example"]
    return example


class Scripted:
    """A gateway that gives its answers one after the other, and keeps what it was asked. `pauses` are the client's."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response | Exception] = []
        self.asked: list[httpx.Request] = []
        self.pauses: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options: Any) -> SwapPay:
        return SwapPay(URL, KEY, http=httpx.Client(transport=httpx.MockTransport(self.answer)), **options)

    def async_client(self, **options: Any) -> AsyncSwapPay:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        return AsyncSwapPay(URL, KEY, http=http, **options)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """A scripted gateway. The client's waiting is recorded, not waited."""
    gateway = Scripted()

    async def wait(pause_s: float) -> None:
        gateway.pauses.append(pause_s)

    monkeypatch.setattr(async_transport, "sleep_async", wait)
    monkeypatch.setattr(sync_transport, "sleep", gateway.pauses.append)
    return gateway


def refusal(code: str, status: int, *, headers: dict[str, str] | None = None, **more: str) -> httpx.Response:
    """An error of the API."""
    error = {"code": code, "message": "what is wrong", "request_id": "r-1", **more}
    return httpx.Response(status, json={"error": error}, headers=headers)


def test_a_creation_is_repeated_with_the_same_key_until_it_is_answered(
    gateway: Scripted, invoice: dict[str, Any]
) -> None:
    gateway.answers = [
        httpx.ConnectError("refused"),
        refusal("RATE_LIMITED", 429, headers={"Retry-After": "7"}),
        refusal("IDEMPOTENCY_IN_PROGRESS", 409, headers={"Retry-After": "1"}),
        httpx.Response(201, json=invoice),
    ]
    made = gateway.client().invoices.create(amount=Decimal("5.00"), currency="USDT", chain="tron", metadata={"a": [1]})
    assert made.id == invoice["id"]
    # The pauses are those that the gateway asks for; where it can't, a short one.
    assert 0 < gateway.pauses[0] <= 0.5
    assert gateway.pauses[1:] == [7, 1]
    assert len({request.headers["Idempotency-Key"] for request in gateway.asked}) == 1
    assert len({request.content for request in gateway.asked}) == 1
    sent = gateway.asked[0]
    assert json.loads(sent.content) == {"amount": "5.00", "currency": "USDT", "chain": "tron", "metadata": {"a": [1]}}
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.headers["User-Agent"].startswith(f"swap-pay-python/{_identity.__version__} Python/3.")
    # Another call has another key; or the caller's own.
    gateway.answers = [httpx.Response(201, json=invoice)] * 2
    gateway.client().invoices.create(amount="5", currency="EUR")
    gateway.client().invoices.create(amount=5, currency="EUR", idempotency_key="order-1042")
    assert len({request.headers["Idempotency-Key"] for request in gateway.asked}) == 3
    assert gateway.asked[-1].headers["Idempotency-Key"] == "order-1042"


async def test_the_asynchronous_client_does_the_same(gateway: Scripted, invoice: dict[str, Any]) -> None:
    gateway.answers = [httpx.ReadTimeout("late"), httpx.Response(502, text="<html>"), httpx.Response(200, json=invoice)]
    async with gateway.async_client() as client:
        assert (await client.invoices.get(invoice["id"])).id == invoice["id"]
    assert len(gateway.pauses) == 2
    assert gateway.asked[0].url.path == f"/api/v1/merchant/invoices/{invoice['id']}"


NEVER_AGAIN: dict[str, Callable[[SwapPay], object]] = {
    "a cancellation has no key": lambda client: client.invoices.cancel("INV-1"),
    "a test event has no key": lambda client: client.webhooks.test("WH-1"),
    "a redelivery has no key": lambda client: client.events.redeliver("e"),
}


def test_a_post_without_a_key_is_never_repeated(gateway: Scripted) -> None:
    for call in NEVER_AGAIN.values():
        for answer in (httpx.ReadError("reset"), refusal("UNAVAILABLE", 503, headers={"Retry-After": "1"})):
            gateway.answers = [answer]
            with pytest.raises(SwapPayError):
                call(gateway.client())
    assert (len(gateway.asked), gateway.pauses) == (6, [])


def test_what_will_not_pass_is_not_repeated_and_nothing_is_forever(gateway: Scripted) -> None:
    client = gateway.client(retries=Retries(attempts=3, total_s=30))
    gateway.answers = [refusal("INVALID_INPUT", 400)]
    with pytest.raises(errors.InvalidInput):
        client.invoices.create(amount="5", currency="EUR")
    gateway.answers = [httpx.ConnectError("refused")] * 3
    with pytest.raises(errors.NoAnswer, match=r"GET https://pay\.example\.test/api/v1/merchant/balance: refused"):
        client.balance.get()
    assert len(gateway.asked) == 4
    # A wait that is longer than the caller has is no wait: the error says how long.
    gateway.answers = [refusal("API_KEY_LOCKED", 429, headers={"Retry-After": "3600"})]
    with pytest.raises(errors.ApiKeyLocked) as locked:
        client.balance.get()
    assert (locked.value.retry_after_s, len(gateway.asked)) == (3600, 5)


def test_a_deletion_that_was_carried_out_before_the_connection_broke_is_done(gateway: Scripted) -> None:
    gateway.answers = [httpx.ReadError("reset"), refusal("WEBHOOK_NOT_FOUND", 404)]
    gateway.client().webhooks.delete("WH-1")
    gateway.answers = [refusal("WEBHOOK_NOT_FOUND", 404)]
    with pytest.raises(errors.WebhookNotFound):
        gateway.client().webhooks.delete("WH-1")


def test_retry_after_has_seconds_or_a_date() -> None:
    now = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert parse_retry_after("12") == 12
    assert parse_retry_after("Sat, 31 Jan 2026 09:30:20 GMT", now) == 20
    assert parse_retry_after("Sat, 31 Jan 2026 09:00:00 GMT", now) == 0
    assert [parse_retry_after(value) for value in (None, "", "soon", "-5")] == [None] * 4


def test_an_error_is_of_the_class_of_its_code_or_of_its_status(gateway: Scripted) -> None:
    client = gateway.client(retries=Retries(attempts=1))
    gateway.answers = [refusal("DUPLICATE_ORDER_ID", 409, invoice_id="INV-2K8F4M0TQ7")]
    with pytest.raises(errors.DuplicateOrderId) as duplicate:
        client.invoices.create(amount="5", currency="EUR", order_id="1042")
    error = duplicate.value
    assert (error.invoice_id, error.code, error.status) == ("INV-2K8F4M0TQ7", "DUPLICATE_ORDER_ID", 409)
    assert str(error) == "DUPLICATE_ORDER_ID (request r-1): what is wrong"
    assert isinstance(error, errors.Conflict)
    for status, kind in {
        400: errors.BadRequest,
        401: errors.Unauthorized,
        403: errors.Forbidden,
        404: errors.ResourceNotFound,
        409: errors.Conflict,
        418: errors.ClientError,
        429: errors.TooManyRequests,
        500: errors.ServerError,
        503: errors.ServiceUnavailable,
    }.items():
        gateway.answers = [refusal("FROM_THE_FUTURE", status)]
        with pytest.raises(SwapPayError) as unknown:
            client.balance.get()
        assert (type(unknown.value), unknown.value.code, unknown.value.request_id) == (kind, "FROM_THE_FUTURE", "r-1")
    gateway.answers = [httpx.Response(500, text="<h1>Bad gateway</h1>", headers={"X-Request-Id": "r-2"})]
    with pytest.raises(errors.ServerError, match="Bad gateway") as page:
        client.balance.get()
    assert (page.value.code, page.value.request_id) == (None, "r-2")


def test_what_is_deprecated_is_logged_once(
    gateway: Scripted, invoice: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Deprecation": "@1777593600", "Sunset": "Tue, 01 Jun 2027 00:00:00 GMT", "Link": "<https://x.test/why>"}
    gateway.answers = [httpx.Response(200, json=invoice, headers=headers) for _ in range(2)]
    client = gateway.client()
    client.invoices.get("INV-1")
    client.invoices.get("INV-2")
    (record,) = [record for record in caplog.records if record.name == "swap_pay"]
    said = record.getMessage()
    assert "GET /api/v1/merchant/invoices/INV-1 uses something that is deprecated" in said
    assert "goes at Tue, 01 Jun 2027 00:00:00 GMT: <https://x.test/why>" in said


def test_what_is_no_answer_of_the_gateway_is_told(gateway: Scripted, invoice: dict[str, Any]) -> None:
    without_status = {name: value for name, value in invoice.items() if name != "status"}
    strange: dict[str, httpx.Response] = {
        "the gateway is older than this version": httpx.Response(200, json=without_status),
        "is the address that of a Swap Pay gateway": httpx.Response(200, text="<h1>It works!</h1>"),
        "status 302": httpx.Response(302, headers={"Location": "https://elsewhere.example"}),
    }
    for words, answer in strange.items():
        gateway.answers = [answer]
        with pytest.raises(errors.UnexpectedAnswer, match=words):
            gateway.client().invoices.get("INV-1")


def test_a_newer_gateway_does_not_break_this_version(gateway: Scripted, invoice: dict[str, Any]) -> None:
    newer = json.loads(json.dumps(invoice)) | {"status": "half_paid", "mood": {"of": "the customer"}}
    newer["deposits"] = [{**deposit, "verdict": "blessed"} for deposit in newer["deposits"]]
    gateway.answers = [httpx.Response(200, json=newer)]
    read = gateway.client().invoices.get("INV-1")
    assert (read.status, read.status.is_known, str(read.status)) == ("half_paid", False, "half_paid")
    assert read.status != models.InvoiceStatus.PAID
    assert models.InvoiceStatus("paid") is models.InvoiceStatus.PAID
    assert models.InvoiceStatus.PAID.is_known
    assert read["mood"] == {"of": "the customer"}
    assert {deposit.verdict for deposit in read.deposits} <= {"blessed"}
    assert read.to_dict().keys() == newer.keys()


def pages_of(invoice: dict[str, Any]) -> list[httpx.Response | Exception]:
    """Three pages of invoices; the second one is empty."""
    named = [{**invoice, "id": f"INV-{number}"} for number in range(3)]
    return [
        httpx.Response(200, json={"data": named[:2], "next_cursor": "two"}),
        httpx.Response(200, json={"data": [], "next_cursor": "three"}),
        httpx.Response(200, json={"data": named[2:], "next_cursor": None}),
    ]


async def test_a_list_goes_on_over_all_its_pages(gateway: Scripted, invoice: dict[str, Any]) -> None:
    since = datetime(2026, 1, 31, tzinfo=UTC)
    gateway.answers = pages_of(invoice)
    listed = gateway.client().invoices.list(status="paid", created_from=since, page_size=2)
    assert gateway.asked == []
    assert [invoice.id for invoice in listed] == ["INV-0", "INV-1", "INV-2"]
    assert [request.url.params.get("cursor") for request in gateway.asked] == [None, "two", "three"]
    asked = dict(gateway.asked[0].url.params)
    assert asked == {"status": "paid", "created_from": "2026-01-31T00:00:00+00:00", "limit": "2"}
    gateway.answers = pages_of(invoice)
    assert (first := listed.first()) is not None
    assert first.id == "INV-0"
    gateway.answers = pages_of(invoice)[2:]
    page, cursor = gateway.client().invoices.list(cursor="three").page()
    assert ([invoice.id for invoice in page], cursor) == (["INV-2"], None)
    gateway.answers = pages_of(invoice)
    many: AsyncIterator[models.Invoice] = gateway.async_client().invoices.list().__aiter__()
    assert [invoice.id async for invoice in many] == ["INV-0", "INV-1", "INV-2"]


async def test_catching_up_on_events_goes_on_until_now(gateway: Scripted, invoice: dict[str, Any]) -> None:
    def page(*seqs: int) -> httpx.Response:
        common = {"merchant_id": "MCH-1", "mode": "test", "created_at": "2026-01-31T09:30:00.123456Z"}
        events = [
            {"event_id": f"e{seq}", "seq": seq, "type": "invoice.paid", "data": invoice, **common} for seq in seqs
        ]
        return httpx.Response(200, json={"data": events, "next_cursor": None})

    gateway.answers = [page(5, 6), page(7, 9), page()]
    caught_up = list(gateway.client().events.after(4, page_size=2))
    assert [event.seq for event in caught_up] == [5, 6, 7, 9]
    assert [request.url.params["after_seq"] for request in gateway.asked] == ["4", "6", "9"]
    assert caught_up[0].invoice is not None
    assert (caught_up[0].invoice.id, caught_up[0].payout) == (invoice["id"], None)
    gateway.answers = [page(5)]
    assert [event.seq async for event in gateway.async_client().events.after(4)] == [5]


def test_amounts_are_never_floating_point(gateway: Scripted) -> None:
    for wrong in (5.0, True, None):
        with pytest.raises(TypeError, match="an amount is"):
            gateway.client().invoices.create(amount=wrong, currency="EUR")  # type: ignore[arg-type]
    assert amounts.as_text(Decimal("1E+3")) == "1000"
    with pytest.raises(ValueError, match="no amount"):
        amounts.as_text(Decimal("NaN"))
    assert amounts.to_decimal("123456789012345678901234567890", 18) == Decimal("123456789012.345678901234567890")
    assert amounts.to_raw("5.00", 6) == 5_000_000
    with pytest.raises(ValueError, match="more than 6 places"):
        amounts.to_raw("0.0000001", 6)


def test_address_and_key_come_from_the_environment_and_the_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWAP_PAY_URL", raising=False)
    monkeypatch.delenv("SWAP_PAY_KEY", raising=False)
    with pytest.raises(ValueError, match="SWAP_PAY_URL"):
        SwapPay()
    monkeypatch.setenv("SWAP_PAY_URL", f"{URL}/")
    with pytest.raises(ValueError, match="SWAP_PAY_KEY"):
        SwapPay()
    monkeypatch.setenv("SWAP_PAY_KEY", KEY)
    with SwapPay() as client:
        assert repr(client) == f"SwapPay('{URL}')"
    for wrong in ("pay.example.test", "ftp://pay.example.test"):
        with pytest.raises(ValueError, match="no address such as"):
            SwapPay(wrong, KEY)
    with pytest.raises(ValueError, match="characters that no key has"):
        SwapPay(URL, f"{KEY}\n")
