"""Passwords: argon2id, 8 to 128 characters, no rules of composition (NIST SP 800-63B)."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.core.errors import invalid

MIN_LENGTH = 8
MAX_LENGTH = 128

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """The argon2id hash with its parameters. Raises INVALID_INPUT for a length out of bounds."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise invalid("password", f"must have {MIN_LENGTH} to {MAX_LENGTH} characters")
    return _hasher.hash(password)


def is_right(password: str, password_hash: str) -> bool:
    """Whether this is the password. Takes tens of milliseconds, on purpose."""
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
