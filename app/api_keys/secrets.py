"""The form of an API key, and whether a presented secret is the stored one. Pure: no table, no clock."""

import re
from datetime import datetime
from typing import Literal, NamedTuple

from app.core import crypto, ids
from app.core.settings import Peppers

Mode = Literal["live", "test"]

KEY_ID_LENGTH = 12
"""Sixty bits. The id is public; two equal ones are so rare that `issue` just generates another."""

SECRET_BYTES = 32
"""The 256 bits that the contract promises (section 2)."""

_KEY = re.compile(r"sspay_sec_(live|test)_([0-9A-Z]{1,20})_([!-~]{1,200})", re.ASCII)


class PresentedKey(NamedTuple):
    """The parts of a key that a client sent; none of them is known to be right."""

    mode: str
    key_id: str
    secret: str


class StoredHash(NamedTuple):
    """A secret as it is stored: its keyed hash, and the version of the pepper that is the key."""

    pepper_version: int
    value: bytes


class Secrets(NamedTuple):
    """The secrets that a key's row accepts: the current one and, within its grace, the one before."""

    current: StoredHash
    previous: StoredHash | None
    previous_valid_until: datetime | None


def compose(mode: Mode, key_id: str, secret: str) -> str:
    """The full key string: `sspay_sec_<mode>_<key id>_<secret>`."""
    return f"sspay_sec_{mode}_{key_id}_{secret}"


def parse(presented: str) -> PresentedKey | None:
    """The parts of a key, or None for a text that does not have the form of a key.

    Any printable secret is accepted, of whatever length: a truncated one is a wrong secret of that key and counts.
    """
    match = _KEY.fullmatch(presented)
    return PresentedKey(*match.groups()) if match else None


def new_secret() -> str:
    """A fresh secret, URL-safe."""
    return ids.new_secret(SECRET_BYTES)


def seal(peppers: Peppers, secret: str) -> StoredHash:
    """The secret's hash under the newest pepper."""
    return StoredHash(*crypto.pepper_hash(peppers, secret))


def matching(peppers: Peppers, secret: str, accepted: Secrets, now: datetime) -> StoredHash | None:
    """The stored hash that the secret matches, or None.

    Both hashes are always computed and compared in constant time, so that the time spent shows neither which one
    matched nor whether there is a grace period. A version whose pepper is no longer configured matches nothing.
    """
    in_grace = accepted.previous_valid_until is not None and now < accepted.previous_valid_until
    previous = accepted.previous or accepted.current
    is_current = _is_secret_of(peppers, secret, accepted.current)
    is_previous = _is_secret_of(peppers, secret, previous)
    if is_current:
        return accepted.current
    return previous if is_previous and in_grace else None


def _is_secret_of(peppers: Peppers, secret: str, stored: StoredHash) -> bool:
    known = stored.pepper_version in peppers.keys
    version = stored.pepper_version if known else peppers.current
    _, value = crypto.pepper_hash(peppers, secret, version)
    return crypto.same(value, stored.value) and known
