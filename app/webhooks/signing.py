"""Secrets and signatures of webhooks (contract, section 6). Pure: no table, no clock."""

import base64
from collections.abc import Sequence
from datetime import datetime

from app.core import crypto, ids

SECRET_PREFIX = "whsec_"  # noqa: S105 - what the Standard Webhooks specification puts before a secret
SECRET_BYTES = 32
USER_AGENT = "Swap-Pay-Webhooks/1"


def new_secret() -> str:
    """A new endpoint secret: `whsec_` and the base64 of 32 random bytes."""
    return SECRET_PREFIX + base64.b64encode(ids.random_bytes(SECRET_BYTES)).decode()


def headers(
    *, event_id: str, type: str, previous_seq: int, body: bytes, secrets: Sequence[str], now: datetime
) -> dict[str, str]:
    """The headers of one attempt at `now`.

    `secrets` has the endpoint's secret and, during a rotation's overlap, the one before it. There is a signature by
    each; the receiver verifies the one of its secret.
    """
    timestamp = int(now.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Swap-Pay-Signature": swap_pay_signature(timestamp, body, secrets),
        "Swap-Pay-Event-Id": event_id,
        "Swap-Pay-Event-Type": type,
        "Swap-Pay-Previous-Seq": str(previous_seq),
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": standard_signature(event_id, timestamp, body, secrets),
    }


def swap_pay_signature(timestamp: int, body: bytes, secrets: Sequence[str]) -> str:
    """`t=<unix>,v1=<hex>`, a `v1` for each secret. The key is the whole secret as text, as at Stripe."""
    signed = b"%d." % timestamp + body
    marks = (crypto.hmac_sha256(secret.encode(), signed).hex() for secret in secrets)
    return ",".join([f"t={timestamp}", *(f"v1={mark}" for mark in marks)])


def standard_signature(message_id: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> str:
    """`v1,<base64>`, one for each secret with spaces between, keyed with the decoded bytes.

    Standard Webhooks 1.0, "Signature scheme": the signed content is id, timestamp and body joined by dots.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    marks = (crypto.hmac_sha256(_key_bytes(secret), signed) for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(mark).decode()}" for mark in marks)


def _key_bytes(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))
