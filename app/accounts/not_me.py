"""“This wasn't me”: the link in an email about a sign-in, for whom it was not.

Using it takes rights away and gives none: every session ends, the password opens nothing any more, and the person
chooses a new one by a link to the same mailbox, as after “Forgot your password?”. It works after a change of
credentials too: whoever was signed in may have made one.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, tzinfo

import msgspec

from app.accounts import (
    credentials,
    known_browsers_repository,
    links,
    links_repository,
    passwords,
    people,
    repository,
    second_steps,
)
from app.accounts.letters import Letters
from app.accounts.repository import Person
from app.accounts.second_steps import SecondSteps
from app.alerts.service import raise_alert
from app.core import database, ids
from app.core.zones import zone_of
from app.mail import service as mail
from app.mail.letters import Kind

StopApprovals = Callable[[str, datetime, datetime], Awaitable[Sequence[str]]]
"""Takes back what an account has approved since a moment; returns the ids of what was stopped. Not inside a
transaction; safe to run twice."""

TellColleagues = Callable[[Person, str, datetime], Awaitable[None]]
"""Tells the merchants of a person, in the caller's transaction. The text is the client's address."""


class DoubtfulSignIn(msgspec.Struct, frozen=True, kw_only=True):
    """The sign-in that a link is about, and what else signs in to its account."""

    signed_in_at: datetime
    is_operator: bool
    zone: tzinfo
    second_steps: SecondSteps
    can_reset: bool
    """Whether the account still has the email address that the link was sent to."""


class Disowned(msgspec.Struct, frozen=True):
    """What was done. `reset_token` is of a link that chooses a new password; None where the account has another email
    address by now."""

    sessions_ended: int
    reset_token: str | None


class NotMe:
    """Disowns sign-ins. One per process."""

    def __init__(self, letters: Letters, stop_approvals: StopApprovals, tell_colleagues: TellColleagues) -> None:
        self._letters = letters
        self._stop_approvals = stop_approvals
        self._tell_colleagues = tell_colleagues

    async def find(self, token: str, now: datetime) -> DoubtfulSignIn | None:
        """What the link of a token is about; None if it was used, has expired or is none."""
        link = await links.find("not_me", token, now)
        if link is None or link.account_id is None or link.created_at is None:
            return None
        person = await repository.by_id(link.account_id)
        return DoubtfulSignIn(
            signed_in_at=link.created_at,
            is_operator=person.is_operator,
            zone=zone_of(await repository.time_zone(person.id)),
            second_steps=await second_steps.of_account(person.id),
            can_reset=person.email == link.email,
        )

    async def disown(self, token: str, *, address: str, now: datetime) -> Disowned | None:
        """End what the sign-in may have opened, and start the reset of the password; None as in `find`.

        What the account has approved since is stopped first: after a failure the link still works. Not inside a
        transaction.
        """
        link = await links.find("not_me", token, now)
        if link is None or link.account_id is None or link.created_at is None:
            return None
        stopped = await self._stop_approvals(link.account_id, link.created_at, now)
        unusable = await passwords.hash_in_thread(ids.new_secret())
        async with database.transaction():
            if await links.use("not_me", token, now) is None:
                return None
            person = await repository.lock(link.account_id)
            ended = await credentials.invalidate(person, keep=None)
            await repository.set_password(person.id, unusable)
            await known_browsers_repository.forget_all(person.id)
            await links_repository.revoke("not_me", person.id)
            reset_token = await self._start_reset(person, link.email, now)
            await people.record(
                person,
                "sign_in.disowned",
                address,
                now,
                signed_in_at=link.created_at.isoformat(),
                sessions_ended=ended.sessions_ended,
                approvals_stopped=list(stopped),
            )
            await self._tell_colleagues(person, address, now)
            await _alert(person, link.created_at, stopped, now)
        return Disowned(ended.sessions_ended, reset_token)

    async def _start_reset(self, person: Person, email: str, now: datetime) -> str | None:
        """Make a link that chooses a new password, and mail it too, for whoever closes the page."""
        if person.email != email:
            return None
        renewed = await repository.by_id(person.id)
        token = await links.create("password_reset", links.of(renewed, email), now)
        if await mail.may_write(Kind.RESET, email, now):
            await people.send(email, self._letters.reset_after_not_me(person.name, token), now)
        return token


async def _alert(person: Person, signed_in_at: datetime, stopped: Sequence[str], now: datetime) -> None:
    who = f"{'The operator' if person.is_operator else 'The account'} {person.id}"
    await raise_alert(
        severity="critical" if person.is_operator else "warning",
        kind="sign_in_disowned",
        dedupe_key=f"sign_in_disowned:{person.id}",
        message=f"{who} was signed in by somebody else; all its sessions have ended",
        details={"account": person.id, "signed_in_at": signed_in_at.isoformat(), "approvals_stopped": list(stopped)},
        now=now,
    )
