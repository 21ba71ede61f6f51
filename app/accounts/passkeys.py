"""Passkeys of accounts: add, use, rename and remove them.

A passkey counts as both steps of a sign-in, as the second step after a password, and as a code wherever one is asked
for: its authenticator has verified its owner by PIN or biometrics (contract, section 13). An operator's passkey signs
the digest of what it approves (withdrawals/approvals.py).
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import asyncpg

from app.accounts import codes_repository, credentials, people, recovery_codes, repository, sessions_repository, totp
from app.accounts import passkeys_repository as stored
from app.accounts.challenges import Challenge, Challenges, Purpose
from app.accounts.letters import Letters
from app.accounts.passkeys_repository import StoredPasskey
from app.accounts.repository import Person
from app.accounts.sessions_repository import Session
from app.core import database
from app.core.errors import ApiError, Code, invalid
from app.core.logging import get_logger
from app.core.webauthn import (
    AnswerRefused,
    RelyingParty,
    check,
    creation_options,
    credential_id,
    made,
    request_options,
)

log = get_logger(__name__)

MOST = 20
"""Passkeys of one account."""

MAX_NAME_LENGTH = 60

REFUSED = "this passkey was not accepted: try again, or use another way"
"""What people read, whatever was wrong: a stranger learns nothing from it."""


class PasskeyRefused(totp.CodeRefused):
    """A passkey's answer was not accepted; the message is for the person who gave it."""


class Passkeys:
    """One per process."""

    def __init__(self, public_url: str, link_secret: bytes, letters: Letters) -> None:
        self.party = RelyingParty.of(public_url)
        self._challenges = Challenges(link_secret)
        self._letters = letters

    @property
    def can_be(self) -> bool:
        """Whether browsers make and use passkeys for this deployment: not where it runs at an IP address."""
        return self.party.can_have_passkeys

    async def is_to_be_offered(self, account_id: str) -> bool:
        """Whether a person is to be offered a passkey: there can be one, they have none, and they have not answered
        before."""
        if not self.can_be or await stored.of_account(account_id):
            return False
        return not await repository.has_answered_passkey_offer(account_id)

    # What pages ask browsers for

    async def to_make(self, person: Person, session_id: str) -> tuple[dict[str, Any], Challenge]:
        """The options for a new passkey of the person."""
        challenge = self._challenges.new("registration", _session(session_id))
        known = await self.known_to(person.id)
        return creation_options(self.party, challenge.raw, person.id, person.email, person.name, known), challenge

    def to_ask(
        self, purpose: Purpose, bound_to: str, known: Collection[bytes] = ()
    ) -> tuple[dict[str, Any], Challenge]:
        """The options for an answer: of one of the `known` passkeys, or of any that the browser has for this site."""
        challenge = self._challenges.new(purpose, bound_to)
        return request_options(self.party, challenge.raw, known), challenge

    async def known_to(self, account_id: str) -> list[bytes]:
        """The ids of an account's passkeys."""
        return [each.credential_id for each in await stored.of_account(account_id)]

    async def to_approve(self, account_id: str, digest: bytes) -> dict[str, Any]:
        """The options for an approval: the challenge is the digest of what is approved."""
        return request_options(self.party, digest, await self.known_to(account_id))

    # What browsers answer

    async def add(
        self, person: Person, session_id: str, answer: str, signed: str, name: str, *, address: str, now: datetime
    ) -> list[str] | None:
        """Add a passkey that a browser has made. Returns recovery codes, to be shown once, where this is the account's
        first second step; else None. The caller has checked a fresh code.

        Raises INVALID_INPUT, PasskeyRefused. Not inside a transaction.
        """
        name = checked_name(name)
        try:
            challenge = self._challenges.open(signed, "registration", _session(session_id))
            new = made(answer, challenge, self.party)
        except AnswerRefused as error:
            raise _refusal(error) from error
        async with database.transaction():
            person = await repository.lock(person.id)
            try:
                await self._challenges.use(challenge, now)
            except AnswerRefused as error:
                raise _refusal(error) from error
            if len(await stored.of_account(person.id)) >= MOST:
                raise ApiError(Code.INVALID_INPUT, f"an account has at most {MOST} passkeys: remove one first")
            try:
                await stored.add(
                    account=person.id,
                    credential_id=new.credential_id,
                    public_key=new.public_key,
                    sign_count=new.sign_count,
                    is_synced=new.is_synced,
                    name=name,
                    created_at=now,
                )
                await repository.answer_passkey_offer(person.id, now)
            except asyncpg.UniqueViolationError as error:
                if getattr(error, "constraint_name", None) == "passkeys_name_once":
                    raise invalid("name", "is the name of another of your passkeys") from None
                raise PasskeyRefused("this passkey is in use already") from None
            has_codes = await codes_repository.count_recovery_codes(person.id)
            codes = None if has_codes else await recovery_codes.create(person.id, now)
            await people.record(person, "passkey.added", address, now, name=name)
            await people.send(person.email, self._letters.passkey_added(person.name, name), now)
        return codes

    async def check(
        self, answer: str, signed: str, purpose: Purpose, bound_to: str, account_id: str | None, now: datetime
    ) -> StoredPasskey:
        """The passkey that has answered a challenge: the account's, or anybody's where `account_id` is None.

        Raises PasskeyRefused. Not inside a transaction: the answer counts as used whatever its caller does then.
        """
        try:
            challenge = self._challenges.open(signed, purpose, bound_to)
            async with database.transaction():
                await self._challenges.use(challenge, now)
                return await self._checked(answer, challenge, account_id, now)
        except AnswerRefused as error:
            raise _refusal(error) from error

    async def check_approval(self, account_id: str, answer: str, digest: bytes, now: datetime) -> StoredPasskey:
        """The account's passkey that has signed a digest, in the caller's transaction. Raises PasskeyRefused."""
        database.in_transaction()
        try:
            return await self._checked(answer, digest, account_id, now)
        except AnswerRefused as error:
            raise _refusal(error) from error

    async def _checked(self, answer: str, challenge: bytes, account_id: str | None, now: datetime) -> StoredPasskey:
        passkey = await stored.lock(credential_id(answer))
        if passkey is None or (account_id is not None and passkey.account != account_id):
            raise AnswerRefused("the passkey is unknown here, or another account's")
        count = check(answer, challenge, self.party, passkey.public_key, passkey.sign_count)
        await stored.record_use(passkey.id, count, now)
        return passkey

    # Keeping them

    async def rename(self, person: Person, passkey_id: int, name: str, *, address: str, now: datetime) -> bool:
        """Rename a passkey; False if the account has none with this id. Raises INVALID_INPUT. Not inside a
        transaction."""
        name = checked_name(name)
        async with database.transaction():
            try:
                renamed = await stored.rename(person.id, passkey_id, name)
            except asyncpg.UniqueViolationError:
                raise invalid("name", "is the name of another of your passkeys") from None
            if renamed:
                await people.record(person, "passkey.renamed", address, now, name=name)
        return renamed

    async def remove(
        self, person: Person, passkey_id: int, *, session: Session, address: str, now: datetime
    ) -> str | None:
        """Remove a passkey, and end every other session and link of the account: one may have been opened with it.
        Returns the new token of the session, which continues.

        Raises INVALID_INPUT for the only second step of an operator, LookupError where the account has no such
        passkey, credentials.Outdated. Not inside a transaction. The caller has checked a fresh code.
        """
        async with database.transaction():
            ended = await credentials.invalidate(person, keep=session)
            name = await stored.remove(person.id, passkey_id)
            if name is None:
                raise LookupError(f"no passkey {passkey_id}")
            left = await repository.by_id(person.id)
            if person.is_operator and not left.has_second_step:
                raise ApiError(Code.INVALID_INPUT, "operators keep at least one second step: add another one first")
            if not left.has_second_step:
                await sessions_repository.clear_code_times(person.id)
                await codes_repository.delete_recovery_codes(person.id)
            await people.record(person, "passkey.removed", address, now, name=name, sessions_ended=ended.sessions_ended)
            await people.send(person.email, self._letters.passkey_removed(person.name, name), now)
        return ended.token


def checked_name(name: str) -> str:
    """A passkey's name as it is stored. Raises INVALID_INPUT."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= MAX_NAME_LENGTH:
        raise invalid("name", f"must have 1 to {MAX_NAME_LENGTH} characters")
    if not name.isprintable():
        raise invalid("name", "holds characters that can't be shown")
    return name


def _session(session_id: str) -> str:
    return f"session:{session_id}"


def _refusal(error: AnswerRefused) -> PasskeyRefused:
    log.info("passkey_refused", reason=str(error))
    return PasskeyRefused(REFUSED)
