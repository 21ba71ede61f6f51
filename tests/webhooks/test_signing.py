"""Signatures that receivers can verify, by our header and by the Standard Webhooks one."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from app.core import clock
from app.webhooks import signing

BODY = '{"event_id":"x","data":{"name":"Zoë"}}'.encode()


def made_headers(secrets: list[str], body: bytes = BODY) -> dict[str, str]:
    return signing.headers(
        event_id="6a4e", type="invoice.paid", previous_seq=7, body=body, secrets=secrets, now=clock.now()
    )


def test_a_secret_is_whsec_and_32_random_bytes() -> None:
    secret = signing.new_secret()
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret != signing.new_secret()


@given(text=st.text(st.characters(codec="utf-8"), max_size=300))
def test_the_standard_library_verifies(text: str) -> None:
    body = json.dumps(text).encode()
    secret = signing.new_secret()
    assert Webhook(secret).verify(body, made_headers([secret], body)) == text


def test_the_standard_library_refuses_another_body_and_another_secret() -> None:
    secret = signing.new_secret()
    headers = made_headers([secret])
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(BODY, headers, json_parse=False)


def test_our_signature_is_hmac_of_time_and_body_under_the_whole_secret() -> None:
    secret = signing.new_secret()
    headers = made_headers([secret])
    stamp, mark = (part.split("=", 1)[1] for part in headers["Swap-Pay-Signature"].split(","))
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + BODY, hashlib.sha256).hexdigest()
    assert mark == expected
    assert abs(int(stamp) - clock.now().timestamp()) < 5


def test_both_secrets_sign_during_a_rotation() -> None:
    new, old = signing.new_secret(), signing.new_secret()
    headers = made_headers([new, old])
    assert headers["Swap-Pay-Signature"].count("v1=") == 2
    for secret in (new, old):
        Webhook(secret).verify(BODY, headers, json_parse=False)


def test_each_attempt_has_its_own_time_and_the_same_id() -> None:
    secret = signing.new_secret()
    first = made_headers([secret])
    clock.shift(timedelta(minutes=10))
    try:
        second = made_headers([secret])
    finally:
        clock.unshift()
    assert first["webhook-id"] == second["webhook-id"] == first["Swap-Pay-Event-Id"]
    assert first["Swap-Pay-Signature"] != second["Swap-Pay-Signature"]
