"""The secrets that a person was shown, their rotation all at once, and the payouts that the person requested.

Used when a member is removed, or lost a laptop. A secret is shown when it is made, and an endpoint's again on request;
each time the audit log gets a row, from which we know what a person has seen. A secret without any row (made by an
earlier version, or at a terminal) may be known to anybody.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from app.api_keys import administration as keys
from app.api_keys.administration import CREATED, ROTATED
from app.api_keys.secrets import Mode
from app.core import database
from app.core.errors import ApiError, Code, invalid
from app.core.settings import Peppers
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.security_checklist import repository
from app.security_checklist.repository import Disclosure, Kind, Request, Secret
from app.webhooks.administration import EndpointAdministration

How = Literal["made", "revealed", "with_a_key", "unknown"]
"""`with_a_key`: it was made through the API with a key that the person had seen. `unknown`: nothing is recorded."""

_BEGINS = frozenset({CREATED, ROTATED, "webhook.created", "webhook.secret_rotated"})
"""Actions that put a new secret in place and show it."""

_REVEALS = "webhook.secret_revealed"


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """A secret in use that somebody knows, or may know. `seen_at` is None if nothing is recorded."""

    secret: Secret
    how: How
    seen_at: datetime | None


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that has just replaced an exposed one; `value` is shown only once."""

    kind: Kind
    id: str
    name: str
    mode: Mode
    value: str


async def seen_by(by: Member, account_id: str, now: datetime) -> list[Exposure]:
    """The merchant's secrets that a member or former member knows, or may know. Raises Forbidden."""
    by.require(Permission.TEAM_MANAGE)
    return known_to(
        f"account:{account_id}",
        await repository.secrets_in_use(by.merchant_id, now),
        await _disclosures(by.merchant_id),
        now,
    )


def known_to(actor: str, secrets: Sequence[Secret], disclosures: Sequence[Disclosure], now: datetime) -> list[Exposure]:
    """The secrets that an actor knows, or may know; `disclosures` are oldest first."""
    by_subject: dict[str, list[Disclosure]] = {}
    for disclosure in disclosures:
        by_subject.setdefault(disclosure.subject, []).append(disclosure)
    held_keys = _held_keys(actor, disclosures)
    found = []
    for secret in secrets:
        exposure = _exposure(actor, held_keys, secret, by_subject.get(secret.id, ()), now)
        if exposure is not None:
            found.append(exposure)
    return found


def _held_keys(actor: str, disclosures: Sequence[Disclosure]) -> set[str]:
    """The keys whose secret an actor was shown, as they are named in the audit log."""
    return {
        f"api_key:{disclosure.subject}"
        for disclosure in disclosures
        if disclosure.actor == actor and disclosure.action in (CREATED, ROTATED)
    }


def _exposure(
    actor: str, held_keys: Collection[str], secret: Secret, disclosures: Sequence[Disclosure], now: datetime
) -> Exposure | None:
    """How the actor knows the current secret, or the previous one while it is valid; None if they don't."""
    generations = _generations(disclosures)
    if not generations:
        return Exposure(secret=secret, how="unknown", seen_at=None)
    counting = generations[-1:]
    if secret.previous_until is not None and secret.previous_until > now:
        counting = generations[-2:]
    for generation in reversed(counting):
        for disclosure in reversed(generation):
            if disclosure.actor == actor:
                how: How = "made" if disclosure.action in _BEGINS else "revealed"
                return Exposure(secret=secret, how=how, seen_at=disclosure.at)
            if disclosure.actor in held_keys:
                return Exposure(secret=secret, how="with_a_key", seen_at=disclosure.at)
    return None


def _generations(disclosures: Sequence[Disclosure]) -> list[list[Disclosure]]:
    """The disclosures by the secret that they showed, oldest first."""
    generations: list[list[Disclosure]] = []
    for disclosure in disclosures:
        if disclosure.action in _BEGINS or not generations:
            generations.append([])
        generations[-1].append(disclosure)
    return generations


async def requests_of(by: Member, account_id: str) -> list[Request]:
    """Payouts and refunds that an account requested, itself or with a key whose secret it was shown, and that wait for
    approval, newest first. They stay when the member is removed; the other members may cancel them. Raises Forbidden.
    """
    by.require(Permission.TEAM_MANAGE)
    actor = f"account:{account_id}"
    actors = [actor, *_held_keys(actor, await _disclosures(by.merchant_id))]
    return await repository.waiting_requests(by.merchant_id, actors)


async def rotate(
    by: Member,
    wanted: Collection[tuple[Kind, str]],
    *,
    grace_hours: int,
    peppers: Peppers,
    endpoints: Mapping[Mode, EndpointAdministration],
    now: datetime,
) -> list[Rotated]:
    """Rotate all the wanted secrets, or none if one fails; the old ones are valid for `grace_hours` (0 to 72).

    Raises Forbidden, INVALID_INPUT for an empty choice, NOT_FOUND for one of another merchant or one not in use.
    """
    by.require(Permission.KEYS_MANAGE, "test")  # each secret is checked in its own mode below
    by.require(Permission.WEBHOOKS_MANAGE, "test")
    if not wanted:
        raise invalid("secrets", "choose at least one")
    in_use = {(secret.kind, secret.id): secret for secret in await repository.secrets_in_use(by.merchant_id, now)}
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
        return (await endpoints.rotate_secret_in_transaction(secret.id, overlap_hours=grace_hours)).secret
    _, full = await keys.rotate_along(by, peppers, mode=secret.mode, key_id=secret.id, grace_hours=grace_hours, now=now)
    return full


async def _disclosures(merchant_id: str) -> list[Disclosure]:
    return await repository.disclosures(merchant_id, [*_BEGINS, _REVEALS])
