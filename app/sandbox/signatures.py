"""Verifying a webhook as a merchant would: by the contract, without any of the sender's code."""

import hashlib
import hmac
import time
from collections.abc import Mapping

from standardwebhooks import Webhook, WebhookVerificationError

TOLERANCE_S = 300


class BadSignature(Exception):
    """A signature does not match, or its time is too far from now; the message names the header."""


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now_s: float | None = None) -> None:
    """Check both signatures of a webhook, header names in lower case. Raises BadSignature.

    `Swap-Pay-Signature` is computed here; `webhook-signature` is left to the public library. `now_s` is Unix
    time, by default the present; the library always uses the present.
    """
    fields = [field.partition("=")[::2] for field in headers.get("swap-pay-signature", "").split(",")]
    timestamp = next((value for name, value in fields if name == "t"), "")
    if not timestamp.isdigit() or abs((now_s or time.time()) - int(timestamp)) > TOLERANCE_S:
        raise BadSignature("Swap-Pay-Signature: its time is missing or too far away")
    expected = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    if not any(name == "v1" and hmac.compare_digest(value.encode(), expected.encode()) for name, value in fields):
        raise BadSignature("Swap-Pay-Signature: does not match")
    try:
        Webhook(secret).verify(body, dict(headers))
    except WebhookVerificationError as error:
        raise BadSignature(f"webhook-signature: {error}") from None
