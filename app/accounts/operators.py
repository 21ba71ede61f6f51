"""Who may act as an operator: at a terminal by password, at the desk by a session with TOTP.

At a terminal the code is checked with the action (accounts/totp.py). At the desk every action takes an `Operator`, and
its route declares whether it needs a fresh code too.
"""

import msgspec

from app.accounts import credentials, repository
from app.accounts.passwords import dummy_hash, is_right
from app.accounts.sessions_repository import Session
from app.core import database
from app.core.email_address import as_kept
from app.core.errors import invalid

MAX_REASON_LENGTH = 500
"""The maximum of a reason that an operator gives, in characters."""


class NotAnOperator(Exception):
    """No operator has this address and password, or this account."""


class TotpMissing(Exception):
    """An operator without TOTP, who can't act at all (contract, section 8)."""


class ActionRefused(Exception):
    """The action isn't possible in the present state; the message is for the operator."""


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """An operator whose right to act was checked. `address` is the client's, for the audit log."""

    account_id: str
    address: str | None

    @property
    def actor(self) -> str:
        """Their name in the audit log."""
        return f"account:{self.account_id}"


def operator_from_session(session: Session, *, address: str | None) -> Operator:
    """The operator of a session that was read for this request. Raises NotAnOperator, TotpMissing."""
    if not session.is_operator:
        raise NotAnOperator("the account is not an operator's")
    if not session.has_second_step:
        raise TotpMissing("an operator needs a second step: an authenticator app or a passkey")
    return Operator(account_id=session.account_id, address=address)


async def identify(email: str, password: str) -> str:
    """The id of the operator's account. Raises NotAnOperator."""
    operator = await repository.operator_password(as_kept(email))
    right = is_right(password, operator.password_hash if operator else dummy_hash())
    if operator is None or not right:
        raise NotAnOperator("no operator has this email address and password")
    return operator.id


async def remove(email: str) -> str:
    """Take the operator's rights from an account, and return its id.

    Its sessions, mailed links and half sign-ins end. In the caller's transaction, which
    records the reason. Raises NotAnOperator.
    """
    database.in_transaction()
    person = await repository.by_email(as_kept(email))
    if person is None or not person.is_operator:
        raise NotAnOperator("no operator has this email address")
    await credentials.invalidate(person, keep=None)
    await repository.revoke_operator(person.id)
    return person.id


def stated_reason(text: str, field: str = "reason") -> str:
    """A reason as it is stored. Raises INVALID_INPUT for one that is empty or too long."""
    reason = text.strip()
    if not reason:
        raise invalid(field, "give a reason: it is recorded in the audit log")
    if len(reason) > MAX_REASON_LENGTH:
        raise invalid(field, f"must have at most {MAX_REASON_LENGTH} characters")
    return reason
