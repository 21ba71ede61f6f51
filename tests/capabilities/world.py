"""A person with an account, a session, an authenticator and a membership, for calls of services."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyotp

from app.accounts import credentials, sessions
from app.accounts import repository as accounts_repository
from app.accounts.email_changes import EmailChanges
from app.accounts.enrolment import Enrolment
from app.accounts.letters import Letters
from app.accounts.not_me import NotMe
from app.accounts.passkeys import Passkeys
from app.accounts.password_changes import PasswordChanges
from app.accounts.passwords import hash_password
from app.accounts.repository import Person
from app.accounts.sessions_repository import Session
from app.accounts.sign_in import SignIn
from app.accounts.sign_up import SignUp
from app.accounts.throttle import Throttle
from app.core import clock, database, ids
from app.core.crypto import encrypt
from app.core.settings import Settings
from app.merchants.members import Member
from app.merchants.roles import Role
from tests.factories.merchants import merchant
from tests.identity.browsing import PASSWORD, mailed_path
from tests.merchants.people import current_member

URL = "https://pay.example.test"
HERE = "192.0.2.1"
HASH = hash_password(PASSWORD)
"""Computed once, because the hash is slow on purpose."""


@dataclass
class World:
    """One world for each tested end, in the same database. A scenario stores values in `kept`."""

    settings: Settings
    account_id: str = field(default_factory=lambda: ids.new_id(ids.ACCOUNT))
    totp_secret: str = field(default_factory=pyotp.random_base32)
    session: Session = field(init=False)
    token: str = field(init=False)
    kept: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        letters, keys = Letters(URL), self.settings.data_keys
        throttle = Throttle(ids.random_bytes(32))
        self.passkeys = Passkeys(URL, ids.random_bytes(32), letters)
        self.sign_in = SignIn(keys, throttle, letters, self.passkeys)
        self.sign_up = SignUp(throttle, letters)
        self.password_changes = PasswordChanges(throttle, letters)
        self.email_changes = EmailChanges(throttle, letters)
        self.enrolment = Enrolment(keys, letters)
        self.not_me = NotMe(letters, _nothing_approved, _nobody_told)

    @property
    def email(self) -> str:
        """An address that nobody else in the database has."""
        return f"{self.account_id.lower()}@example.test"

    async def person(self) -> Person:
        """The account's present state."""
        return await accounts_repository.by_id(self.account_id)

    async def open_session(self) -> str:
        """Sign in with a code. Returns the session's token."""
        _, token = await sessions.open_session(
            self.account_id, code_given=True, address=HERE, user_agent="", now=clock.now()
        )
        return token

    async def mailed(self, email: str | None = None) -> str:
        """The token in the latest letter to an address; the account's own by default."""
        return (await mailed_path(email or self.email)).partition("token=")[2]

    def code(self) -> str:
        """A code that was not shown before: half a minute passes."""
        clock.shift(timedelta(seconds=30))
        return pyotp.TOTP(self.totp_secret).at(clock.now())

    async def new_member(self, role: Role, name: str) -> Member:
        """A member of the merchant, made with the first of them."""
        if "merchant_id" not in self.kept:
            self.kept["merchant_id"] = await merchant(name=f"Merchant of {self.account_id}")
        account_id = ids.new_id(ids.ACCOUNT)
        await _insert_account(account_id, f"{name}-{self.email}", None)
        await database.execute(
            "INSERT INTO memberships (merchant, account, role, created_at) VALUES ($1, $2, $3, $4)",
            self.kept["merchant_id"],
            account_id,
            role,
            clock.now(),
        )
        return await current_member(account_id, self.kept["merchant_id"])


async def _nothing_approved(account_id: str, since: datetime, now: datetime) -> list[str]:
    return []


async def _nobody_told(person: Person, address: str, now: datetime) -> None:
    return


async def a_world(settings: Settings) -> World:
    """A person who is signed in and has an authenticator."""
    world = World(settings)
    sealed = encrypt(settings.data_keys, world.totp_secret, purpose=f"totp:{world.account_id}")
    await _insert_account(world.account_id, world.email, sealed)
    world.token = await world.open_session()
    world.session = await found(world.token)
    return world


async def found(token: str) -> Session:
    """The session of a token that opens one."""
    session = await sessions.find(token, clock.now())
    assert session is not None
    return session


async def sign_out_others(world: World) -> None:
    """What the button under "Where you are signed in" does."""
    await credentials.sign_out_others(await world.person(), world.session, address=HERE, now=clock.now())


async def _insert_account(account_id: str, email: str, totp_secret_sealed: str | None) -> None:
    await database.execute(
        """
        INSERT INTO accounts
            (id, email, name, password_hash, is_operator, totp_secret_sealed, totp_last_counter, created_at)
        VALUES ($1, $2, 'Mara', $3, false, $4, 0, $5)
        """,
        account_id,
        email,
        HASH,
        totp_secret_sealed,
        clock.now(),
    )
