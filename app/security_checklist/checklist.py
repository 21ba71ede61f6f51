"""The security checklist: pure rules over what is known of keys and people, each finding with its remedy."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from app.api_keys.administration import MONEY_SCOPES
from app.api_keys.scopes import Scope
from app.api_keys.secrets import Mode
from app.merchants.roles import Role, only_reads

OLD_SECRET = timedelta(days=365)
"""A secret is changed at least once a year: after that time nobody knows where its copies are."""

UNUSED_KEY = timedelta(days=90)
"""A key that was not used for three months is not needed, and could be stolen."""

UNUSED_SCOPE = timedelta(days=90)

NEW_KEY = timedelta(days=14)
"""A new key counts as unused only after this time, in which its program is written."""

BROAD_SCOPES = 8
"""Of ten scopes: more than one program should need."""

Severity = Literal["critical", "caution", "advice"]

SEVERITIES: tuple[Severity, ...] = ("critical", "caution", "advice")

Rule = Literal[
    "no_allowlist",
    "broad_scopes",
    "unused_scopes",
    "unused_key",
    "old_secret",
    "no_totp",
    "single_owner",
]

Remedy = Literal[
    "allow_last_address", "edit_key", "drop_scopes", "revoke_key", "rotate_key", "remind_of_totp", "invite_owner"
]
"""What solves a finding. `edit_key` and `invite_owner` are pages; the others are applied at once."""


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A key in use. `unused_scopes` are its scopes whose use is recorded, but not within `UNUSED_SCOPE`."""

    id: str
    name: str
    mode: Mode
    scopes: tuple[str, ...]
    has_allowlist: bool
    unused_scopes: tuple[str, ...]
    created_at: datetime
    secret_since: datetime
    last_used_at: datetime | None
    last_used_address: str | None


class PersonFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A member."""

    account_id: str
    name: str
    role: Role
    has_second_step: bool


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could be safer. `subject` is a key's or account's id, empty for the whole merchant.

    `value` is what the remedy will do: the address, the scopes.
    """

    rule: Rule
    severity: Severity
    subject: str
    mode: Mode | None
    title: str
    words: str
    remedy: Remedy
    value: str = ""

    @property
    def id(self) -> str:
        """The name of the finding in a form."""
        return f"{self.rule}:{self.subject}"


def check(keys: Iterable[KeyFacts], people: Iterable[PersonFacts], now: datetime) -> list[Finding]:
    """Every finding, the worst first."""
    people = list(people)
    findings = [finding for key in keys for finding in _of_key(key, now)]
    findings += [finding for person in people for finding in _of_person(person)]
    findings += _of_owners(people)
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _of_key(key: KeyFacts, now: datetime) -> Iterator[Finding]:
    unused_since = key.last_used_at or key.created_at
    if now - unused_since > (UNUSED_KEY if key.last_used_at else NEW_KEY):
        yield Finding(
            rule="unused_key",
            severity="caution",
            subject=key.id,
            mode=key.mode,
            title=f"{key.name} is not used",
            words="Nobody has used this key for a long time. Revoke it: a key that is not needed can only be stolen.",
            remedy="revoke_key",
        )
        return  # revoking it solves every other finding of it
    if key.mode == "live" and not key.has_allowlist:
        yield _no_allowlist(key)
    if len(key.scopes) >= BROAD_SCOPES:
        yield Finding(
            rule="broad_scopes",
            severity="caution",
            subject=key.id,
            mode=key.mode,
            title=f"{key.name} may do almost everything",
            words=f"It holds {len(key.scopes)} of {len(Scope)} scopes. Give each program a key with what it needs.",
            remedy="edit_key",
        )
    if key.unused_scopes and now - key.created_at > UNUSED_SCOPE:
        yield Finding(
            rule="unused_scopes",
            severity="caution" if MONEY_SCOPES.intersection(key.unused_scopes) else "advice",
            subject=key.id,
            mode=key.mode,
            title=f"{key.name} may do more than it does",
            words=f"It has not used {_and(key.unused_scopes)} for {UNUSED_SCOPE.days} days.",
            remedy="drop_scopes",
            value=" ".join(key.unused_scopes),
        )
    if now - key.secret_since > OLD_SECRET:
        yield Finding(
            rule="old_secret",
            severity="caution" if key.mode == "live" else "advice",
            subject=key.id,
            mode=key.mode,
            title=f"{key.name} has an old secret",
            words="Its secret is over a year old. Rotate it; the old one can stay valid for up to 72 hours.",
            remedy="rotate_key",
        )


def _no_allowlist(key: KeyFacts) -> Finding:
    """A stolen key without an allowlist works from everywhere, which is worse if the key can send money."""
    may_send = bool(MONEY_SCOPES.intersection(key.scopes))
    words = "Anybody who finds this key can use it from anywhere"
    words += ", to ask for payouts or refunds too." if may_send else "."
    if key.last_used_address:
        words += f" It was last used from {key.last_used_address}."
    return Finding(
        rule="no_allowlist",
        severity="critical" if may_send else "caution",
        subject=key.id,
        mode=key.mode,
        title=f"{key.name} works from every address",
        words=words,
        remedy="allow_last_address" if key.last_used_address else "edit_key",
        value=key.last_used_address or "",
    )


def _of_person(person: PersonFacts) -> Iterator[Finding]:
    if person.has_second_step:
        return
    yield Finding(
        rule="no_totp",
        severity="advice" if only_reads(person.role) else "critical",
        subject=person.account_id,
        mode=None,
        title=f"{person.name} signs in with a password alone",
        words=f"Their role is {person.role}. With two-step verification a stolen password is not enough.",
        remedy="remind_of_totp",
    )


def _of_owners(people: list[PersonFacts]) -> Iterator[Finding]:
    if sum(person.role == "owner" for person in people) == 1:
        yield Finding(
            rule="single_owner",
            severity="advice",
            subject="",
            mode=None,
            title="There is one owner",
            words="If they can't sign in, nobody can change who belongs to the team. Make a second person an owner.",
            remedy="invite_owner",
        )


def _and(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
