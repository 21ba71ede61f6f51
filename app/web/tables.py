"""Stored answers for replay (contract, section 2, "Idempotency-Key")."""

from piccolo.columns import SmallInt
from piccolo.table import Table

from app.core import columns


class IdempotencyRecord(Table, tablename="idempotency_records"):
    """The answer to a creation, written in the transaction that made the resource.

    `id` is the SHA-256 of merchant, mode, endpoint and key: one index finds it, and a concurrent request with
    the same key waits for it.
    """

    id = columns.digest(primary_key=True)
    merchant_id = columns.words(20)
    request_hash = columns.digest()
    status = SmallInt(default=None)
    body = columns.text()
    created_at = columns.moment()
