"""The outcome of one request to a server of others."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

import msgspec

from app.core import clock
from app.core.outbound.targets import Address

# A server may ask for a delay, but not for longer than the longest step of the retry schedule (contract, 6).
MAX_RETRY_AFTER_S = 86_400


class ErrorClass(StrEnum):
    """Why there is no HTTP status. Stable, may be shown to the merchant."""

    REFUSED_TARGET = "refused_target"
    DNS = "dns"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"


class Outcome(msgspec.Struct, frozen=True):
    """One attempt's result: either `status` or `error` is set, never both.

    `status` is set once the response's headers have come in full and in time, however the body ended.
    `detail` may be shown to the merchant; `operator_note` is only for our logs (it may name addresses of
    our own network). `response_excerpt` is the start of the body as sent, never decompressed.
    `retry_after_s` is the response's `Retry-After`, 0 to `MAX_RETRY_AFTER_S`. `peer` is the address dialled.
    """

    status: int | None
    error: ErrorClass | None
    detail: str
    duration_ms: int
    response_excerpt: bytes = b""
    retry_after_s: int | None = None
    peer: str | None = None
    operator_note: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the receiver accepted it: 2xx, headers complete within the time limit (contract, 6)."""
        return self.status is not None and 200 <= self.status < 300


class ExchangeFailed(Exception):
    """No response: raised inside the package, turned into an `Outcome` by the client. `peer` as there."""

    def __init__(self, error: ErrorClass, detail: str, *, operator_note: str = "", peer: Address | None = None) -> None:
        super().__init__(f"{error}: {detail}")
        self.error = error
        self.detail = detail
        self.operator_note = operator_note
        self.peer = peer


def parse_retry_after(value: str) -> int | None:
    """Seconds to wait by a `Retry-After` header (RFC 9110 section 10.2.3), or None if it is malformed.

    Reads both forms, delay and date. A date in the past is 0; a time too far ahead is the maximum.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        return MAX_RETRY_AFTER_S if len(value) > 9 else min(int(value), MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": UTC without saying so
        moment = moment.replace(tzinfo=UTC)
    return max(0, min(round((moment - clock.now()).total_seconds()), MAX_RETRY_AFTER_S))
