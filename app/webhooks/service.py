"""Create, change, stop and start endpoints, and rotate and reveal their secrets. Replays are in `replay.py`."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from app.audit import service as audit
from app.core import clock, crypto, database, ids
from app.core.errors import ApiError, Code, Problems, invalid
from app.core.keyset import Page, Place
from app.core.outbound import OutboundClient, TargetRefused
from app.core.settings import DataKeys
from app.events.service import Mode
from app.events.types import EVENT_TYPES
from app.webhooks import (
    claims_repository,
    deliveries_repository,
    endpoints_repository,
    repository,
    secrets,
    signing,
)
from app.webhooks.deliveries_repository import DeliveryView
from app.webhooks.endpoints_repository import EndpointView

MAX_ENDPOINTS = 50
"""Explicit endpoints of a merchant in a mode: each event makes a delivery for each of them."""

MAX_DESCRIPTION_CHARS = 500
MAX_OVERLAP_HOURS = 72
"""How long the previous secret may sign after a rotation; as for API keys (contract, section 2)."""


class Actor(msgspec.Struct, frozen=True):
    """The account or API key that acts (`account:ACC-…`, `api_key:…`) and the client's address, for the audit log."""

    name: str
    address: str | None


class RevealedSecret(msgspec.Struct, frozen=True):
    """An endpoint and its secret in plain text, to be shown once."""

    endpoint: EndpointView
    secret: str


async def get_endpoint(merchant_id: str, mode: Mode, endpoint_id: str) -> EndpointView:
    """One endpoint. Raises ApiError WEBHOOK_NOT_FOUND, also for another merchant's."""
    endpoint = await endpoints_repository.find(merchant_id, mode, endpoint_id)
    if endpoint is None:
        raise not_found()
    return endpoint


async def list_deliveries(
    merchant_id: str, mode: Mode, endpoint_id: str, *, status: str | None, limit: int, place: Place | None = None
) -> Page[DeliveryView]:
    """A page of an endpoint's deliveries with all their attempts by seq, newest event first.

    `status` is `pending`, `delivered`, `dead` or None for all. Raises ApiError WEBHOOK_NOT_FOUND.
    """
    await get_endpoint(merchant_id, mode, endpoint_id)
    return await deliveries_repository.list_of_endpoint(endpoint_id, status=status, limit=limit, place=place)


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
    """Create an endpoint, enabled. `event_types` empty means all.

    Opens its own transaction, after the URL is checked and its name resolved; `on_created` runs in it. Raises
    ApiError INVALID_INPUT.
    """
    checked_url, types = await checked(url, description, event_types, outbound)
    endpoint_id, secret, now = ids.new_id(ids.WEBHOOK), signing.new_secret(), clock.now()
    async with database.transaction():
        await _lock_merchant_with_room(merchant_id, mode)
        await endpoints_repository.add(
            endpoint_id=endpoint_id,
            merchant_id=merchant_id,
            mode=mode,
            url=checked_url,
            description=description,
            event_types=types,
            secret_sealed=secrets.seal(keys, endpoint_id, secret),
            now=now,
        )
        await _audit("webhook.created", merchant_id, endpoint_id, actor, {"url": checked_url}, now)
        created = RevealedSecret(await get_endpoint(merchant_id, mode, endpoint_id), secret)
        if on_created is not None:
            await on_created(created)
        return created


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
    """Change the fields that are not None. Waiting deliveries go to the new URL; a new filter applies to future events.

    Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT (also for another URL of an implicit endpoint).
    """
    before = await get_endpoint(merchant_id, mode, endpoint_id)
    if before.implicit and (url is not None or event_types is not None):
        raise invalid("url", "belongs to the invoices that named it and can't be changed")
    problems = Problems()
    with problems.gathered():
        checked_url = None if url is None else await check_url(url, outbound)
    with problems.gathered():
        types = None if event_types is None else _checked_types(event_types)
    with problems.gathered():
        _check_description(description or "")
    problems.refuse()
    now = clock.now()
    async with database.transaction():
        changed = await endpoints_repository.update(
            merchant_id, mode, endpoint_id, url=checked_url, description=description, event_types=types
        )
        if not changed:
            raise not_found()
        details = {"url": checked_url, "description": description, "event_types": types}
        given = {name: value for name, value in details.items() if value is not None}
        await _audit("webhook.updated", merchant_id, endpoint_id, actor, given, now)
        return await get_endpoint(merchant_id, mode, endpoint_id)


async def enable_endpoint(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> EndpointView:
    """Enable an endpoint: its failures in a row are reset, and waiting deliveries are sent one by one, in order.

    Raises ApiError WEBHOOK_NOT_FOUND. Does nothing to an endpoint that is enabled.
    """
    now = clock.now()
    async with database.transaction():
        endpoint = await _locked(merchant_id, mode, endpoint_id)
        if endpoint.status == "enabled":
            return endpoint
        await repository.set_status(endpoint_id, "enabled", None, now)
        await repository.restart(endpoint_id, now)
        await _audit("webhook.enabled", merchant_id, endpoint_id, actor, {}, now)
        return await get_endpoint(merchant_id, mode, endpoint_id)


async def pause_endpoint(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> EndpointView:
    """Pause an endpoint: its deliveries wait. Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT for a disabled one."""
    now = clock.now()
    async with database.transaction():
        endpoint = await _locked(merchant_id, mode, endpoint_id)
        if endpoint.status == "disabled":
            raise invalid("status", "is disabled: nothing waits for it")
        if endpoint.status == "enabled":
            await repository.set_status(endpoint_id, "paused", "merchant", now)
            await _audit("webhook.paused", merchant_id, endpoint_id, actor, {"reason": "merchant"}, now)
        return await get_endpoint(merchant_id, mode, endpoint_id)


async def disable_endpoint(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> EndpointView:
    """Disable an endpoint: waiting deliveries become dead (they can be replayed), new events create no deliveries.

    Raises ApiError WEBHOOK_NOT_FOUND.
    """
    now = clock.now()
    async with database.transaction():
        endpoint = await _locked(merchant_id, mode, endpoint_id)
        if endpoint.status != "disabled":
            await repository.set_status(endpoint_id, "disabled", "merchant", now)
            await repository.abandon_pending(endpoint_id)
            await _audit("webhook.disabled", merchant_id, endpoint_id, actor, {"reason": "merchant"}, now)
        return await get_endpoint(merchant_id, mode, endpoint_id)


async def delete_endpoint(*, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor) -> None:
    """Delete an endpoint. An implicit one is created again by the next event of an invoice with its URL.

    Raises ApiError WEBHOOK_NOT_FOUND.
    """
    now = clock.now()
    async with database.transaction():
        await _locked(merchant_id, mode, endpoint_id)
        await repository.set_status(endpoint_id, "deleted", "merchant", now)
        await repository.abandon_pending(endpoint_id)
        await _audit("webhook.deleted", merchant_id, endpoint_id, actor, {}, now)


async def rotate_secret(
    *, merchant_id: str, mode: Mode, endpoint_id: str, overlap_hours: int, actor: Actor, keys: DataKeys
) -> RevealedSecret:
    """Create a new secret, valid at once; the old one signs too for `overlap_hours` (0 to MAX_OVERLAP_HOURS).

    Raises ApiError WEBHOOK_NOT_FOUND, INVALID_INPUT.
    """
    async with database.transaction():
        return await rotate_secret_in_transaction(
            merchant_id=merchant_id,
            mode=mode,
            endpoint_id=endpoint_id,
            overlap_hours=overlap_hours,
            actor=actor,
            keys=keys,
        )


async def rotate_secret_in_transaction(
    *, merchant_id: str, mode: Mode, endpoint_id: str, overlap_hours: int, actor: Actor, keys: DataKeys
) -> RevealedSecret:
    """Like `rotate_secret`, in the caller's transaction: several are rotated together or none
    (app/security_checklist)."""
    database.in_transaction()
    if not 0 <= overlap_hours <= MAX_OVERLAP_HOURS:
        raise invalid("overlap_hours", f"must be from 0 to {MAX_OVERLAP_HOURS}")
    secret, now = signing.new_secret(), clock.now()
    sealed = await endpoints_repository.lock_secret(merchant_id, mode, endpoint_id)
    if sealed is None:
        raise not_found()
    overlaps = overlap_hours > 0 and _is_readable(keys, endpoint_id, sealed)
    await endpoints_repository.set_secret(
        endpoint_id,
        secrets.seal(keys, endpoint_id, secret),
        previous_sealed=sealed if overlaps else None,
        previous_until=now + timedelta(hours=overlap_hours) if overlaps else None,
    )
    details = {"overlap_hours": overlap_hours}
    await _audit("webhook.secret_rotated", merchant_id, endpoint_id, actor, details, now)
    return RevealedSecret(await get_endpoint(merchant_id, mode, endpoint_id), secret)


async def reveal_secret(
    *, merchant_id: str, mode: Mode, endpoint_id: str, actor: Actor, keys: DataKeys
) -> RevealedSecret:
    """The current secret in plain text. The audit log records that it was shown.

    Raises ApiError WEBHOOK_NOT_FOUND, crypto.Undecryptable.
    """
    now = clock.now()
    async with database.transaction():
        sealed = await endpoints_repository.lock_secret(merchant_id, mode, endpoint_id)
        if sealed is None:
            raise not_found()
        await _audit("webhook.secret_revealed", merchant_id, endpoint_id, actor, {}, now)
        endpoint = await get_endpoint(merchant_id, mode, endpoint_id)
        return RevealedSecret(endpoint, secrets.open_sealed(keys, endpoint_id, sealed))


async def check_url(url: str, outbound: OutboundClient, *, field: str = "url") -> str:
    """The URL in its canonical form, if an attempt to it is allowed now. Raises ApiError INVALID_INPUT.

    Resolves the name: not to be called in a transaction.
    """
    try:
        target = await outbound.check_target(url)
    except TargetRefused as refused:
        raise invalid(field, refused.message) from refused
    return target.url


async def checked(
    url: str, description: str, event_types: Collection[str], outbound: OutboundClient
) -> tuple[str, list[str]]:
    """The URL and the types of a new endpoint as they are stored. Raises INVALID_INPUT, with all that is wrong.

    Resolves the name: not to be called in a transaction.
    """
    problems = Problems()
    with problems.gathered():
        checked_url = await check_url(url, outbound)
    with problems.gathered():
        types = _checked_types(event_types)
    with problems.gathered():
        _check_description(description)
    problems.refuse()
    return checked_url, types


def not_found() -> ApiError:
    """What is raised for an endpoint that does not exist, or is another merchant's."""
    return ApiError(Code.WEBHOOK_NOT_FOUND, "webhook_id: no such webhook")


async def _locked(merchant_id: str, mode: Mode, endpoint_id: str) -> EndpointView:
    """The endpoint with its queue locked: no claim, recorded attempt or new event can interfere."""
    await claims_repository.lock_queues({endpoint_id})
    return await get_endpoint(merchant_id, mode, endpoint_id)


async def _lock_merchant_with_room(merchant_id: str, mode: Mode) -> None:
    """Lock the merchant, so that two creations at once can't exceed the maximum. Raises ApiError INVALID_INPUT."""
    await endpoints_repository.lock_merchant(merchant_id)
    if await endpoints_repository.count_explicit(merchant_id, mode) >= MAX_ENDPOINTS:
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
    """Whether the secret can be decrypted. If not, keeping it for an overlap would make each delivery fail."""
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
