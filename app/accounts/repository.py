"""Every statement on `accounts`. Sessions, links, codes and throttles have their own repositories."""

from datetime import datetime

import msgspec
from piccolo.query import OrderByRaw
from piccolo.querystring import QueryString

from app.accounts.tables import Account
from app.core import database
from app.core.statement import Command, Param, Statement, insert


class Person(msgspec.Struct, frozen=True):
    """An account, for the services of accounts."""

    id: str
    email: str
    name: str
    password_hash: str
    is_operator: bool
    has_totp: bool
    has_passkey: bool
    credentials_version: int

    @property
    def has_second_step(self) -> bool:
        """Whether signing in takes more than the password."""
        return self.has_totp or self.has_passkey

    @property
    def actor(self) -> str:
        """Their name in the audit log."""
        return f"account:{self.id}"


class OperatorPassword(msgspec.Struct, frozen=True):
    """An operator's account id, and the hash that a password is compared with."""

    id: str
    password_hash: str


class ListedOperator(msgspec.Struct, frozen=True, kw_only=True):
    """An operator, as other operators see them. `last_action_at` is the time of their last entry in the audit log."""

    account_id: str
    name: str
    email: str
    has_totp: bool
    has_passkey: bool
    created_at: datetime
    last_action_at: datetime | None

    @property
    def has_second_step(self) -> bool:
        """Whether they may act."""
        return self.has_totp or self.has_passkey


_HAS_TOTP = QueryString("{} IS NOT NULL", Account.totp_secret_sealed, alias="has_totp")
_HAS_PASSKEY = QueryString("EXISTS (SELECT FROM passkeys p WHERE p.account = {})", Account.id, alias="has_passkey")
_PERSON = (
    Account.id,
    Account.email,
    Account.name,
    Account.password_hash,
    Account.is_operator,
    _HAS_TOTP,
    _HAS_PASSKEY,
    Account.credentials_version,
)
_IS_IT = Account.id == Param("id")


async def by_email(email: str) -> Person | None:
    """The person who signs in with this address, given in lower case."""
    return await _BY_EMAIL.first(email=email)


_BY_EMAIL = Statement(Account.select(*_PERSON).where(Account.email == Param("email")), Person)


async def by_id(account_id: str) -> Person:
    """The person of an account that exists. Raises LookupError."""
    return await _BY_ID.one(id=account_id)


_BY_ID = Statement(Account.select(*_PERSON).where(_IS_IT), Person)


async def lock(account_id: str) -> Person:
    """Like `by_id`, and lock the account until the caller's transaction ends."""
    database.in_transaction()
    return await _LOCK.one(id=account_id)


_LOCK = Statement(Account.select(*_PERSON).where(_IS_IT).lock_rows("UPDATE"), Person)


async def operator_password(email: str) -> OperatorPassword | None:
    """The password's hash of the operator with this address, given in lower case."""
    return await _OPERATOR_PASSWORD.first(email=email)


_OPERATOR_PASSWORD = Statement(
    Account.select(Account.id, Account.password_hash).where(
        Account.email == Param("email"), Account.is_operator.eq(True)
    ),
    OperatorPassword,
)


async def operators() -> list[ListedOperator]:
    """Every operator, by name. There are few: no paging."""
    return await _OPERATORS.all()


_OPERATORS = Statement(
    Account.select(
        Account.id.as_alias("account_id"),
        Account.name,
        Account.email,
        _HAS_TOTP,
        _HAS_PASSKEY,
        Account.created_at,
        QueryString(
            "(SELECT e.at FROM audit_entries e WHERE e.actor = 'account:' || {} ORDER BY e.id DESC LIMIT 1)",
            Account.id,
            alias="last_action_at",
        ),
    )
    .where(Account.is_operator.eq(True))
    .order_by(OrderByRaw("lower(accounts.name)"), Account.id),
    ListedOperator,
)


async def add(
    *,
    account_id: str,
    email: str,
    name: str,
    password_hash: str,
    is_operator: bool,
    totp_secret_sealed: str | None,
    now: datetime,
    time_zone: str | None = None,
) -> None:
    """Add an account. Raises asyncpg.UniqueViolationError where the address has one."""
    await _ADD.run(
        id=account_id,
        email=email,
        name=name,
        password_hash=password_hash,
        is_operator=is_operator,
        totp_secret_sealed=totp_secret_sealed,
        totp_last_counter=0,
        created_at=now,
        credentials_version=0,
        time_zone=time_zone,
        passkey_offer_answered_at=None,
    )


_ADD = Command(insert(Account))


async def set_name(account_id: str, name: str) -> None:
    """Change an account's name."""
    await _SET_NAME.run(id=account_id, name=name)


_SET_NAME = Command(Account.update({Account.name: Param("name")}).where(_IS_IT))


async def time_zone(account_id: str) -> str | None:
    """The name of an account's time zone; None until it has one."""
    return await _TIME_ZONE.first(id=account_id)


_TIME_ZONE = Statement(Account.select(Account.time_zone).where(_IS_IT), str)


async def set_time_zone(account_id: str, name: str) -> None:
    """Change an account's time zone, a name of the tz database."""
    await _SET_TIME_ZONE.run(id=account_id, name=name)


_SET_TIME_ZONE = Command(Account.update({Account.time_zone: Param("name")}).where(_IS_IT))


async def has_answered_passkey_offer(account_id: str) -> bool:
    """Whether a person has answered the offer of a passkey."""
    return await _OFFER_ANSWERED.first(id=account_id) is not None


_OFFER_ANSWERED = Statement(Account.select(Account.passkey_offer_answered_at).where(_IS_IT), datetime)


async def answer_passkey_offer(account_id: str, now: datetime) -> None:
    """Record that a person has answered the offer of a passkey."""
    await _ANSWER_OFFER.run(id=account_id, now=now)


_ANSWER_OFFER = Command(Account.update({Account.passkey_offer_answered_at: Param("now")}).where(_IS_IT))


async def set_email(account_id: str, email: str) -> None:
    """Change an account's address. Raises asyncpg.UniqueViolationError where another account has it."""
    await _SET_EMAIL.run(id=account_id, email=email)


_SET_EMAIL = Command(Account.update({Account.email: Param("email")}).where(_IS_IT))


async def set_password(account_id: str, password_hash: str) -> None:
    """Change an account's password."""
    await _SET_PASSWORD.run(id=account_id, password_hash=password_hash)


_SET_PASSWORD = Command(Account.update({Account.password_hash: Param("password_hash")}).where(_IS_IT))


async def revoke_operator(account_id: str) -> None:
    """Take the operator's rights from an account."""
    await _REVOKE_OPERATOR.run(id=account_id)


_REVOKE_OPERATOR = Command(Account.update({Account.is_operator: False}).where(_IS_IT))


async def raise_credentials_version(account_id: str, from_version: int) -> int | None:
    """Increment an account's `credentials_version` and return it; None, with no change, where it isn't
    `from_version`."""
    return await _RAISE_VERSION.first(id=account_id, from_version=from_version)


_RAISE_VERSION = Statement(
    Account.update({Account.credentials_version: Account.credentials_version + 1})
    .where(_IS_IT, Account.credentials_version == Param("from_version"))
    .returning(Account.credentials_version),
    int,
)


async def totp_secret(account_id: str) -> str | None:
    """The sealed secret of an account's authenticator; None where it has none."""
    return await _TOTP_SECRET.first(id=account_id)


_TOTP_SECRET = Statement(Account.select(Account.totp_secret_sealed).where(_IS_IT), str)


async def set_totp(account_id: str, secret_sealed: str, counter: int) -> bool:
    """Set an account's authenticator, `counter` being the step of its first code.

    False, with no change, where this step or a later one was used before.
    """
    return bool(await _SET_TOTP.run(id=account_id, secret_sealed=secret_sealed, counter=counter))


_SET_TOTP = Command(
    Account.update(
        {Account.totp_secret_sealed: Param("secret_sealed"), Account.totp_last_counter: Param("counter")}
    ).where(_IS_IT, Account.totp_last_counter < Param("counter"))
)


async def remove_totp(account_id: str) -> bool:
    """Remove an account's authenticator; False, with no change, for an operator."""
    return bool(await _REMOVE_TOTP.run(id=account_id))


_REMOVE_TOTP = Command(Account.update({Account.totp_secret_sealed: None}).where(_IS_IT, Account.is_operator.eq(False)))


async def use_totp_counter(account_id: str, counter: int) -> bool:
    """Record that the code of a step was used; False where it, or a later one, was used before."""
    return bool(await _USE_COUNTER.run(id=account_id, counter=counter))


_USE_COUNTER = Command(
    Account.update({Account.totp_last_counter: Param("counter")}).where(
        _IS_IT, Account.totp_last_counter < Param("counter")
    )
)
