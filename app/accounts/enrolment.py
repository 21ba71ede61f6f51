"""Two-step verification: setting an authenticator up, new recovery codes, and turning it off.

A secret that is being set up is nowhere in the database. It travels, sealed, in the form of the page that showed it,
and opens only for the account and the session that it was made for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp

from app.accounts import people, recovery_codes, sessions, totp
from app.accounts.letters import Letters
from app.accounts.people import Person
from app.core import database
from app.core.crypto import Undecryptable, decrypt, encrypt
from app.core.errors import ApiError, Code, invalid
from app.core.settings import DataKeys

ISSUER = "Swap Pay"
"""What authenticator apps show beside the code."""

OFFER_LIFETIME = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Offer:
    """A secret to set up: as a URI for the QR code, in groups for typing, and sealed for the form."""

    uri: str
    groups: tuple[str, ...]
    sealed: str


class Enrolment:
    """Two-step verification, for one deployment. Passwords and fresh codes are the caller's to ask for."""

    def __init__(self, keys: DataKeys, letters: Letters) -> None:
        self._keys = keys
        self._letters = letters

    def offer(self, person: Person, session_id: str, now: datetime) -> Offer:
        """A new secret. Nothing is changed until it is confirmed by a code."""
        secret = pyotp.random_base32()
        plain = f"{int((now + OFFER_LIFETIME).timestamp())}.{secret}"
        return _offer(person, secret, encrypt(self._keys, plain, purpose=_purpose(person.id, session_id)))

    def reopen(self, person: Person, session_id: str, sealed: str, now: datetime) -> Offer | None:
        """An offer made before, from its sealed form; None if it has run out or is another session's."""
        try:
            plain = decrypt(self._keys, sealed, purpose=_purpose(person.id, session_id))
        except Undecryptable:
            return None
        until, _, secret = plain.partition(".")
        return _offer(person, secret, sealed) if int(until) > now.timestamp() else None

    async def confirm(
        self, person: Person, session_id: str, offer: Offer, code: str, *, address: str, now: datetime
    ) -> list[str]:
        """Turn it on, the code being right for the offered secret; the recovery codes, to be shown this once.

        Every other session ends: it was opened without this authenticator. Raises INVALID_INPUT. Not inside a
        transaction.
        """
        secret = "".join(offer.groups)
        counter = totp.matching_counter(secret, code, now)
        if counter is None:
            raise invalid("code", "is not the one that the app shows now")
        async with database.transaction():
            await people.locked(person.id)
            await database.execute(
                "UPDATE accounts SET totp_secret_sealed = $2, totp_last_counter = $3 WHERE id = $1",
                person.id,
                encrypt(self._keys, secret, purpose=f"totp:{person.id}"),
                counter,
            )
            codes = await recovery_codes.make(person.id, now)
            ended = await sessions.end_all(person.id, but=session_id)
            await people.note(person, "totp.turned_on", address, now, sessions_ended=ended)
            await people.write(person.email, self._letters.totp_turned_on(person.name), now)
        return codes

    async def new_recovery_codes(self, person: Person, *, address: str, now: datetime) -> list[str]:
        """Ten more in place of the old ones, to be shown this once. Raises INVALID_INPUT without TOTP."""
        async with database.transaction():
            if not (await people.locked(person.id)).has_totp:
                raise ApiError(Code.INVALID_INPUT, "set an authenticator up first")
            codes = await recovery_codes.make(person.id, now)
            await people.note(person, "recovery_codes.made", address, now)
            await people.write(person.email, self._letters.recovery_codes_made(person.name), now)
        return codes

    async def turn_off(self, person: Person, *, session_id: str, address: str, now: datetime) -> None:
        """Turn it off. Raises INVALID_INPUT for an operator, who can't act without. Not inside a transaction."""
        async with database.transaction():
            if (await people.locked(person.id)).is_operator:
                raise ApiError(Code.INVALID_INPUT, "operators can't turn two-step verification off")
            await database.execute(
                "UPDATE accounts SET totp_secret_sealed = NULL WHERE id = $1 AND NOT is_operator", person.id
            )
            await recovery_codes.forget(person.id)
            await sessions.end_all(person.id, but=session_id)
            await people.note(person, "totp.turned_off", address, now)
            await people.write(person.email, self._letters.totp_turned_off(person.name), now)


def _offer(person: Person, secret: str, sealed: str) -> Offer:
    uri = pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=ISSUER)
    return Offer(uri, tuple(secret[at : at + 4] for at in range(0, len(secret), 4)), sealed)


def _purpose(account_id: str, session_id: str) -> str:
    return f"totp-offer:{account_id}:{session_id}"
