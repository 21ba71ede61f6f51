"""Two-step verification: set up an authenticator, create new recovery codes, turn it off.

A secret that is offered is not in the database. The form of the page that shows it has it, encrypted. It can be
decrypted only for the account and session that it was created for, and while the account's credentials are the same:
setting it up changes them, so it is set up once.
"""

from datetime import datetime, timedelta

import msgspec
import pyotp

from app.accounts import (
    codes_repository,
    credentials,
    people,
    recovery_codes,
    repository,
    sessions_repository,
    totp,
)
from app.accounts.letters import Letters
from app.accounts.repository import Person
from app.accounts.sessions_repository import Session
from app.core import database
from app.core.crypto import Undecryptable, decrypt, encrypt
from app.core.errors import ApiError, Code, invalid
from app.core.settings import DataKeys

ISSUER = "Swap Pay"
"""The name that authenticator apps show beside the code."""

OFFER_LIFETIME = timedelta(minutes=30)


class Offer(msgspec.Struct, frozen=True):
    """A secret to set up: as a URI for the QR code, in groups for typing, and sealed for the form."""

    uri: str
    groups: tuple[str, ...]
    sealed: str


class NewCodes(msgspec.Struct, frozen=True):
    """Recovery codes, which are shown once, and the new token of the session, which continues."""

    codes: list[str]
    token: str | None


class Enrolment:
    """Sets up and turns off two-step verification. The caller has checked the password and a fresh code."""

    def __init__(self, keys: DataKeys, letters: Letters) -> None:
        self._keys = keys
        self._letters = letters

    def offer(self, person: Person, session: Session, now: datetime) -> Offer:
        """Offer a new secret. Nothing is changed until it is confirmed by a code."""
        secret = pyotp.random_base32()
        plain = f"{int((now + OFFER_LIFETIME).timestamp())}.{secret}"
        return _offer(person, secret, encrypt(self._keys, plain, purpose=_purpose(person, session)))

    def reopen(self, person: Person, session: Session, sealed: str, now: datetime) -> Offer | None:
        """An earlier offer from its sealed form; None if it was used, has expired, or is of another session or of other
        credentials."""
        try:
            plain = decrypt(self._keys, sealed, purpose=_purpose(person, session))
        except Undecryptable:
            return None
        until, _, secret = plain.partition(".")
        return _offer(person, secret, sealed) if int(until) > now.timestamp() else None

    async def confirm(
        self, person: Person, session: Session, offer: Offer, code: str, *, address: str, now: datetime
    ) -> NewCodes:
        """Turn two-step verification on, if the code is right for the offered secret and later than any used code.

        `person` is the one of the reopened offer. The code is no step-up, since the form has the secret too. All other
        sessions end: they were opened without this authenticator. Raises INVALID_INPUT, credentials.Outdated. Not
        inside a transaction.
        """
        secret = "".join(offer.groups)
        counter = totp.matching_counter(secret, code, now)
        if not code.strip():
            raise invalid("code", totp.EMPTY)
        if counter is None:
            raise invalid("code", totp.WRONG)
        async with database.transaction():
            ended = await credentials.invalidate(person, keep=session)
            sealed = encrypt(self._keys, secret, purpose=f"totp:{person.id}")
            if not await repository.set_totp(person.id, sealed, counter):
                raise invalid("code", totp.USED)
            await sessions_repository.clear_code_times(person.id)
            codes = await recovery_codes.create(person.id, now)
            await people.record(person, "totp.turned_on", address, now, sessions_ended=ended.sessions_ended)
            await people.send(person.email, self._letters.totp_turned_on(person.name), now)
        return NewCodes(codes, ended.token)

    async def new_recovery_codes(self, person: Person, *, session: Session, address: str, now: datetime) -> NewCodes:
        """Replace the recovery codes by ten new ones. Raises INVALID_INPUT without TOTP, credentials.Outdated."""
        async with database.transaction():
            ended = await credentials.invalidate(person, keep=session)
            if not person.has_second_step:
                raise ApiError(Code.INVALID_INPUT, "set up an authenticator app or a passkey first")
            codes = await recovery_codes.create(person.id, now)
            await people.record(person, "recovery_codes.made", address, now, sessions_ended=ended.sessions_ended)
            await people.send(person.email, self._letters.recovery_codes_made(person.name), now)
        return NewCodes(codes, ended.token)

    async def turn_off(self, person: Person, *, session: Session, address: str, now: datetime) -> str | None:
        """Turn two-step verification off; return the new token of the session, which continues.

        Raises INVALID_INPUT for an operator, who can't act without it, and credentials.Outdated. Not inside a
        transaction.
        """
        async with database.transaction():
            ended = await credentials.invalidate(person, keep=session)
            if not await repository.remove_totp(person.id):
                raise ApiError(Code.INVALID_INPUT, "operators can't turn two-step verification off")
            await sessions_repository.clear_code_times(person.id)
            if not person.has_passkey:
                await codes_repository.delete_recovery_codes(person.id)
            await people.record(person, "totp.turned_off", address, now, sessions_ended=ended.sessions_ended)
            await people.send(person.email, self._letters.totp_turned_off(person.name), now)
        return ended.token


def _offer(person: Person, secret: str, sealed: str) -> Offer:
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=ISSUER)
    return Offer(uri, tuple(secret[at : at + 4] for at in range(0, len(secret), 4)), sealed)


def _purpose(person: Person, session: Session) -> str:
    return f"totp-offer:{person.id}:{session.id}:{person.credentials_version}"
