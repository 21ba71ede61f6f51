"""Shops that receive events, some with faults: answers for the receiver of these tests."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Protocol

from tests.webhooks.receiving import Answer, Delivered, response


class Received(Protocol):
    """A request as a shop gets it; header names in lower case."""

    @property
    def headers(self) -> dict[str, str]:
        """Its headers."""

    @property
    def body(self) -> bytes:
        """Its raw body."""


Judge = Callable[[Received], int]
"""The status that a shop answers an event with."""


def answering(judge: Judge) -> Answer:
    """The receiver's answers, by a function of the request."""

    async def answer(request: Delivered) -> bytes:
        return response(judge(request))

    return answer


class GoodShop:
    """Does what docs/webhooks.md says: verifies the raw body, refuses old timestamps, knows what it has processed."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.processed: list[str] = []

    def __call__(self, request: Received) -> int:
        fields = [field.partition("=")[::2] for field in request.headers.get("swap-pay-signature", "").split(",")]
        stamp = next((value for name, value in fields if name == "t"), "0")
        expected = hmac.new(self.secret.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256).hexdigest()
        if not any(name == "v1" and hmac.compare_digest(value, expected) for name, value in fields):
            return 401
        if abs(time.time() - int(stamp)) > 300:
            return 400
        event_id = json.loads(request.body)["event_id"]
        if event_id not in self.processed:
            self.processed.append(event_id)
        return 200


class PettyShop(GoodShop):
    """Verifies with the first signature alone, and takes only what it expects: each event once, in order, of known
    types, fields and sizes. What is forged makes it fail."""

    def __call__(self, request: Received) -> int:
        signature = request.headers.get("swap-pay-signature", "")
        request.headers["swap-pay-signature"] = ",".join(signature.split(",")[:2])
        if super().__call__(request) != 200:
            return 500
        event = json.loads(request.body)
        if len(request.body) > 4_096:
            return 413
        if event.keys() - {"event_id", "seq", "type", "created_at", "merchant_id", "mode", "data"}:
            return 422
        if event["data"]["check"] == "earlier" or event["type"] != "webhook.test":
            return 409
        return 200


def careless(request: Received) -> int:
    """Accepts whatever comes."""
    return 200
