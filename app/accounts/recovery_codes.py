"""Ten codes on paper for the day the telephone is gone: each stands in for the authenticator once."""

from datetime import datetime

from app.accounts import codes_repository as repository
from app.core import ids
from app.core.crypto import sha256

COUNT = 10
LENGTH = 16
"""Characters of Crockford's base32: 80 bits, more than anybody will search, so a plain hash hides them."""

GROUP = 4
_READ_AS = str.maketrans("ILO", "110")
"""How Crockford's base32 reads letters that it doesn't have."""


async def create(account_id: str, now: datetime) -> list[str]:
    """Ten new codes in place of all older ones, to be shown this once. In the caller's transaction."""
    codes = [ids.random_crockford(LENGTH) for _ in range(COUNT)]
    await repository.delete_recovery_codes(account_id)
    await repository.add_recovery_codes(account_id, [_hash(account_id, code) for code in codes], now)
    return ["-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP)) for code in codes]


async def use(account_id: str, typed: str) -> bool:
    """Use a code up; False if it is none of the account's. Of twenty uses at once one succeeds."""
    code = normal(typed)
    if len(code) != LENGTH:
        return False
    return await repository.use_recovery_code(account_id, _hash(account_id, code))


def normal(typed: str) -> str:
    """A code as it is kept, however it was typed."""
    return "".join(typed.upper().replace("-", "").split()).translate(_READ_AS)


def _hash(account_id: str, code: str) -> bytes:
    return sha256(f"{account_id}:{code}".encode("utf-8", "replace"))
