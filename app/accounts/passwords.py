"""Passwords: argon2id, 8 to 128 characters, no rules of composition, no common ones (NIST SP 800-63B)."""

import asyncio
import os
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from app.core.errors import invalid

MIN_LENGTH = 8
MAX_LENGTH = 128

MAX_AT_ONCE = 4
"""Hashes computed at the same time in one process. Each takes 64 MiB (RFC 9106's second recommendation): without a
limit many requests would fill the memory."""

COMMON = Path(__file__).with_name("common_passwords.txt")

TOO_COMMON = "is among the first that anybody would try: choose another"

hasher = PasswordHasher()
"""RFC 9106's second recommendation: 64 MiB, three passes, four lanes."""

_threads = ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="argon2")


def check(password: str, *, email: str = "", field: str = "password") -> None:
    """Raise INVALID_INPUT, naming `field`, for a password of a wrong length, a common one, or the address itself."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise invalid(field, f"must have {MIN_LENGTH} to {MAX_LENGTH} characters")
    guess = password.casefold()
    if guess in _common() or guess in (email.casefold(), email.casefold().partition("@")[0]):
        raise invalid(field, TOO_COMMON)


def hash_password(password: str) -> str:
    """The argon2id hash with its parameters. Raises INVALID_INPUT for a length out of bounds."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise invalid("password", f"must have {MIN_LENGTH} to {MAX_LENGTH} characters")
    return hasher.hash(password)


def is_right(password: str, password_hash: str) -> bool:
    """Whether this is the password. Takes tens of milliseconds, on purpose."""
    try:
        return hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def dummy_hash() -> str:
    """The hash that is compared where an address is unknown, so that the answer takes the same time as for a known one.

    No password has it: what stands for the hash is random, so that making it takes no time, and comparing takes as long
    as with any other.
    """
    salt, digest = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (hasher.salt_len, hasher.hash_len))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${costs}${salt}${digest}"


async def hash_in_thread(password: str) -> str:
    """`hash_password` in a thread, without blocking the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_threads, hash_password, password)


async def is_right_in_thread(password: str, password_hash: str) -> bool:
    """`is_right` in a thread. A text that is too long for a password is cut first, and compared too."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, is_right, password[: MAX_LENGTH + 1], password_hash)


@cache
def _common() -> frozenset[str]:
    return frozenset(line for line in COMMON.read_text("utf-8").splitlines() if not line.startswith("#"))
