"""A merchant's audit log as its people read it: who did what, to what, from where.

It has the actions of the platform's operators on the merchant, but neither their names nor their addresses, nor their
reasons for deciding a review: those are only in the operators' log. What an operator tells the merchant of it is here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.audit import log
from app.audit.log import Entry, Filters
from app.core import database
from app.core.keyset import Page, Place, Total

OPERATOR = "operator"
"""The actor of all entries of operators who do not belong to the merchant."""


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `who` is the name of a person, a key or the platform. `about` is the name of the subject where it is a
    person, a key or an endpoint, else empty."""

    id: int
    at: datetime
    actor: str
    who: str
    action: str
    subject: str
    about: str
    address: str | None
    details: Mapping[str, Any]


class _Names(msgspec.Struct, frozen=True):
    """The names that a page of a merchant's log needs, by id. `foreign` are operators who are not its members."""

    accounts: dict[str, str] = {}
    foreign: frozenset[str] = frozenset()
    keys: dict[str, str] = {}
    endpoints: dict[str, str] = {}


async def page(merchant_id: str, filters: Filters, place: Place | None, limit: int) -> Page[Action]:
    """A page of the merchant's log by (at, id), newest first. The merchant of `filters` is always this one."""
    of_merchant = msgspec.structs.replace(filters, merchant_id=merchant_id)
    entries = await log.page_by_time(of_merchant, place, limit)
    names = await _names(merchant_id, entries)
    return entries.of([_action(entry, names) for entry in entries])


async def total(merchant_id: str, filters: Filters) -> Total:
    """How many entries of the merchant's log there are."""
    return await log.total(msgspec.structs.replace(filters, merchant_id=merchant_id))


async def people(merchant_id: str) -> list[tuple[str, str]]:
    """Everybody who has acted at a merchant, by (actor, name), for a filter's choices. Operators are left out."""
    # SQL: an actor is no foreign key, and EXISTS checks the membership.
    rows = await database.fetch_all(
        """
        SELECT DISTINCT a.name, e.actor FROM audit_entries e JOIN accounts a ON e.actor = 'account:' || a.id
        WHERE e.merchant_id = $1 AND (NOT a.is_operator OR EXISTS (
            SELECT FROM memberships p WHERE p.merchant = $1 AND p.account = a.id))
        ORDER BY a.name, e.actor
        """,
        merchant_id,
    )
    return [(row["actor"], row["name"]) for row in rows]


async def _names(merchant_id: str, entries: Sequence[Entry]) -> _Names:
    """The names of the entries' actors and subjects, in one statement for the page."""
    ids = {entry.actor.partition(":")[2] for entry in entries} | {entry.subject for entry in entries}
    if not entries:
        return _Names()
    # SQL: a union over three tables, with EXISTS.
    rows = await database.fetch_all(
        """
        SELECT 'account' AS kind, a.id, a.name, a.is_operator AND NOT EXISTS (
            SELECT FROM memberships p WHERE p.merchant = $1 AND p.account = a.id) AS is_foreign
        FROM accounts a WHERE a.id = ANY($2)
        UNION ALL SELECT 'key', k.id, k.name, false FROM api_keys k WHERE k.merchant = $1 AND k.id = ANY($2)
        UNION ALL SELECT 'endpoint', w.id, w.url, false FROM webhook_endpoints w
            WHERE w.merchant = $1 AND w.id = ANY($2)
        """,
        merchant_id,
        sorted(ids),
    )
    by_kind: dict[str, dict[str, str]] = {"account": {}, "key": {}, "endpoint": {}}
    for row in rows:
        by_kind[row["kind"]][row["id"]] = row["name"]
    return _Names(
        by_kind["account"],
        frozenset(row["id"] for row in rows if row["is_foreign"]),
        by_kind["key"],
        by_kind["endpoint"],
    )


def _action(entry: Entry, names: _Names) -> Action:
    """The entry as the merchant may read it. An operator who is also a member acts here as one, and is named."""
    kind, _, actor_id = entry.actor.partition(":")
    is_foreign = kind == "account" and actor_id in names.foreign
    return Action(
        id=entry.id,
        at=entry.at,
        actor=OPERATOR if is_foreign else entry.actor,
        who="An operator of the gateway" if is_foreign else _who(kind, actor_id, names),
        action=entry.action,
        subject=entry.subject,
        about=_about(entry, names),
        address=None if is_foreign else entry.address,
        details=_without_reason(entry) if entry.action.startswith("review.") else entry.facts,
    )


def _without_reason(entry: Entry) -> Mapping[str, Any]:
    return {name: value for name, value in entry.facts.items() if name != "reason"}


def _who(kind: str, actor_id: str, names: _Names) -> str:
    if kind == "account" and actor_id in names.accounts:
        return names.accounts[actor_id]
    if kind == "api_key" and actor_id in names.keys:
        return f"API key {names.keys[actor_id]}"
    return "A customer" if kind == "customer" else "The gateway"


def _about(entry: Entry, names: _Names) -> str:
    """The subject's name. Accounts are named where the action is about the team."""
    if entry.action.startswith("team.") and entry.subject in names.accounts:
        return names.accounts[entry.subject]
    return names.keys.get(entry.subject) or names.endpoints.get(entry.subject, "")
