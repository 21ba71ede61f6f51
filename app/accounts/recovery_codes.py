"""Ten codes on paper for the day the telephone is gone: each stands in for the authenticator once."""

from datetime import datetime

from app.core import database, ids
from app.core.crypto import sha256

COUNT = 10
LENGTH = 16
"""Characters of Crockford's base32: 80 bits, more than anybody will search, so a plain hash hides them."""

GROUP = 4
_READ_AS = str.maketrans("ILO", "110")
"""How Crockford's base32 reads letters that it doesn't have."""


async def make(account_id: str, now: datetime) -> list[str]:
    """Ten new codes in place of all older ones, to be shown this once. In the caller's transaction."""
    codes = [ids.random_crockford(LENGTH) for _ in range(COUNT)]
    await forget(account_id)
    for code in codes:
        await database.execute(
            "INSERT INTO recovery_codes (account, code_hash, created_at) VALUES ($1, $2, $3)",
            account_id,
            _hash(account_id, code),
            now,
        )
    return ["-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP)) for code in codes]


async def use(account_id: str, typed: str) -> bool:
    """Use a code up; False if it is none of the account's. Of twenty uses at once one succeeds."""
    code = normal(typed)
    if len(code) != LENGTH:
        return False
    used = await database.execute(
        "DELETE FROM recovery_codes WHERE account = $1 AND code_hash = $2", account_id, _hash(account_id, code)
    )
    return used == 1


async def left(account_id: str) -> int:
    """How many codes an account has left."""
    count: int = await database.fetch_value("SELECT count(*) FROM recovery_codes WHERE account = $1", account_id)
    return count


async def forget(account_id: str) -> None:
    """No code of the account works any more."""
    await database.execute("DELETE FROM recovery_codes WHERE account = $1", account_id)


def normal(typed: str) -> str:
    """A code as it is kept, however it was typed."""
    return "".join(typed.upper().replace("-", "").split()).translate(_READ_AS)


def _hash(account_id: str, code: str) -> bytes:
    return sha256(f"{account_id}:{code}".encode("utf-8", "replace"))
