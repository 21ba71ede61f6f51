"""What the checklist and a member's removal read of a merchant's keys, endpoints, audit log and withdrawals."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from app.api_keys.secrets import Mode
from app.audit.tables import AuditEntry
from app.core import database
from app.core.statement import Param, Statement, any_of

Kind = Literal["api_key", "webhook"]


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """A key in use, when its secret was made, and what it was used for lately."""

    id: str
    name: str
    mode: Mode
    scopes: list[str]
    has_allowlist: bool
    created_at: datetime
    last_used_at: datetime | None
    last_used_address: str | None
    secret_since: datetime
    requested_payouts: bool
    requested_refunds: bool
    changed_webhooks: bool


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret in use: an API key's, or an endpoint's for signing. `previous_until` is when the previous one ends."""

    kind: Kind
    id: str
    name: str
    mode: Mode
    created_at: datetime
    previous_until: datetime | None
    last_used_at: datetime | None


class Disclosure(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the audit log that showed a secret to its actor. `subject` is the key's or endpoint's id."""

    actor: str
    action: str
    subject: str
    at: datetime


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A payout or refund that waits for an operator. `amount_raw` is in the asset's minor unit."""

    kind: Literal["payout", "refund"]
    id: str
    mode: Mode
    network: str
    asset: str
    amount_raw: int
    destination: str
    created_at: datetime


async def keys_in_use(merchant_id: str, *, rotated: str, used_since: datetime, now: datetime) -> list[KeyUse]:
    """The merchant's keys in use. `rotated` is the action that replaced a secret; uses count from `used_since`."""
    # SQL, since each row asks for rows of two tables that it has no foreign key to.
    rows = await database.fetch_all(
        """
        SELECT k.id, k.name, k.mode, k.scopes, k.allowlist <> '{}' AS has_allowlist, k.created_at, k.last_used_at,
            k.last_used_address,
            coalesce((SELECT max(e.at) FROM audit_entries e
                WHERE e.merchant_id = k.merchant AND e.subject = k.id AND e.action = $3), k.created_at) AS secret_since,
            EXISTS (SELECT FROM withdrawals w WHERE w.merchant = k.merchant AND w.mode = k.mode
                AND w.requested_by = 'api_key:' || k.id AND w.kind = 'payout'
                AND w.created_at > $4) AS requested_payouts,
            EXISTS (SELECT FROM withdrawals w WHERE w.merchant = k.merchant AND w.mode = k.mode
                AND w.requested_by = 'api_key:' || k.id AND w.kind = 'refund'
                AND w.created_at > $4) AS requested_refunds,
            EXISTS (SELECT FROM audit_entries e WHERE e.merchant_id = k.merchant
                AND e.actor = 'api_key:' || k.id AND e.at > $4) AS changed_webhooks
        FROM api_keys k
        WHERE k.merchant = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > $2)
        ORDER BY k.mode, k.created_at, k.id
        """,
        merchant_id,
        now,
        rotated,
        used_since,
    )
    return [KeyUse(**row) for row in rows]


async def secrets_in_use(merchant_id: str, now: datetime) -> list[Secret]:
    """Every key in use and every endpoint that is not deleted, live ones first."""
    # SQL, since the builder knows no UNION.
    rows = await database.fetch_all(
        """
        SELECT 'api_key' AS kind, id, name, mode, created_at, previous_valid_until AS previous_until, last_used_at
        FROM api_keys WHERE merchant = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
        UNION ALL
        SELECT 'webhook', id, url, mode, created_at, previous_secret_until, NULL
        FROM webhook_endpoints WHERE merchant = $1 AND status <> 'deleted' AND NOT implicit
        ORDER BY mode, kind, created_at, id
        """,
        merchant_id,
        now,
    )
    return [Secret(**row) for row in rows]


async def disclosures(merchant_id: str, actions: Sequence[str]) -> list[Disclosure]:
    """The merchant's rows of the audit log with one of these actions, oldest first."""
    return await _DISCLOSURES.all(merchant=merchant_id, actions=actions)


_DISCLOSURES = Statement(
    AuditEntry.select(AuditEntry.actor, AuditEntry.action, AuditEntry.subject, AuditEntry.at)
    .where(AuditEntry.merchant_id == Param("merchant"), any_of(AuditEntry.action, Param("actions")))
    .order_by(AuditEntry.id),
    Disclosure,
)


async def waiting_requests(merchant_id: str, actors: Sequence[str]) -> list[Request]:
    """The merchant's payouts and refunds that these actors requested and that wait for approval, newest first."""
    # SQL, since the model is in withdrawals/, which this folder can't import.
    rows = await database.fetch_all(
        """
        SELECT kind, id, mode, network, asset, amount_raw, destination, created_at FROM withdrawals
        WHERE merchant = $1 AND status = 'pending_approval' AND requested_by = ANY($2) ORDER BY created_at DESC, id
        """,
        merchant_id,
        actors,
    )
    return [Request(**row) for row in rows]


async def was_reminded(merchant_id: str, account_id: str, since: datetime) -> bool:
    """Whether a member was reminded of two-step verification after this moment."""
    return await _WAS_REMINDED.first(merchant=merchant_id, account=account_id, since=since) is not None


_WAS_REMINDED = Statement(
    AuditEntry.select(AuditEntry.id)
    .where(
        AuditEntry.merchant_id == Param("merchant"),
        AuditEntry.action == "team.totp_reminded",
        AuditEntry.subject == Param("account"),
        AuditEntry.at > Param("since"),
    )
    .limit(1),
    int,
)
