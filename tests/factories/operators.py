"""Operators with their authenticators."""

from dataclasses import dataclass
from datetime import timedelta

import pyotp

from app.accounts import service as accounts
from app.core import clock
from app.core.settings import DataKeys

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Operator:
    """An operator and their authenticator."""

    id: str
    email: str
    totp_secret: str

    def code(self) -> str:
        """The code that the authenticator shows now."""
        return pyotp.TOTP(self.totp_secret).at(clock.now())

    def next_code(self) -> str:
        """A code that was not shown before: half a minute passes."""
        clock.shift(timedelta(seconds=30))
        return self.code()


async def operator(keys: DataKeys, email: str = "ops@example.test") -> Operator:
    """A new operator."""
    made = await accounts.create(
        keys, email=email, name="Op Erator", password=PASSWORD, is_operator=True, now=clock.now()
    )
    return Operator(made.id, made.email, made.totp_secret)
