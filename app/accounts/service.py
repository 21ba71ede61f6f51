"""Create accounts."""

from datetime import datetime

import asyncpg
import msgspec
import pyotp

from app.accounts import repository
from app.accounts.passwords import hash_password
from app.core import ids
from app.core.crypto import encrypt
from app.core.email_address import EmailAddress
from app.core.errors import ApiError, Code, invalid
from app.core.key_rotation import Progress, SealedColumn, quietly, reseal
from app.core.settings import DataKeys


class AccountExists(ApiError):
    """The email address has an account already."""

    def __init__(self) -> None:
        super().__init__(Code.INVALID_INPUT, "email: has an account already")


class NewAccount(msgspec.Struct, frozen=True):
    """An account and the TOTP secret to set up in an authenticator; it is shown once."""

    id: str
    email: str
    totp_secret: str


async def create(
    keys: DataKeys, *, email: str, name: str, password: str, is_operator: bool, now: datetime
) -> NewAccount:
    """Create an account with TOTP on and a confirmed address, in the caller's transaction where there is one.

    Raises AccountExists, and INVALID_INPUT for a bad address or password.
    """
    email = checked_email(email)
    account_id, totp_secret = ids.new_id(ids.ACCOUNT), pyotp.random_base32()
    try:
        await repository.add(
            account_id=account_id,
            email=email,
            name=name,
            password_hash=hash_password(password),
            is_operator=is_operator,
            totp_secret_sealed=encrypt(keys, totp_secret, purpose=f"totp:{account_id}"),
            now=now,
        )
    except asyncpg.UniqueViolationError:
        raise AccountExists from None
    return NewAccount(account_id, email, totp_secret)


def checked_email(email: str) -> str:
    """An email address as it is stored (core.email_address). Raises INVALID_INPUT."""
    try:
        return str(EmailAddress.parse(email))
    except ValueError as error:
        raise invalid("email", str(error)) from None


async def reseal_all(keys: DataKeys, tell: Progress = quietly) -> int:
    """Encrypt every TOTP secret with the current data key; return how many. Raises crypto.Undecryptable."""
    column = SealedColumn("accounts", "totp_secret_sealed", lambda account_id: f"totp:{account_id}")
    return await reseal(keys, column, tell)
