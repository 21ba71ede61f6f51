"""Checks of a merchant's own endpoint: events in awkward ways, and what its answers say about it.

Every event is marked as a test, so that no shop ships goods for it: its type is `webhook.test` (or one that does not
exist), its data says which check it belongs to, and its numbers are lower than those of real events, so that a shop
that stores the last number skips nothing later. Only in test mode is there one about an invoice, and that invoice does
not exist. None of them is an event of the feed, and none counts as a failure of the endpoint.

The same checks run in the cabinet, by a worker, and from the command line against a server on a developer's machine.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from app.core import clock
from app.core.outbound.outcome import ErrorClass, Outcome
from app.events.types import TEST
from app.webhooks import signing
from app.webhooks.check_words import CHECKS, Check
from app.webhooks.schedule import GONE
from app.webhooks.sender import Sender

LIMIT_S = 10
"""An answer that comes later counts as none (contract, section 6)."""

SLOW_S = 5
"""An endpoint that needs half of the limit for a small event will exceed it on a busy day."""

TOLERANCE = timedelta(minutes=5)
"""Timestamps that are further from now must be refused (docs/webhooks.md)."""

OLD = timedelta(hours=1)

LARGE_BYTES = 48 * 1024
"""More than an event of an invoice with many deposits, quotes and full metadata has."""

UNKNOWN_TYPE = "webhook.check_of_an_unknown_type"
UNKNOWN_INVOICE = "INV-0000000000"
MAX_SHOWN = 120
"""Characters of an answer's detail that are kept."""

Verdict = Literal["passed", "warning", "failed", "untold", "not_sent"]
"""`untold`: an answer came, and says nothing. `warning`: nothing is lost or forged, but it should be better."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What is checked. `secrets` are those that sign at present; `run` makes event ids that stay the same when a step
    is repeated."""

    url: str
    secrets: Sequence[str]
    merchant_id: str
    mode: Literal["live", "test"]
    name: str
    run: uuid.UUID
    started_at: datetime


class Result(msgspec.Struct, frozen=True):
    """What one check found. `came` is the answer in words; `slowest_ms` the time of the slowest of its requests."""

    check: str
    verdict: Verdict
    came: str
    slowest_ms: int = 0


class _Request(msgspec.Struct, frozen=True):
    headers: dict[str, str]
    body: bytes


async def run(sender: Sender, endpoint: Endpoint, done: Sequence[Result] = ()) -> AsyncIterator[Result]:
    """Make the checks one after another, after those that are done already.

    Each sends one or two requests, so it ends within half a minute. Not in a transaction.
    """
    results = list(done)
    for check in checks_of(endpoint.mode)[len(results) :]:
        results.append(await _make(check, sender, endpoint, results))
        yield results[-1]


def checks_of(mode: str) -> list[Check]:
    """The checks that are made in a mode, in order."""
    return [check for check in CHECKS.values() if mode == "test" or not check.test_mode_only]


async def _make(check: Check, sender: Sender, endpoint: Endpoint, before: Sequence[Result]) -> Result:
    first = before[0] if before else None
    if first is not None and first.verdict == "failed" and first.came.startswith(NO_ANSWER):
        return Result(check.name, "not_sent", "Not sent, since no answer came to the first event.")
    if check.name == "in_time":
        return _in_time(before)
    requests = _requests(check, endpoint)
    if check.at_once:
        outcomes = list(await asyncio.gather(*(_post(sender, endpoint, request) for request in requests)))
    else:
        outcomes = [await _post(sender, endpoint, request) for request in requests]
    slowest_ms = max(outcome.duration_ms for outcome in outcomes)
    if check.expects == "2xx":
        verdict, came = _accepted(check, outcomes)
    else:
        verdict, came = _refused(outcomes, good_is_refused=first is not None and first.verdict == "failed")
    return Result(check.name, verdict, came, slowest_ms)


async def _post(sender: Sender, endpoint: Endpoint, request: _Request) -> Outcome:
    return await sender.post(endpoint.url, headers=request.headers, body=request.body)


def _requests(check: Check, endpoint: Endpoint) -> list[_Request]:
    """What is sent for a check."""
    secrets, now, stranger = endpoint.secrets, clock.now(), [signing.new_secret()]

    def signed(
        name: str = check.name,
        *,
        type: str = TEST,
        seq: int = 1,
        previous_seq: int = 0,
        by: Sequence[str] = secrets,
        at: datetime = now,
        beside: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        sent_body: bytes | None = None,
    ) -> _Request:
        event_id = str(uuid.uuid5(endpoint.run, name))
        body = _body(endpoint, event_id, type, seq, name, beside or {}, data or {})
        headers = signing.headers(
            event_id=event_id, type=type, previous_seq=previous_seq, body=body, secrets=by, now=at
        )
        return _Request(headers, body if sent_body is None else sent_body)

    match check.name:
        case "signed":
            return [signed()]
        case "duplicate":
            return [signed("signed")]
        case "out_of_order":
            return [signed("later", seq=3, previous_seq=2), signed("earlier", seq=2, previous_seq=1)]
        case "rotated":
            return [signed(by=[*stranger, *secrets])]
        case "unknown_type":
            return [signed(type=UNKNOWN_TYPE)]
        case "unknown_fields":
            new = {"a_field_of_a_later_version": {"that": ["you", "don't", "know"]}}
            return [signed(beside=new, data=new)]
        case "large":
            return [signed(data={"padding": "0123456789abcdef" * (LARGE_BYTES // 16)})]
        case "at_once":
            return [signed(), signed()]
        case "unknown_invoice":
            return [signed(type="invoice.paid", data=_unknown_invoice())]
        case "no_signature":
            request = signed()
            headers = {name: value for name, value in request.headers.items() if "signature" not in name.lower()}
            return [_Request(headers, request.body)]
        case "wrong_secret":
            return [signed(by=stranger)]
        case "changed_body":
            request = signed()
            return [_Request(request.headers, request.body.replace(b'"changed":false', b'"changed":true'))]
        case "old":
            return [signed(at=now - OLD)]
    raise AssertionError(f"nothing is sent for {check.name}")


def _body(
    endpoint: Endpoint,
    event_id: str,
    type: str,
    seq: int,
    name: str,
    beside: Mapping[str, Any],
    data: Mapping[str, Any],
) -> bytes:
    event = {
        "event_id": event_id,
        "seq": seq,
        "type": type,
        "created_at": clock.rfc3339(endpoint.started_at),
        "merchant_id": endpoint.merchant_id,
        "mode": endpoint.mode,
        **beside,
        "data": {"webhook_id": endpoint.name, "url": endpoint.url, "check": name, "changed": False, **data},
    }
    return json.dumps(event, separators=(",", ":")).encode()


def _unknown_invoice() -> dict[str, Any]:
    """What a shop reads of an invoice first. Its id has never been given, and no shop has made the order."""
    return {
        "invoice_id": UNKNOWN_INVOICE,
        "id": UNKNOWN_INVOICE,
        "status": "paid",
        "credited": True,
        "amount_raw": "1",
        "order_id": "swap-pay-integration-check",
        "metadata": {"swap_pay_integration_check": True},
    }


NO_ANSWER = "No answer"


def _accepted(check: Check, outcomes: Sequence[Outcome]) -> tuple[Verdict, str]:
    """The verdict where each request is to be answered with 2xx."""
    for outcome in outcomes:
        if not outcome.delivered:
            words = in_words(outcome)
            if outcome.status == GONE:
                words += ": by this an endpoint asks for no more events, and is disabled"
            elif outcome.status is not None and 300 <= outcome.status < 400:
                words += ": redirects are not followed"
            return "failed" if check.must else "warning", words
    return "passed", " and ".join(in_words(outcome) for outcome in outcomes)


def _refused(outcomes: Sequence[Outcome], *, good_is_refused: bool) -> tuple[Verdict, str]:
    """The verdict where a forged or old event is to be answered with 4xx."""
    (outcome,) = outcomes
    words = in_words(outcome)
    if outcome.delivered:
        return "failed", f"{words}: it was accepted"
    if outcome.status is None or not 400 <= outcome.status < 500:
        return "warning", f"{words}: it was not accepted, but not refused either"
    if outcome.status in (404, 405, 429):
        return "untold", f"{words}, which says nothing about the signature"
    if good_is_refused:
        return "untold", f"{words}, as to the event with the right signature"
    return "passed", words


def _in_time(before: Sequence[Result]) -> Result:
    """How long the slowest answer took, over all checks so far."""
    slowest_ms = max(result.slowest_ms for result in before)
    words = f"{slowest_ms / 1000:.1f} s for the slowest"
    if slowest_ms > LIMIT_S * 1000:
        return Result("in_time", "failed", words, slowest_ms)
    return Result("in_time", "warning" if slowest_ms > SLOW_S * 1000 else "passed", words, slowest_ms)


_ERRORS = {
    ErrorClass.CONNECT: "nothing listens there",
    ErrorClass.CONNECT_TIMEOUT: "the connection took too long",
    ErrorClass.DNS: "its name leads to no public address",
    ErrorClass.TLS: "its certificate could not be verified",
    ErrorClass.TIMEOUT: f"none within {LIMIT_S} seconds",
    ErrorClass.RESET: "the connection was closed before one came",
}


def in_words(outcome: Outcome) -> str:
    """An answer as a person reads it: `HTTP 200 in 12 ms`, or why there was none."""
    if outcome.status is not None:
        return f"HTTP {outcome.status} in {outcome.duration_ms} ms"
    reason = _ERRORS.get(outcome.error, outcome.detail[:MAX_SHOWN]) if outcome.error is not None else ""
    return f"{NO_ANSWER}: {reason}"


def count(results: Sequence[Result], *verdicts: Verdict) -> int:
    """How many checks ended so."""
    return sum(result.verdict in verdicts for result in results)


def summary(results: Sequence[Result]) -> str:
    """What the results mean as a whole, in a sentence."""
    passed, failed, warned = (count(results, verdict) for verdict in ("passed", "failed", "warning"))
    if failed and count(results, "not_sent"):
        return "The endpoint could not be reached, so nothing else was sent."
    words = f"{passed} of {len(results)} checks passed"
    if failed:
        words += f"; {failed} failed and {'need' if failed > 1 else 'needs'} to be fixed"
    if warned:
        words += f"; {warned} could be better"
    return f"{words}."
