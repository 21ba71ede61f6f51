"""From Python's arguments to what a request has."""

from __future__ import annotations

import uuid
from typing import TypeVar

from swap_pay._generated.types import UNSET, Unset

T = TypeVar("T")


def given(value: T | None) -> T | Unset:
    """The value, or what is left out of the request for None."""
    return UNSET if value is None else value


def left_out() -> Unset:
    """What is left out of the request."""
    return UNSET


def key_of(given_key: str | None) -> str:
    """The caller's idempotency key, or a new one. Every attempt at the same call has the same."""
    return str(uuid.uuid4()) if given_key is None else given_key
