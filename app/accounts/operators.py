"""Who may act as an operator: by password at a terminal, by a session with TOTP on at the desk.

At a terminal the code is checked with the deed (accounts/totp.py). At the desk an `Operator` is what every verb
takes; where a deed needs a fresh code beside it, the verb says so.
"""

from dataclasses import dataclass

from app.accounts import credentials, repository
from app.accounts.passwords import NOBODYS, is_right
from app.accounts.sessions_repository import Session
from app.core import database
from app.core.email_address import as_kept
from app.core.errors import invalid

MAX_REASON_LENGTH = 500
"""Of what an operator writes down: a paragraph."""


class NotAnOperator(Exception):
    """No operator has this address and password, or this account."""


class TotpMissing(Exception):
    """An operator without TOTP, who can't act at all (contract, section 8)."""


class DeedRefused(Exception):
    """What an operator wanted can't be done as things are; the message is for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator at work, whom `on_duty` has looked up. `address` is the client's, for the audit log."""

    account_id: str
    address: str | None

    @property
    def actor(self) -> str:
        """Their name in the audit log."""
        return f"account:{self.account_id}"


def on_duty(session: Session, *, address: str | None) -> Operator:
    """The operator whose session this is, as it was looked up for this request. Raises NotAnOperator, TotpMissing."""
    if not session.is_operator:
        raise NotAnOperator("the account is not an operator's")
    if not session.has_totp:
        raise TotpMissing("an operator needs an authenticator")
    return Operator(account_id=session.account_id, address=address)


async def identify(email: str, password: str) -> str:
    """The id of the operator's account. Raises NotAnOperator."""
    operator = await repository.operator_password(as_kept(email))
    right = is_right(password, operator.password_hash if operator else NOBODYS)
    if operator is None or not right:
        raise NotAnOperator("no operator has this e-mail address and password")
    return operator.id


async def remove(email: str) -> str:
    """End somebody's right to act as an operator; the account's id. It stays, as a plain one.

    Whatever was given out to it ends: sessions, mailed links, half sign-ins. In the caller's transaction, which
    records the reason. Raises NotAnOperator.
    """
    database.in_transaction()
    person = await repository.by_email(as_kept(email))
    if person is None or not person.is_operator:
        raise NotAnOperator("no operator has this e-mail address")
    await credentials.invalidate(person, keep=None)
    await repository.revoke_operator(person.id)
    return person.id


def stated_reason(text: str, field: str = "reason") -> str:
    """A reason as it is written down. Raises INVALID_INPUT for one that says nothing or goes on too long."""
    reason = text.strip()
    if not reason:
        raise invalid(field, "say why: it is written down in the audit log")
    if len(reason) > MAX_REASON_LENGTH:
        raise invalid(field, f"must have at most {MAX_REASON_LENGTH} characters")
    return reason
