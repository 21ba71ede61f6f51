"""Endpoints: made, changed, stopped, started, and their secrets. Replays and tests are in `replay.py`."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.audit import service as audit
from app.core import clock, crypto, database, ids
from app.core.errors import ApiError, Code, invalid
from app.core.outbound import OutboundClient, TargetRefused
from app.core.settings import DataKeys
from app.events.service import Mode
from app.events.types import EVENT_TYPES
from app.webhooks import claims_repository, queries, repository, secrets, signing
from app.webhooks.queries import EndpointView

MAX_ENDPOINTS = 50
"""Explicit endpoints of a merchant in a mode: each event makes a delivery for each of them."""

MAX_DESCRIPTION_CHARS = 500
MAX_OVERLAP_HOURS = 72
"""How long a rotated secret may go on signing; as for API keys (contract, section 2)."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: `account:ACC-…` or `api_key:…`, and the client's address, for the audit log."""

    name: str
    address: str | None


@dataclass(frozen=True, slots=True)
class RevealedSecret:
    """An endpoint and its new secret, which is shown this once."""

    endpoint: EndpointView
    secret: str


async def create_endpoint(
    *,
    merchant_id: str,
    mode: Mode,
    url: str,
    description: str,
    event_types: Collection[str],
    actor: Actor,
    outbound: OutboundClient,
    keys: DataKeys,
    on_created: Callable[[RevealedSecret], Awaitable[None]] | None = None,
) -> RevealedSecret:
    """A new endpoint, enabled. `event_types` empty means all.

    The URL is parsed and its name looked up, before the transaction; `on_created` writes along in it. Raises
    ApiError INVALID_INPUT.
    """
    checked_url = await check_url(url, outbound)
    types = _checked_types(event_types)
    _check_description(description)
    endpoint_id, secret, now = ids.new_id(ids.WEBHOOK), signing.new_secret(), clock.now()
    async with database.transaction():
        await _lock_merchant_with_room(merchant_id, mode)
        await database.execute(
            """
            INSERT INTO webhook_endpoints (id, merchant, mode, url, description, event_types, implicit, status,
                status_since, secret_sealed, created_at)
            VALUES ($1, $2, $3, $4, $5, $6, false, 'enabled', $7, $8, $7)
            """,
            endpoint_id,
            merchant_id,
            mode,
            checked_url,
            description,
            types,
            now,
            secrets.seal(keys, endpoint_id, secret),
        )
        await database.execute(
            """
            INSERT INTO webhook_queues (endpoint, last_seq, consecutive_failures, ordered_through_seq)
            VALUES ($1, 0, 0, 0)
            """,
            endpoint_id,
        )
        await _audit("webhook.created", merchant_id, endpoint_id, actor, {"url": checked_url}, now)
        made = RevealedSecret(await queries.get_endpoint(merchant_id, mode, endpoint_id), secret)
        if on_created is not None:
            await on_created(made)
        return made


async def update_endpoint(
    *,
    merchant_id: str,
    mode: Mode,
    endpoint_id: str,
    url: str | None,
    description: str | None,
    event_types: Collection[str] | None,
    actor: Actor,
    outbound: OutboundClient,
) -> EndpointView:
    """Change what is not None. What waits goes to the new URL; a new filter holds for events to come.

    Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT (also for another URL of an implicit endpoint).
    """
    before = await queries.get_endpoint(merchant_id, mode, endpoint_id)
    if before.implicit and (url is not None or event_types is not None):
        raise invalid("url", "belongs to the invoices that named it and can't be changed")
    checked_url = None if url is None else await check_url(url, outbound)
    types = None if event_types is None else _checked_types(event_types)
    if description is not None:
        _check_description(description)
    now = clock.now()
    async with database.transaction():
        changed = await database.execute(
            """
            UPDATE webhook_endpoints SET url = coalesce($4, url), description = coalesce($5, description),
                event_types = coalesce($6, event_types)
            WHERE id = $1 AND merchant = $2 AND mode = $3 AND status <> 'deleted'
            """,
            endpoint_id,
            merchant_id,
            mode,
            checked_url,
            description,
            types,
        )
        if not changed:
            raise queries.not_found()
        details = {"url": checked_url, "description": description, "event_types": types}
        given = {name: value for name, value in details.items() if value is not None}
        await _audit("webhook.updated", merchant_id, endpoint_id, actor, given, now)
        return await queries.get_endpoint(merchant_id, mode, endpoint_id)


async def enable_endpoint(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> EndpointView:
    """Start again: the count of failures is reset, and all that waits goes out, one by one and in order.

    Raises ApiError WEBHOOK_NOT_FOUND. Does nothing to an endpoint that is enabled.
    """
    now = clock.now()
    async with database.transaction():
        endpoint = await _locked(merchant_id, mode, endpoint_id)
        if endpoint.status == "enabled":
            return endpoint
        await _set_status(endpoint_id, "enabled", None, now)
        # What was tried before the pause would come late by its back-off: put it back into its place.
        await database.execute(
            """
            UPDATE webhook_deliveries SET next_attempt_at = created_at, step = 0
            WHERE endpoint = $1 AND status = 'pending' AND (next_attempt_at <> created_at OR step <> 0)
            """,
            endpoint_id,
        )
        await database.execute(
            """
            UPDATE webhook_queues SET consecutive_failures = 0, due_at = $2, ordered_through_seq = last_seq
            WHERE endpoint = $1
            """,
            endpoint_id,
            now,
        )
        await _audit("webhook.enabled", merchant_id, endpoint_id, actor, {}, now)
        return await queries.get_endpoint(merchant_id, mode, endpoint_id)


async def pause_endpoint(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> EndpointView:
    """Let deliveries wait from now on. Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT for a disabled one."""
    now = clock.now()
    async with database.transaction():
        endpoint = await _locked(merchant_id, mode, endpoint_id)
        if endpoint.status == "disabled":
            raise invalid("status", "is disabled: nothing waits for it")
        if endpoint.status == "enabled":
            await _set_status(endpoint_id, "paused", "merchant", now)
            await _audit("webhook.paused", merchant_id, endpoint_id, actor, {"reason": "merchant"}, now)
        return await queries.get_endpoint(merchant_id, mode, endpoint_id)


async def disable_endpoint(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> EndpointView:
    """Stop: what waits is dead-lettered (kept, replayable), new events make no deliveries.

    Raises ApiError WEBHOOK_NOT_FOUND.
    """
    now = clock.now()
    async with database.transaction():
        endpoint = await _locked(merchant_id, mode, endpoint_id)
        if endpoint.status != "disabled":
            await _set_status(endpoint_id, "disabled", "merchant", now)
            await repository.abandon_pending(endpoint_id)
            await _audit("webhook.disabled", merchant_id, endpoint_id, actor, {"reason": "merchant"}, now)
        return await queries.get_endpoint(merchant_id, mode, endpoint_id)


async def delete_endpoint(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> None:
    """Remove from sight and stop. An implicit one comes back with the next event of an invoice that names its URL.

    Raises ApiError WEBHOOK_NOT_FOUND.
    """
    now = clock.now()
    async with database.transaction():
        await _locked(merchant_id, mode, endpoint_id)
        await _set_status(endpoint_id, "deleted", "merchant", now)
        await repository.abandon_pending(endpoint_id)
        await _audit("webhook.deleted", merchant_id, endpoint_id, actor, {}, now)


async def rotate_secret(
    *, merchant_id: str, mode: Mode, endpoint_id: str, overlap_hours: int, actor: Actor, keys: DataKeys
) -> RevealedSecret:
    """A new secret, at once; the old one signs beside it for `overlap_hours` (0 to MAX_OVERLAP_HOURS).

    Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT.
    """
    async with database.transaction():
        return await rotate_secret_along(
            merchant_id=merchant_id,
            mode=mode,
            endpoint_id=endpoint_id,
            overlap_hours=overlap_hours,
            actor=actor,
            keys=keys,
        )


async def rotate_secret_along(
    *, merchant_id: str, mode: Mode, endpoint_id: str, overlap_hours: int, actor: Actor, keys: DataKeys
) -> RevealedSecret:
    """The same in the caller's transaction: several are rotated together or not at all (app/security_checklist)."""
    database.in_transaction()
    if not 0 <= overlap_hours <= MAX_OVERLAP_HOURS:
        raise invalid("overlap_hours", f"must be from 0 to {MAX_OVERLAP_HOURS}")
    secret, now = signing.new_secret(), clock.now()
    row = await database.fetch_one(
        """
        SELECT secret_sealed FROM webhook_endpoints
        WHERE id = $1 AND merchant = $2 AND mode = $3 AND status <> 'deleted' FOR NO KEY UPDATE
        """,
        endpoint_id,
        merchant_id,
        mode,
    )
    if row is None:
        raise queries.not_found()
    overlaps = overlap_hours > 0 and _is_readable(keys, endpoint_id, row["secret_sealed"])
    await database.execute(
        """
        UPDATE webhook_endpoints
        SET secret_sealed = $2, previous_secret_sealed = $3, previous_secret_until = $4 WHERE id = $1
        """,
        endpoint_id,
        secrets.seal(keys, endpoint_id, secret),
        row["secret_sealed"] if overlaps else None,
        now + timedelta(hours=overlap_hours) if overlaps else None,
    )
    details = {"overlap_hours": overlap_hours}
    await _audit("webhook.secret_rotated", merchant_id, endpoint_id, actor, details, now)
    return RevealedSecret(await queries.get_endpoint(merchant_id, mode, endpoint_id), secret)


async def reveal_secret(
    *, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor, keys: DataKeys
) -> RevealedSecret:
    """The secret that signs now, once more; that somebody saw it goes to the audit log.

    Raises ApiError WEBHOOK_NOT_FOUND, crypto.Undecryptable.
    """
    now = clock.now()
    async with database.transaction():
        sealed = await database.fetch_value(
            "SELECT secret_sealed FROM webhook_endpoints"
            " WHERE id = $1 AND merchant = $2 AND mode = $3 AND status <> 'deleted' FOR NO KEY UPDATE",
            endpoint_id,
            merchant_id,
            mode,
        )
        if sealed is None:
            raise queries.not_found()
        await _audit("webhook.secret_revealed", merchant_id, endpoint_id, actor, {}, now)
        endpoint = await queries.get_endpoint(merchant_id, mode, endpoint_id)
        return RevealedSecret(endpoint, secrets.open_sealed(keys, endpoint_id, sealed))


async def check_url(url: str, outbound: OutboundClient, *, field: str = "url") -> str:
    """The URL in its canonical form, if an attempt would be let through now. Raises ApiError INVALID_INPUT.

    Looks the name up: not to be called in a transaction.
    """
    try:
        target = await outbound.check_target(url)
    except TargetRefused as refused:
        raise invalid(field, refused.message) from refused
    return target.url


async def _locked(merchant_id: str, mode: Mode, endpoint_id: str) -> EndpointView:
    """The endpoint with its queue locked: no claim, outcome or fan-out can come in between."""
    await claims_repository.lock_queues({endpoint_id})
    return await queries.get_endpoint(merchant_id, mode, endpoint_id)


async def _set_status(
    endpoint_id: str,
    status: Literal["enabled", "paused", "disabled", "deleted"],
    reason: str | None,
    now: datetime,
) -> None:
    await database.execute(
        "UPDATE webhook_endpoints SET status = $2, status_reason = $3, status_since = $4 WHERE id = $1",
        endpoint_id,
        status,
        reason,
        now,
    )


async def _lock_merchant_with_room(merchant_id: str, mode: Mode) -> None:
    """Two creations at once must not both take the last place."""
    await database.execute("SELECT 1 FROM merchants WHERE id = $1 FOR NO KEY UPDATE", merchant_id)
    count = await database.fetch_value(
        """
        SELECT count(*) FROM webhook_endpoints
        WHERE merchant = $1 AND mode = $2 AND NOT implicit AND status <> 'deleted'
        """,
        merchant_id,
        mode,
    )
    if count >= MAX_ENDPOINTS:
        raise ApiError(Code.INVALID_INPUT, f"url: there are {MAX_ENDPOINTS} endpoints already, the most there can be")


def _checked_types(event_types: Collection[str]) -> list[str]:
    for type in event_types:
        if type not in EVENT_TYPES:
            raise invalid("event_types", f"no such event type: {type[:40]}")
    return sorted(set(event_types))


def _check_description(description: str) -> None:
    if len(description) > MAX_DESCRIPTION_CHARS or "\0" in description:
        raise invalid("description", f"must be at most {MAX_DESCRIPTION_CHARS} characters")


def _is_readable(keys: DataKeys, endpoint_id: str, sealed: str) -> bool:
    """One that can't be read can't sign: kept for the overlap, it would fail each delivery."""
    try:
        secrets.open_sealed(keys, endpoint_id, sealed)
    except crypto.Undecryptable:
        return False
    return True


async def _audit(
    action: str, merchant_id: str, endpoint_id: str, actor: Actor, details: Mapping[str, object], now: datetime
) -> None:
    await audit.record(
        actor=actor.name,
        action=action,
        subject=endpoint_id,
        merchant_id=merchant_id,
        address=actor.address,
        details=details,
        now=now,
    )
