"""Time-based codes (RFC 6238): each accepted once, and only a few tries of each account.

A try is reserved before the code is looked at, and given back if it was right: a hundred parallel guesses get
five looks between them. Reservations commit on their own; rolled back with what failed, they would never count.
"""

from datetime import datetime, timedelta

import pyotp

from app.accounts import codes_repository, repository
from app.core import database
from app.core.crypto import decrypt
from app.core.settings import DataKeys

STEP_S = 30
"""RFC 6238, section 4.1."""

DRIFT_STEPS = 1
"""Steps that a telephone's clock may be off either way (RFC 6238, section 5.2)."""

SHORT_WINDOW, SHORT_TRIES = timedelta(minutes=5), 5
LONG_WINDOW, LONG_TRIES = timedelta(hours=1), 20
"""Tries that may be wrong within each window."""


WRONG = "the code is wrong or was used already"


class CodeRefused(Exception):
    """The code is wrong, used, or was not looked at; the message is for whoever typed it."""


class TooManyTries(CodeRefused):
    """No try is left for now: right and wrong codes are refused alike."""


async def verify(keys: DataKeys, account_id: str, code: str, now: datetime) -> None:
    """Return if `code` is the account's and was never used. Raises CodeRefused, TooManyTries.

    Not inside a transaction: tries must stay counted whatever becomes of the caller's.
    """
    attempt = await reserve(account_id, now)
    sealed = await repository.totp_secret(account_id)
    counter = None
    if sealed is not None:
        counter = matching_counter(decrypt(keys, sealed, purpose=f"totp:{account_id}"), code, now)
    if counter is None or not await repository.use_totp_counter(account_id, counter):
        raise CodeRefused(WRONG)
    await give_back(attempt)


async def reserve(account_id: str, now: datetime) -> int:
    """Take one of an account's tries; it counts until it is given back. Not inside a transaction.

    The account's row makes parallel ones queue. Raises TooManyTries.
    """
    async with database.transaction():
        await repository.lock(account_id)
        await codes_repository.delete_attempts(account_id, now - LONG_WINDOW)
        made = await codes_repository.count_attempts(account_id, now - SHORT_WINDOW)
        if made.short >= SHORT_TRIES or made.long >= LONG_TRIES:
            raise TooManyTries("too many codes were tried: wait a few minutes")
        return await codes_repository.add_attempt(account_id, now)


async def give_back(attempt: int) -> None:
    """The try was right."""
    await codes_repository.delete_attempt(attempt)


def matching_counter(secret: str, code: str, now: datetime) -> int | None:
    """The step whose code this is, within the drift. Gaps, as telephones show them, are overlooked."""
    code = "".join(code.split())
    generator, current = pyotp.HOTP(secret), int(now.timestamp()) // STEP_S
    for counter in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if generator.verify(code, counter):
            return counter
    return None
