"""Every statement on `merchant_notices`, and who is told."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, insert
from app.merchants.roles import Role
from app.merchants.tables import MerchantNotice


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice with the merchant's name, and the name of who did it; None where that is no person or key of the
    merchant's."""

    merchant: str
    mode: str
    kind: str
    subject: str
    facts: str
    created_at: datetime
    merchant_name: str
    actor: str
    who: str | None


async def add(
    *, merchant: str, mode: str, kind: str, subject: str, actor: str, facts: str, created_at: datetime
) -> None:
    """Add a notice, in the caller's transaction."""
    await _ADD.run(
        merchant=merchant, mode=mode, kind=kind, subject=subject, actor=actor, facts=facts, created_at=created_at
    )


_ADD = Command(insert(MerchantNotice))


async def add_for_all(*, kind: str, subject: str, actor: str, facts: str, now: datetime) -> int:
    """Add a notice about live mode for every approved merchant, in the caller's transaction. Returns how many."""
    # SQL: an insert of a query.
    return await database.execute(
        """
        INSERT INTO merchant_notices (merchant, mode, kind, subject, actor, facts, created_at)
        SELECT id, 'live', $1, $2, $3, $4, $5 FROM merchants WHERE status = 'approved'
        """,
        kind,
        subject,
        actor,
        facts,
        now,
    )


async def take(kinds: Sequence[str]) -> Notice | None:
    """Delete the oldest notice of these kinds that nobody else has in hand, and return it. Needs the transaction that
    writes its emails."""
    database.in_transaction()
    # SQL: a delete of the row that a query locks. An actor is no foreign key.
    row = await database.fetch_one(
        """
        WITH taken AS (
            DELETE FROM merchant_notices WHERE id = (
                SELECT id FROM merchant_notices WHERE kind = ANY($1::varchar[])
                ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
            ) RETURNING *
        )
        SELECT t.merchant, t.mode, t.kind, t.subject, t.facts, t.created_at, m.name AS merchant_name, t.actor,
            coalesce(
                (SELECT a.name FROM accounts a WHERE t.actor = 'account:' || a.id AND EXISTS (
                    SELECT FROM memberships p WHERE p.account = a.id AND p.merchant = t.merchant)),
                (SELECT k.name FROM api_keys k WHERE t.actor = 'api_key:' || k.id AND k.merchant = t.merchant)
            ) AS who
        FROM taken t JOIN merchants m ON m.id = t.merchant
        """,
        list(kinds),
    )
    return None if row is None else Notice(**row)


async def recipients(merchant_id: str, topic: str, roles: Sequence[Role]) -> Sequence[str]:
    """The addresses of a merchant's members of some roles who want emails about a topic, in their order."""
    # SQL: a left join, and a condition over an array.
    rows = await database.fetch_all(
        """
        SELECT a.email FROM memberships m JOIN accounts a ON a.id = m.account
        LEFT JOIN email_choices c ON c.account = a.id
        WHERE m.merchant = $1 AND m.role = ANY($3::varchar[]) AND NOT $2 = ANY(coalesce(c.unwanted, '{}'))
        ORDER BY a.email
        """,
        merchant_id,
        topic,
        list(roles),
    )
    return [row["email"] for row in rows]
