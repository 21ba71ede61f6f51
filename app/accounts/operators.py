"""Who may act as an operator: by password, at a terminal. The code is checked with the deed (accounts/totp.py)."""

from app.accounts.passwords import NOBODYS, is_right
from app.core import database


class NotAnOperator(Exception):
    """No operator has this address and password."""


async def identify(email: str, password: str) -> str:
    """The id of the operator's account. Raises NotAnOperator."""
    row = await database.fetch_one(
        "SELECT id, password_hash FROM accounts WHERE email = $1 AND is_operator", email.strip().lower()
    )
    right = is_right(password, row["password_hash"] if row else NOBODYS)
    if row is None or not right:
        raise NotAnOperator("no operator has this e-mail address and password")
    return str(row["id"])
