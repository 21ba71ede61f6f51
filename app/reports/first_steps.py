"""How far a merchant has come with its first test payment: what really happened, not what was clicked."""

from datetime import datetime, timedelta

import msgspec

from app.core import database

LATELY = timedelta(days=7)
"""How long after the first test payment it is still shown as news."""

NEWEST = 200
"""The newest invoices among which one is looked for that a key created."""


class FirstSteps(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened in test mode. `paid_invoice` is the first invoice that was paid, `open_invoice` the newest that
    waits for its payment."""

    has_key: bool
    has_endpoint: bool
    has_invoice: bool
    has_webhook: bool
    paid_invoice: str | None
    paid_at: datetime | None
    open_invoice: str | None

    @property
    def is_paid(self) -> bool:
        """Whether a test invoice was paid."""
        return self.paid_invoice is not None

    @property
    def done(self) -> int:
        """How many of the five steps are done."""
        return sum((self.has_key, self.has_endpoint, self.has_invoice, self.is_paid, self.has_webhook))

    @property
    def is_complete(self) -> bool:
        """Whether all steps are done."""
        return self.done == 5

    def is_old(self, now: datetime) -> bool:
        """Whether the first test payment is no news any more."""
        return self.paid_at is not None and self.paid_at < now - LATELY


async def of_merchant(merchant_id: str) -> FirstSteps:
    """The steps of a merchant in test mode."""
    # SQL: EXISTS over several tables. An invoice that a member created has an audit row, one of a key has none.
    row = await database.fetch_one(
        f"""
        SELECT
            EXISTS (SELECT FROM api_keys WHERE merchant = $1 AND mode = 'test') AS has_key,
            EXISTS (SELECT FROM webhook_endpoints WHERE merchant = $1 AND mode = 'test' AND NOT implicit)
                AS has_endpoint,
            EXISTS (
                SELECT FROM (
                    SELECT id FROM invoices WHERE merchant = $1 AND mode = 'test'
                    ORDER BY created_at DESC, id DESC LIMIT {NEWEST}
                ) newest
                WHERE NOT EXISTS (
                    SELECT FROM audit_entries a WHERE a.subject = newest.id AND a.action = 'invoice.created')
            ) AS has_invoice,
            EXISTS (
                SELECT FROM webhook_endpoints w JOIN webhook_deliveries d ON d.endpoint = w.id
                WHERE w.merchant = $1 AND w.mode = 'test' AND d.status = 'delivered'
            ) AS has_webhook,
            paid.id AS paid_invoice, paid.paid_at,
            (SELECT id FROM invoices WHERE merchant = $1 AND mode = 'test' AND status = 'awaiting_deposit'
                ORDER BY created_at DESC, id DESC LIMIT 1) AS open_invoice
        FROM (VALUES (1)) one LEFT JOIN LATERAL (
            SELECT first.id, first.paid_at FROM unnest('{{paid,partially_refunded,refunded}}'::text[]) status,
                LATERAL (
                    SELECT id, paid_at, created_at FROM invoices
                    WHERE merchant = $1 AND mode = 'test' AND invoices.status = status.status
                    ORDER BY created_at, id LIMIT 1
                ) first
            ORDER BY first.created_at LIMIT 1
        ) paid ON true
        """,
        merchant_id,
    )
    assert row is not None
    return FirstSteps(**row)
