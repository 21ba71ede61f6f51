"""Every statement on `idempotency_records`, but for the record that an invoice's creation writes
(invoices/creation_repository.py).
"""

from datetime import datetime

import msgspec

from app.core.statement import Command, Param, Statement, insert, select
from app.web.tables import IdempotencyRecord

PURGE_AT_ONCE = 5_000
"""Records deleted by one statement, so that none of them holds locks for long."""


class StoredAnswer(msgspec.Struct, frozen=True):
    """The answer to a creation; `body` is sealed where it holds a secret."""

    request_hash: bytes
    status: int
    body: str
    created_at: datetime


async def find(record_id: bytes) -> StoredAnswer | None:
    """The stored answer of a record."""
    return await _FIND.first(id=record_id)


_FIND = Statement(select(IdempotencyRecord, StoredAnswer).where(IdempotencyRecord.id == Param("id")), StoredAnswer)


async def exists(record_id: bytes) -> bool:
    """Whether there is such a record."""
    return await _EXISTS.first(id=record_id) is not None


_EXISTS = Statement(IdempotencyRecord.select(IdempotencyRecord.id).where(IdempotencyRecord.id == Param("id")), bytes)


async def add(
    record_id: bytes, *, merchant_id: str, request_hash: bytes, status: int, body: str, now: datetime
) -> None:
    """Write a record. Raises asyncpg.UniqueViolationError where it is there already."""
    await _ADD.run(
        id=record_id,
        merchant_id=merchant_id,
        request_hash=request_hash,
        status=status,
        body=body,
        created_at=now,
    )


_ADD = Command(insert(IdempotencyRecord))


async def delete(record_id: bytes, created_at: datetime) -> None:
    """Delete a record, unless another has taken its place since `created_at`."""
    await _DELETE.run(id=record_id, created_at=created_at)


_DELETE = Command(
    IdempotencyRecord.delete().where(
        IdempotencyRecord.id == Param("id"), IdempotencyRecord.created_at == Param("created_at")
    )
)


async def purge(created_until: datetime) -> int:
    """Delete up to PURGE_AT_ONCE records that were made at this moment or before; how many."""
    return await _PURGE.run(created_until=created_until)


_PURGE = Command(
    IdempotencyRecord.delete().where(
        IdempotencyRecord.id.is_in(
            IdempotencyRecord.select(IdempotencyRecord.id)
            .where(IdempotencyRecord.created_at <= Param("created_until"))
            .limit(PURGE_AT_ONCE)
        )
    )
)
