"""Time-based codes (RFC 6238): each is accepted once, and each account has only a few tries.

A try is reserved before the code is checked, and released if it was right: of a hundred guesses at the same time five
are checked. Reservations commit on their own; rolled back with the failed attempt, they would never count.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pyotp

from app.accounts import codes_repository, repository
from app.accounts.throttle import in_words
from app.core import database
from app.core.crypto import decrypt
from app.core.settings import DataKeys

STEP_S = 30
"""RFC 6238, section 4.1."""

DRIFT_STEPS = 1
"""Steps by which a phone's clock may be early or late (RFC 6238, section 5.2)."""

SHORT_WINDOW, SHORT_TRIES = timedelta(minutes=5), 5
LONG_WINDOW, LONG_TRIES = timedelta(hours=1), 20
"""Tries that may be wrong within each window."""


EMPTY = "Enter the code that your authenticator app shows now."
WRONG = "That code is wrong. Enter the one that your authenticator app shows now."
USED = "That code was used already. Wait for the next one: the app shows a new code every 30 seconds."


class CodeRefused(Exception):
    """The code is wrong, used, or was not checked; the message is for the person who typed it."""


class TooManyTries(CodeRefused):
    """No try is left for now: right and wrong codes are both refused."""


async def verify(keys: DataKeys, account_id: str, code: str, now: datetime) -> None:
    """Raise CodeRefused or TooManyTries unless `code` is the account's and was never used. An empty one is no try.

    Not inside a transaction: tries must stay counted when the caller's is rolled back.
    """
    if not code.strip():
        raise CodeRefused(EMPTY)
    attempt = await reserve(account_id, now)
    sealed = await repository.totp_secret(account_id)
    counter = None
    if sealed is not None:
        counter = matching_counter(decrypt(keys, sealed, purpose=f"totp:{account_id}"), code, now)
    if counter is None:
        raise CodeRefused(WRONG)
    if not await repository.use_totp_counter(account_id, counter):
        raise CodeRefused(USED)
    await release(attempt)


async def reserve(account_id: str, now: datetime) -> int:
    """Reserve one of an account's tries; it counts until it is released. Not inside a transaction.

    A lock on the account's row makes reservations wait for each other. Raises TooManyTries.
    """
    async with database.transaction():
        await repository.lock(account_id)
        await codes_repository.delete_attempts(account_id, now - LONG_WINDOW)
        wait = _wait(await codes_repository.times_of_attempts(account_id), now)
        if wait > timedelta():
            raise TooManyTries(f"Too many codes were tried. Try again in {in_words(wait)}.")
        return await codes_repository.add_attempt(account_id, now)


async def release(attempt: int) -> None:
    """Release a reserved try: the code was right."""
    await codes_repository.delete_attempt(attempt)


def _wait(attempts: Sequence[datetime], now: datetime) -> timedelta:
    """How long until another try is allowed, given the times of the last ones, newest first; zero where one is now."""
    ends = [
        attempts[tries - 1] + window
        for window, tries in ((SHORT_WINDOW, SHORT_TRIES), (LONG_WINDOW, LONG_TRIES))
        if len(attempts) >= tries
    ]
    return max([end - now for end in ends] + [timedelta()])


def matching_counter(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code this is, within the drift. Spaces within the code are ignored."""
    code = "".join(code.split())
    generator, current = pyotp.HOTP(secret), int(now.timestamp()) // STEP_S
    for counter in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if generator.verify(code, counter):
            return counter
    return None
