"""Recovery codes: each replaces a code of the authenticator once."""

from datetime import datetime

from app.accounts import codes_repository as repository
from app.core import ids
from app.core.crypto import sha256

COUNT = 10
LENGTH = 16
"""Characters of Crockford's base32: 80 bits, too many to search, so a plain hash is enough."""

GROUP = 4
_READ_AS = str.maketrans("ILO", "110")
"""How Crockford's base32 reads letters that it doesn't have."""


async def create(account_id: str, now: datetime) -> list[str]:
    """Create ten new codes, which replace all older ones and are shown once. In the caller's transaction."""
    codes = [ids.random_crockford(LENGTH) for _ in range(COUNT)]
    await repository.delete_recovery_codes(account_id)
    await repository.add_recovery_codes(account_id, [_hash(account_id, code) for code in codes], now)
    return ["-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP)) for code in codes]


async def use(account_id: str, typed: str) -> bool:
    """Use up a code; False if it isn't one of the account's. Of several uses at the same time one succeeds."""
    code = normal(typed)
    if len(code) != LENGTH:
        return False
    return await repository.use_recovery_code(account_id, _hash(account_id, code))


def normal(typed: str) -> str:
    """A code as it is stored, without the hyphens and spaces that were typed."""
    return "".join(typed.upper().replace("-", "").split()).translate(_READ_AS)


def _hash(account_id: str, code: str) -> bytes:
    return sha256(f"{account_id}:{code}".encode("utf-8", "replace"))
