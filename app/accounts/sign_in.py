"""Sign in: the password, then a code where two-step verification is on. No answer shows whether there is an account,
and each step takes the same time in both cases."""

from datetime import datetime, timedelta

import msgspec

from app.accounts import (
    codes_repository,
    people,
    recovery_codes,
    repository,
    sessions,
    sessions_repository,
    totp,
)
from app.accounts.challenges import Purpose
from app.accounts.known_browsers import Place, SignInAlerts
from app.accounts.letters import Letters
from app.accounts.passkeys import PasskeyRefused, Passkeys
from app.accounts.passkeys_repository import StoredPasskey
from app.accounts.passwords import dummy_hash, is_right_in_thread
from app.accounts.repository import Person
from app.accounts.sessions import token_hash
from app.accounts.throttle import Limit, Throttle
from app.audit import service as audit
from app.core import database, ids
from app.core.email_address import as_kept
from app.core.errors import ApiError, Code
from app.core.settings import DataKeys

HALF_LIFETIME = timedelta(minutes=10)
"""How long a sign-in whose password was right waits for the code."""

PER_ADDRESS = Limit("password:address", 50, timedelta(minutes=15))
"""Wrong passwords from one network address: an office may share one."""

PER_PAIR = Limit("password:pair", 10, timedelta(minutes=15))
"""Wrong passwords for one account from one network address."""

PER_ACCOUNT = Limit("password:account", 100, timedelta(hours=1))
"""Wrong passwords for one account from anywhere: NIST SP 800-63B, section 5.2.2, allows a hundred. It is high,
since a low limit would let strangers lock somebody out."""

WRONG = "The email address or the password is wrong, or the address was not confirmed yet."

NO_RECOVERY_CODE = "That is none of the recovery codes that are left. Each works once: enter another one."


class SignedIn(msgspec.Struct, frozen=True):
    """An opened session: its id, and the token for the browser. `second_step` is as the audit log names it."""

    session_id: str
    token: str
    second_step: str | None


class CodeWanted(msgspec.Struct, frozen=True):
    """The password was right, and a code is needed; `token` identifies this half sign-in."""

    token: str


class SignIn:
    """Signs people in. One per process."""

    def __init__(self, keys: DataKeys, throttle: Throttle, letters: Letters, passkeys: Passkeys) -> None:
        self._keys = keys
        self._passkeys = passkeys
        self._throttle = throttle
        self._letters = letters
        self._alerts = SignInAlerts(letters)

    async def with_password(
        self, *, email: str, password: str, address: str, site: str, user_agent: str, browser: str, now: datetime
    ) -> SignedIn | CodeWanted:
        """The first step. `site` is the client's address, or the /64 of an IPv6 one, for limits; `browser` is the
        browser's token (known_browsers.py). Not in a transaction.

        Raises RATE_LIMITED, and INVALID_INPUT for a wrong address or password.
        """
        person = await self.check_password(email=email, password=password, address=address, site=site, now=now)
        async with database.transaction():
            fresh = await repository.lock(person.id)
            if fresh.credentials_version != person.credentials_version:  # the password was changed while we compared
                raise ApiError(Code.INVALID_INPUT, WRONG)
            if fresh.has_second_step:
                token = ids.new_secret()
                await sessions_repository.add_half_sign_in(
                    person.id,
                    token_hash=token_hash(token),
                    credentials_version=person.credentials_version,
                    now=now,
                    expires_at=now + HALF_LIFETIME,
                )
                return CodeWanted(token)
            return await self._open(fresh, None, Place(address, user_agent, browser), now)

    async def check_password(self, *, email: str, password: str, address: str, site: str, now: datetime) -> Person:
        """The person with this address and password. Counts wrong ones; raises what `with_password` raises."""
        email = as_kept(email)
        tries = [(PER_ADDRESS, site), (PER_PAIR, f"{site} {email}"), (PER_ACCOUNT, email)]
        await self._throttle.take(tries, now)
        person = await repository.by_email(email) if "\0" not in email else None
        right = await is_right_in_thread(password, person.password_hash if person else dummy_hash())
        if person is None or not right:
            await audit.record(
                actor=person.actor if person else "stranger",
                action="sign_in.password_refused",
                subject=person.id if person else "unknown",
                merchant_id=None,
                address=address,
                details={},
                now=now,
            )
            raise ApiError(Code.INVALID_INPUT, WRONG)
        await self._throttle.release(tries, now)
        return person

    async def is_waiting(self, token: str, now: datetime) -> bool:
        """Whether this half sign-in still waits for a code."""
        return await _half(token, now) is not None

    async def known_passkeys(self, token: str, now: datetime) -> list[bytes]:
        """The ids of the passkeys that can be this half sign-in's second step."""
        account_id = await _half(token, now)
        return [] if account_id is None else await self._passkeys.known_to(account_id)

    async def with_code(
        self, token: str, code: str, *, address: str, user_agent: str, browser: str, now: datetime
    ) -> SignedIn | None:
        """The second step: a code of the authenticator or a recovery code. None if the first step expired.

        Raises CodeRefused, TooManyTries. Not inside a transaction.
        """
        account_id = await _half(token, now)
        if account_id is None:
            return None
        try:
            factor = await verify_factor(self._keys, account_id, code, now)
        except totp.CodeRefused:
            person = await repository.by_id(account_id)
            await people.record(person, "sign_in.code_refused", address, now)
            raise
        async with database.transaction():
            person = await repository.lock(account_id)
            if not await sessions_repository.use_half_sign_in(token_hash(token), person.credentials_version):
                return None
            opened = await self._open(person, factor, Place(address, user_agent, browser), now)
            if factor == "recovery code":
                left = await codes_repository.count_recovery_codes(account_id)
                await people.send(person.email, self._letters.recovery_code_used(person.name, left), now)
            return opened

    async def with_passkey_after_password(
        self, token: str, answer: str, signed: str, *, address: str, user_agent: str, browser: str, now: datetime
    ) -> SignedIn | None:
        """The second step by passkey; `signed` is the challenge that it answers. None if the first step expired.

        Raises PasskeyRefused. Not inside a transaction.
        """
        account_id = await _half(token, now)
        if account_id is None:
            return None
        passkey = await self._checked(answer, signed, "second step", f"half:{token}", account_id, address, now)
        async with database.transaction():
            person = await repository.lock(passkey.account)
            if not await sessions_repository.use_half_sign_in(token_hash(token), person.credentials_version):
                return None
            return await self._open(person, "passkey", Place(address, user_agent, browser), now)

    async def with_passkey(
        self,
        answer: str,
        signed: str,
        *,
        visit: str,
        address: str,
        site: str,
        user_agent: str,
        browser: str,
        now: datetime,
    ) -> SignedIn:
        """Both steps at once. `visit` is the browser's visit token, for which the challenge was made.

        Raises RATE_LIMITED, PasskeyRefused. Not inside a transaction.
        """
        await self._throttle.take([(PER_ADDRESS, site)], now)
        passkey = await self._checked(answer, signed, "sign-in", f"visit:{visit}", None, address, now)
        await self._throttle.release([(PER_ADDRESS, site)], now)
        async with database.transaction():
            person = await repository.lock(passkey.account)
            return await self._open(person, "passkey alone", Place(address, user_agent, browser), now)

    async def _checked(
        self,
        answer: str,
        signed: str,
        purpose: Purpose,
        bound_to: str,
        account_id: str | None,
        address: str,
        now: datetime,
    ) -> StoredPasskey:
        """The passkey that answered; a refusal is recorded. Raises PasskeyRefused."""
        try:
            return await self._passkeys.check(answer, signed, purpose, bound_to, account_id, now)
        except PasskeyRefused:
            await audit.record(
                actor=f"account:{account_id}" if account_id else "stranger",
                action="sign_in.passkey_refused",
                subject=account_id or "unknown",
                merchant_id=None,
                address=address,
                details={},
                now=now,
            )
            raise

    async def _open(self, person: Person, factor: str | None, place: Place, now: datetime) -> SignedIn:
        session_id, token = await sessions.open_session(
            person.id, code_given=factor is not None, address=place.address, user_agent=place.user_agent, now=now
        )
        await people.record(person, "signed_in", place.address, now, session=session_id, second_step=factor)
        await self._alerts.note(person, place, factor, now)
        return SignedIn(session_id, token, second_step=factor)


async def verify_factor(keys: DataKeys, account_id: str, code: str, now: datetime) -> str:
    """Check a code and return its kind: `authenticator` or `recovery code`. Raises CodeRefused, TooManyTries.

    Wrong codes of both kinds count against the same limit of the account. Not inside a transaction.
    """
    if len(recovery_codes.normal(code)) != recovery_codes.LENGTH:
        await totp.verify(keys, account_id, code, now)
        return "authenticator"
    attempt = await totp.reserve(account_id, now)
    if not await recovery_codes.use(account_id, code):
        raise totp.CodeRefused(NO_RECOVERY_CODE)
    await totp.release(attempt)
    return "recovery code"


async def _half(token: str, now: datetime) -> str | None:
    if not 0 < len(token) <= sessions.MAX_TOKEN_LENGTH:
        return None
    return await sessions_repository.half_sign_in(token_hash(token), now)
