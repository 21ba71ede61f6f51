"""What somebody leaves behind: secrets that they have seen, and new ones in their place, all at once; and payouts that
they asked for. For who leaves, or lost their laptop.

A secret of ours is shown when it is made, and an endpoint's once more on request; each time the audit log has a row.
So what somebody knows can be read there. A secret without any row (made by an earlier version, or at a terminal)
may be known to anybody.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.api_keys import administration as keys
from app.api_keys.administration import CREATED, ROTATED
from app.api_keys.secrets import Mode
from app.core import database
from app.core.errors import ApiError, Code, invalid
from app.core.settings import Peppers
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.webhooks.administration import EndpointAdministration

Kind = Literal["api_key", "webhook"]

How = Literal["made", "revealed", "with_a_key", "unknown"]
"""`with_a_key`: it was made through the API with a key that the person had seen. `unknown`: nothing is written."""

_BEGINS = frozenset({CREATED, ROTATED, "webhook.created", "webhook.secret_rotated"})
"""Deeds that put a new secret in place and show it."""

_REVEALS = "webhook.secret_revealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret in use: an API key's, or an endpoint's for signing. `previous_until` is when the one before ends."""

    kind: Kind
    id: str
    name: str
    mode: Mode
    created_at: datetime
    previous_until: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """A row of the audit log that showed a secret to somebody. `subject` is the key's or endpoint's id."""

    actor: str
    action: str
    subject: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """A secret in use that somebody knows, or may know. `seen_at` is None where nothing is written."""

    secret: Secret
    how: How
    seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A secret that was just put in place of an exposed one; `value` is shown this once."""

    kind: Kind
    id: str
    name: str
    mode: Mode
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A payout or refund that waits for an operator. `amount_raw` is in the asset's minor unit."""

    kind: Literal["payout", "refund"]
    id: str
    mode: Mode
    network: str
    asset: str
    amount_raw: int
    destination: str
    created_at: datetime


async def seen_by(by: Member, account_id: str, now: datetime) -> list[Exposure]:
    """What an account, a member or one no more, knows of the merchant's secrets. Raises Forbidden."""
    by.require(Permission.TEAM_MANAGE)
    return known_to(
        f"account:{account_id}", await secrets_in_use(by.merchant_id, now), await _deeds(by.merchant_id), now
    )


def known_to(actor: str, secrets: Sequence[Secret], deeds: Sequence[Deed], now: datetime) -> list[Exposure]:
    """What an actor knows, or may know; `deeds` are in the order in which they were done."""
    by_subject: dict[str, list[Deed]] = {}
    for deed in deeds:
        by_subject.setdefault(deed.subject, []).append(deed)
    held_keys = _held_keys(actor, deeds)
    found = []
    for secret in secrets:
        exposure = _exposure(actor, held_keys, secret, by_subject.get(secret.id, ()), now)
        if exposure is not None:
            found.append(exposure)
    return found


def _held_keys(actor: str, deeds: Sequence[Deed]) -> set[str]:
    """The keys whose secret an actor was shown, as they are named in the audit log."""
    return {f"api_key:{deed.subject}" for deed in deeds if deed.actor == actor and deed.action in (CREATED, ROTATED)}


def _exposure(
    actor: str, held_keys: Collection[str], secret: Secret, deeds: Sequence[Deed], now: datetime
) -> Exposure | None:
    """Whether the actor saw the secret that is in place, or the one before while that still counts."""
    generations = _generations(deeds)
    if not generations:
        return Exposure(secret=secret, how="unknown", seen_at=None)
    counting = generations[-1:]
    if secret.previous_until is not None and secret.previous_until > now:
        counting = generations[-2:]
    for generation in reversed(counting):
        for deed in reversed(generation):
            if deed.actor == actor:
                how: How = "made" if deed.action in _BEGINS else "revealed"
                return Exposure(secret=secret, how=how, seen_at=deed.at)
            if deed.actor in held_keys:
                return Exposure(secret=secret, how="with_a_key", seen_at=deed.at)
    return None


def _generations(deeds: Sequence[Deed]) -> list[list[Deed]]:
    """The deeds by the secret that they showed, oldest first."""
    generations: list[list[Deed]] = []
    for deed in deeds:
        if deed.action in _BEGINS or not generations:
            generations.append([])
        generations[-1].append(deed)
    return generations


async def requests_of(by: Member, account_id: str) -> list[Request]:
    """Payouts and refunds that an account asked for, itself or by a key whose secret it was shown, and that still wait.

    They are no secrets, but outlive the right to ask for them as well: whoever stays may cancel them. Newest first.
    Raises Forbidden.
    """
    by.require(Permission.TEAM_MANAGE)
    actor = f"account:{account_id}"
    rows = await database.fetch_all(
        """
        SELECT kind, id, mode, network, asset, amount_raw, destination, created_at FROM withdrawals
        WHERE merchant = $1 AND status = 'pending_approval' AND requested_by = ANY($2) ORDER BY created_at DESC, id
        """,
        by.merchant_id,
        [actor, *_held_keys(actor, await _deeds(by.merchant_id))],
    )
    return [Request(**dict(row)) for row in rows]


async def rotate(
    by: Member,
    wanted: Collection[tuple[Kind, str]],
    *,
    grace_hours: int,
    peppers: Peppers,
    endpoints: Mapping[Mode, EndpointAdministration],
    now: datetime,
) -> list[Rotated]:
    """New secrets for all that are wanted, or for none; the old ones hold for `grace_hours` (0 to 72).

    Raises Forbidden, INVALID_INPUT for an empty choice, NOT_FOUND for what is not theirs or not in use any more.
    """
    by.require(Permission.KEYS_MANAGE)
    by.require(Permission.WEBHOOKS_MANAGE)
    if not wanted:
        raise invalid("secrets", "choose at least one")
    in_use = {(secret.kind, secret.id): secret for secret in await secrets_in_use(by.merchant_id, now)}
    rotated = []
    async with database.transaction():
        for chosen in sorted(set(wanted)):
            secret = in_use.get(chosen)
            if secret is None:
                raise ApiError(Code.NOT_FOUND, "there is no such secret in use")
            value = await _rotate_one(by, secret, grace_hours, peppers, endpoints[secret.mode], now)
            rotated.append(Rotated(kind=secret.kind, id=secret.id, name=secret.name, mode=secret.mode, value=value))
    return rotated


async def _rotate_one(
    by: Member, secret: Secret, grace_hours: int, peppers: Peppers, endpoints: EndpointAdministration, now: datetime
) -> str:
    if secret.kind == "webhook":
        return (await endpoints.rotate_secret_along(secret.id, overlap_hours=grace_hours)).secret
    _, full = await keys.rotate_along(by, peppers, mode=secret.mode, key_id=secret.id, grace_hours=grace_hours, now=now)
    return full


async def secrets_in_use(merchant_id: str, now: datetime) -> list[Secret]:
    """Every key that works and every endpoint that is not deleted, live ones first."""
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
    return [Secret(**dict(row)) for row in rows]


async def _deeds(merchant_id: str) -> list[Deed]:
    rows = await database.fetch_all(
        """
        SELECT actor, action, subject, at FROM audit_entries
        WHERE merchant_id = $1 AND action = ANY($2) ORDER BY id
        """,
        merchant_id,
        [*_BEGINS, _REVEALS],
    )
    return [Deed(**dict(row)) for row in rows]
