"""`construct_event` of the Python client: what it believes, and what it says of the rest. The gateway's code signs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from swap_pay import webhooks
from swap_pay.webhooks import construct_event

from app.api.v1.events import EVENT
from app.webhooks import signing

SECRET, OLD_SECRET, OTHERS = (signing.new_secret() for _ in range(3))
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
NOW_S = NOW.timestamp()
BODY = msgspec.json.encode(msgspec.structs.replace(EVENT, data=EVENT.data | {"description": "Zwölf Schürzen, 12 €"}))


def headers(body: bytes = BODY, *secrets: str, now: datetime = NOW) -> dict[str, str]:
    """The headers that the gateway sends with a body."""
    return signing.headers(
        event_id=EVENT.event_id, type=EVENT.type, previous_seq=0, body=body, secrets=secrets or [SECRET], now=now
    )


def test_an_event_of_the_gateway_is_read() -> None:
    lower = {name.lower(): value for name, value in headers().items()}
    for signature in (headers(), lower, headers()["Swap-Pay-Signature"]):
        event = construct_event(BODY, signature, SECRET, now_s=NOW_S)
        assert (event.type, event.event_id, event.seq, event.mode) == ("invoice.paid", EVENT.event_id, 1042, "test")
        assert event.invoice is not None
        assert event.invoice.description == "Zwölf Schürzen, 12 €"
        assert (event.refund, event.payout) == (None, None)
    signed = webhooks.sign(BODY, SECRET, now_s=NOW_S)
    assert signed == headers()["Swap-Pay-Signature"]
    assert construct_event(memoryview(BODY), signed, SECRET, now_s=NOW_S) == event  # type: ignore[arg-type]


def test_while_a_secret_is_exchanged_no_webhook_is_lost() -> None:
    # The gateway signs with both, the shop has one of them; or the other way round.
    both = headers(BODY, SECRET, OLD_SECRET)
    assert both["Swap-Pay-Signature"].count("v1=") == 2
    for known in (SECRET, OLD_SECRET, [SECRET, OLD_SECRET]):
        assert construct_event(BODY, both, known, now_s=NOW_S).seq == 1042
    for one in (SECRET, OLD_SECRET):
        assert construct_event(BODY, headers(BODY, one), [SECRET, OLD_SECRET], now_s=NOW_S).seq == 1042
    with pytest.raises(webhooks.SignatureMismatch):
        construct_event(BODY, both, OTHERS, now_s=NOW_S)


def test_what_is_not_of_the_gateway_is_refused_and_told_apart() -> None:
    right = headers()["Swap-Pay-Signature"]
    forged = BODY.replace(b'"seq":1042', b'"seq":1043')
    refused: list[tuple[bytes, Any, type[webhooks.WebhookError], str]] = [
        (forged, right, webhooks.SignatureMismatch, "is it the secret of this endpoint"),
        (BODY, right.replace("v1=", "v0="), webhooks.MalformedSignature, "is not t="),
        (BODY, f"{right},t=1", webhooks.MalformedSignature, "is not t="),
        (BODY, right.replace("t=", "t=-"), webhooks.MalformedSignature, "is not t="),
        (BODY, "garbage", webhooks.MalformedSignature, "is not t="),
        (BODY, right.replace("v1=", "v1=é"), webhooks.SignatureMismatch, "no signature"),
        (BODY, {}, webhooks.MissingSignature, "Swap-Pay-Signature"),
        (BODY, None, webhooks.MissingSignature, "Swap-Pay-Signature"),
        (b"[]", headers(b"[]"), webhooks.MalformedEvent, "no event"),
        (b"{}", headers(b"{}"), webhooks.MalformedEvent, "no event"),
        (b"\xff", headers(b"\xff"), webhooks.MalformedEvent, "no event"),
    ]
    for body, signature, kind, words in refused:
        with pytest.raises(kind, match=words):
            construct_event(body, signature, SECRET, now_s=NOW_S)
    with pytest.raises(webhooks.SignatureMismatch, match="white space"):
        construct_event(BODY, right, f"{SECRET}\n", now_s=NOW_S)
    for missing in ("", [], [""]):
        with pytest.raises(ValueError, match="secret is missing"):
            construct_event(BODY, right, missing, now_s=NOW_S)


def test_a_repetition_of_later_is_refused() -> None:
    for seconds, words in ((301, "301 s old"), (-301, "301 s in the future")):
        stale = headers(now=NOW - timedelta(seconds=seconds))
        with pytest.raises(webhooks.StaleSignature, match=words):
            construct_event(BODY, stale, SECRET, now_s=NOW_S)
        assert construct_event(BODY, stale, SECRET, tolerance_s=400, now_s=NOW_S).seq == 1042
        # Whoever has no secret learns nothing about the time.
        with pytest.raises(webhooks.SignatureMismatch):
            construct_event(BODY, stale, OTHERS, now_s=NOW_S)
    assert construct_event(BODY, headers(now=NOW - timedelta(seconds=300)), SECRET, now_s=NOW_S).seq == 1042


def test_a_body_that_a_framework_has_written_anew_is_named() -> None:
    parsed = json.loads(BODY)
    for anew in (json.dumps(parsed), json.dumps(parsed, indent=2), json.dumps(parsed, separators=(",", ":"))):
        with pytest.raises(webhooks.SignatureMismatch, match="the right JSON, written anew: give the raw body"):
            construct_event(anew.encode(), headers(), SECRET, now_s=NOW_S)
    not_raw: Any
    for not_raw in (parsed, BODY.decode()):
        with pytest.raises(TypeError, match="give the raw body as bytes"):
            construct_event(not_raw, headers(), SECRET, now_s=NOW_S)
