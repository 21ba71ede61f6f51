"""Identifiers and secrets, from the operating system's randomness."""

import secrets
import uuid

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Douglas Crockford's base32: no I, L, O, U, so an id that is read aloud is written correctly."""

ID_LENGTH = 10
"""Characters after the prefix (contract, section 2): 50 bits, unguessable enough to be public, and a clash is
caught by the primary key; the code that inserts tries again with another id."""

INVOICE = "INV"
QUOTE = "QT"
PAYOUT = "PO"
REFUND = "RF"
MERCHANT = "MCH"
WEBHOOK = "WH"
DEPOSIT = "DEP"
ACCOUNT = "ACC"
SESSION = "SES"
JOB = "JOB"
PAYMENT_LINK = "PL"


def new_id(prefix: str) -> str:
    """A fresh public id such as `INV-0123456789`."""
    return f"{prefix}-{random_crockford(ID_LENGTH)}"


def random_crockford(length: int) -> str:
    """`length` random characters, five bits each."""
    bits = secrets.randbits(5 * length)
    return "".join(CROCKFORD[(bits >> (5 * place)) & 31] for place in range(length))


def new_event_id() -> uuid.UUID:
    """The id of an event: stays the same over all attempts and endpoints, so receivers dedupe by it."""
    return uuid.uuid4()


REQUEST_ID_BYTES = 16
REQUEST_IDS_AT_ONCE = 256
"""Asking the operating system for each would be a system call in each request."""

_request_ids: list[str] = []


def new_request_id() -> str:
    """The id of a request that sent none, or a bad one. Belongs to the process that asks: never fork after a call."""
    if not _request_ids:
        drawn = secrets.token_hex(REQUEST_ID_BYTES * REQUEST_IDS_AT_ONCE)
        length = 2 * REQUEST_ID_BYTES
        _request_ids.extend(drawn[at : at + length] for at in range(0, len(drawn), length))
    return _request_ids.pop()


def new_secret(num_bytes: int = 32) -> str:
    """A URL-safe secret; 32 bytes give the 256 bits that the contract promises for API keys."""
    return secrets.token_urlsafe(num_bytes)


def random_bytes(count: int) -> bytes:
    """`count` random bytes, fit to be a key."""
    return secrets.token_bytes(count)


def random_jitter() -> float:
    """Uniform in [-1, 1]: spreads retries that would otherwise come at the same time."""
    return secrets.SystemRandom().uniform(-1, 1)
