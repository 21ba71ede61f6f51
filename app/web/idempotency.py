"""Creations that may be sent twice and happen once (contract, section 2, "Idempotency-Key").

The answer is stored in the transaction that makes the resource: a crash leaves both or neither. A second request with
the same key waits at the record's primary key until the first has committed, and then gets its answer.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import asyncpg
import msgspec
from asyncpg.exceptions import LockNotAvailableError

from app.core import clock, database
from app.core.crypto import decrypt, encrypt
from app.core.errors import ApiError, Code
from app.core.settings import DataKeys
from app.web import idempotency_repository

KEPT = timedelta(hours=24)
"""How long an answer can be replayed (contract, section 2)."""

_canonical = msgspec.json.Encoder(order="sorted").encode


class Replay(msgspec.Struct, frozen=True):
    """The record to write in the transaction of a creation, with its status and body."""

    id: bytes
    merchant_id: str
    request_hash: bytes
    sealed_with: DataKeys | None = None

    @property
    def purpose(self) -> str:
        """What a sealed answer is sealed for."""
        return f"replay:{self.id.hex()}"


class ReplayExists(Exception):
    """An answer is already stored under this record: nothing was created now."""


Create = Callable[[Replay], Awaitable[bytes]]
"""Creates the resource, stores `Replay` with the body, and returns the body. Raises ReplayExists."""


class Made(msgspec.Struct, frozen=True):
    """The result of a creation: of this request, or of an earlier one with the same key."""

    status: int
    body: bytes
    is_replay: bool


def replay_of(
    key: str, *, merchant_id: str, mode: str, endpoint: str, body: object, sealed_with: DataKeys | None = None
) -> Replay:
    """The record of a creation under a key: the request's header, or a form's hidden field."""
    return Replay(
        id=hashlib.sha256("\0".join((merchant_id, mode, endpoint, key)).encode()).digest(),
        merchant_id=merchant_id,
        request_hash=hashlib.sha256(_canonical(body)).digest(),
        sealed_with=sealed_with,
    )


async def create_once(replay: Replay, create: Create) -> Made:
    """Create, or find what was created under this record before.

    Raises IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY, IDEMPOTENCY_IN_PROGRESS, and what `create` raises.
    """
    try:
        while True:
            try:
                return Made(201, await create(replay), is_replay=False)
            except ReplayExists:
                stored = await made_before(replay, clock.now())
                if stored is not None:
                    return stored
    except LockNotAvailableError:
        raise ApiError(
            Code.IDEMPOTENCY_IN_PROGRESS, "a request with this key is still running", retry_after_s=1
        ) from None


async def made_before(replay: Replay, now: datetime) -> Made | None:
    """What was created under this record before; None if nothing was, or if it has expired, and then it is deleted.
    Raises IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY."""
    found = await idempotency_repository.find(replay.id)
    if found is None:
        return None
    if found.created_at <= now - KEPT:
        await idempotency_repository.delete(replay.id, found.created_at)
        return None
    if found.request_hash != replay.request_hash:
        raise ApiError(Code.IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY, "the Idempotency-Key was used with another body")
    body = found.body
    if replay.sealed_with is not None:
        body = decrypt(replay.sealed_with, body, purpose=replay.purpose)
    return Made(found.status, body.encode(), is_replay=True)


async def refuse_repeat(replay: Replay) -> None:
    """Raise ReplayExists if the record exists. Call it before a check that fails because the first request succeeded.

    A request that has not committed yet is seen only if the caller first waits at a lock that it holds until then.
    """
    if await idempotency_repository.exists(replay.id):
        raise ReplayExists


async def store(replay: Replay, status: int, body: bytes, now: datetime) -> None:
    """Write the record in the caller's transaction. Raises ReplayExists: the caller must roll back."""
    database.in_transaction()
    text = body.decode()
    if replay.sealed_with is not None:
        text = encrypt(replay.sealed_with, text, purpose=replay.purpose)
    try:
        await idempotency_repository.add(
            replay.id,
            merchant_id=replay.merchant_id,
            request_hash=replay.request_hash,
            status=status,
            body=text,
            now=now,
        )
    except asyncpg.UniqueViolationError:
        raise ReplayExists from None


async def purge(now: datetime) -> int:
    """Delete records that can't be replayed any more. Returns how many."""
    deleted = 0
    while True:
        batch = await idempotency_repository.purge(now - KEPT)
        deleted += batch
        if batch < idempotency_repository.PURGE_AT_ONCE:
            return deleted
