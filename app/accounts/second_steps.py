"""What signs in to an account besides the password, for people who check it after somebody else had access."""

import msgspec

from app.accounts import passkeys_repository, repository
from app.accounts.passkeys_repository import StoredPasskey


class SecondSteps(msgspec.Struct, frozen=True):
    """An account's authenticator app and passkeys."""

    has_totp: bool
    passkeys: list[StoredPasskey]

    def __bool__(self) -> bool:
        return self.has_totp or bool(self.passkeys)


async def of_account(account_id: str) -> SecondSteps:
    """The second steps of an account that exists. Raises LookupError."""
    person = await repository.by_id(account_id)
    return SecondSteps(person.has_totp, await passkeys_repository.of_account(account_id))
