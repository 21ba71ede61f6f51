"""Every statement on `deprecated_calls`."""

from datetime import datetime, timedelta

from app.core import database


async def is_to_be_told(merchant_id: str, name: str, now: datetime, *, every: timedelta) -> bool:
    """Whether a merchant was not told of this name for so long. It then counts as told, in the caller's transaction."""
    database.in_transaction()
    # SQL: the builder knows no condition of ON CONFLICT DO UPDATE.
    row = await database.fetch_one(
        """
        INSERT INTO deprecated_calls (merchant, name, told_at) VALUES ($1, $2, $3)
        ON CONFLICT (merchant, name) DO UPDATE SET told_at = excluded.told_at WHERE deprecated_calls.told_at <= $4
        RETURNING id
        """,
        merchant_id,
        name,
        now,
        now - every,
    )
    return row is not None
