"""Every statement on `totp_attempts` and `recovery_codes`. The authenticator's secret is in `accounts`."""

from collections.abc import Sequence
from datetime import datetime

from app.accounts.tables import RecoveryCode, TotpAttempt
from app.core.statement import Command, Param, Statement, insert

_OF_ACCOUNT = TotpAttempt.account == Param("account")


async def add_attempt(account_id: str, now: datetime) -> int:
    """Add an attempt and return its id."""
    return await _ADD_ATTEMPT.one(account=account_id, at=now)


_ADD_ATTEMPT = Statement(insert(TotpAttempt).returning(TotpAttempt.id), int)


async def times_of_attempts(account_id: str) -> list[datetime]:
    """When an account's stored attempts were made, newest first."""
    return await _TIMES_OF_ATTEMPTS.all(account=account_id)


_TIMES_OF_ATTEMPTS = Statement(
    TotpAttempt.select(TotpAttempt.at).where(_OF_ACCOUNT).order_by(TotpAttempt.at, ascending=False), datetime
)


async def delete_attempts(account_id: str, until: datetime) -> None:
    """Delete an account's attempts up to a moment."""
    await _DELETE_ATTEMPTS.run(account=account_id, until=until)


_DELETE_ATTEMPTS = Command(TotpAttempt.delete().where(_OF_ACCOUNT, TotpAttempt.at <= Param("until")))


async def delete_attempt(attempt_id: int) -> None:
    """Delete one attempt."""
    await _DELETE_ATTEMPT.run(id=attempt_id)


_DELETE_ATTEMPT = Command(TotpAttempt.delete().where(TotpAttempt.id == Param("id")))


async def add_recovery_codes(account_id: str, code_hashes: Sequence[bytes], now: datetime) -> None:
    """Add recovery codes."""
    await _ADD_CODE.run_each([{"account": account_id, "code_hash": one, "created_at": now} for one in code_hashes])


_ADD_CODE = Command(insert(RecoveryCode))


async def use_recovery_code(account_id: str, code_hash: bytes) -> bool:
    """Delete a recovery code; False if the account has no such code."""
    return bool(await _USE_CODE.run(account=account_id, code_hash=code_hash))


_USE_CODE = Command(
    RecoveryCode.delete().where(RecoveryCode.account == Param("account"), RecoveryCode.code_hash == Param("code_hash"))
)


async def count_recovery_codes(account_id: str) -> int:
    """How many recovery codes an account has left."""
    return await _COUNT_CODES.one(account=account_id)


_COUNT_CODES = Statement(RecoveryCode.count().where(RecoveryCode.account == Param("account")), int)


async def delete_recovery_codes(account_id: str) -> None:
    """Delete all recovery codes of an account."""
    await _DELETE_CODES.run(account=account_id)


_DELETE_CODES = Command(RecoveryCode.delete().where(RecoveryCode.account == Param("account")))
