"""Verify a webhook, and read its event.

    event = construct_event(body, headers, secret)

`body` is the raw body: the bytes that came. A framework that has parsed them can't give them back, since the same JSON
written again is another text with another signature.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence

from swap_pay._failures import SwapPayError
from swap_pay.events import Event

SIGNATURE_HEADER = "Swap-Pay-Signature"
TOLERANCE_S = 300
"""How old a signature may be: whoever has recorded a webhook can't send it again later."""

_WHERE_THE_RAW_BODY_IS = (
    "give the raw body as bytes: request.get_data() in Flask, request.body in Django, await request.body() in "
    "Litestar, Starlette and FastAPI"
)


class WebhookError(SwapPayError):
    """The webhook can't be believed. Answer with status 400, and do nothing."""


class MissingSignature(WebhookError):
    """There is no header `Swap-Pay-Signature`."""


class MalformedSignature(WebhookError):
    """The header `Swap-Pay-Signature` is not `t=…,v1=…`."""


class SignatureMismatch(WebhookError):
    """No signature is of one of the secrets: it is not from the gateway, it is for another endpoint, or the body is
    not as it came."""


class StaleSignature(WebhookError):
    """The signature is right, and too old or of the future: a repetition, or the clock of this machine is wrong."""


class MalformedEvent(WebhookError):
    """The signature is right, and the body is no event."""


def construct_event(
    body: bytes,
    signature: str | Mapping[str, str] | None,
    secret: str | Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: float | None = None,
) -> Event:
    """The event of a webhook, once its signature has been verified.

    `signature` is the header `Swap-Pay-Signature`, or all headers. `secret` is that of the endpoint, `whsec_…`; while
    it is being exchanged give both, the new one and the old. `now_s` is Unix time, by default the present. Raises
    WebhookError, and TypeError for a body that is not the raw one.
    """
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise TypeError(f"{_WHERE_THE_RAW_BODY_IS}; this is {type(body).__name__}")
    body = bytes(body)
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets or not all(secrets):
        raise ValueError("the endpoint's secret is missing")
    signed_at, marks = _parsed(_header(signature))
    if not _is_signed(body, signed_at, marks, secrets):
        raise SignatureMismatch(_why_not(body, signed_at, marks, secrets))
    age_s = (time.time() if now_s is None else now_s) - int(signed_at)
    if abs(age_s) > tolerance_s:
        when = f"{age_s:.0f} s old" if age_s > 0 else f"{-age_s:.0f} s in the future"
        raise StaleSignature(f"the signature is {when}, more than {tolerance_s:g} s from now")
    try:
        return Event.from_dict(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedEvent(f"the body is no event: {error!r}") from error


def sign(body: bytes, secret: str, *, now_s: float | None = None) -> str:
    """The header `Swap-Pay-Signature` of a body: for the tests of your own endpoint."""
    signed_at = str(int(time.time() if now_s is None else now_s))
    return f"t={signed_at},v1={_mark(body, signed_at, secret)}"


def _header(signature: str | Mapping[str, str] | None) -> str:
    if isinstance(signature, Mapping):
        wanted = SIGNATURE_HEADER.lower()
        signature = next((value for name, value in signature.items() if name.lower() == wanted), None)
    if not signature:
        raise MissingSignature(f"there is no header {SIGNATURE_HEADER}")
    return signature


def _parsed(header: str) -> tuple[str, list[str]]:
    """The time and the signatures of a header. Raises MalformedSignature."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    marks = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit() and len(times[0]) <= 12) or not marks:
        raise MalformedSignature(f"{SIGNATURE_HEADER} is not t=…,v1=…")
    return times[0], marks


def _is_signed(body: bytes, signed_at: str, marks: Sequence[str], secrets: Sequence[str]) -> bool:
    expected = [_mark(body, signed_at, secret).encode() for secret in secrets]
    # Every pair is compared, each in constant time: how long it takes tells nothing.
    matches = [hmac.compare_digest(one, mark.encode()) for one in expected for mark in marks]
    return any(matches)


def _mark(body: bytes, signed_at: str, secret: str) -> str:
    return hmac.new(secret.encode(), signed_at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _why_not(body: bytes, signed_at: str, marks: Sequence[str], secrets: Sequence[str]) -> str:
    """What is probably wrong, for the developer who reads it. Nothing is believed for it."""
    if any(secret != secret.strip() for secret in secrets):
        return "the secret has white space at an end"
    try:
        original = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    except ValueError:
        original = body
    if original != body and _is_signed(original, signed_at, marks, secrets):
        return f"this is the right JSON, written anew: {_WHERE_THE_RAW_BODY_IS}"
    return "no signature is of this secret and this body: is it the secret of this endpoint, and the raw body?"
