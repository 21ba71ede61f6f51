"""Who is looking at a page, once they are signed in."""

from dataclasses import dataclass
from datetime import datetime

from app.accounts.sessions import FRESH_CODE
from app.accounts.sessions_repository import Session


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in."""

    session: Session
    address: str | None

    @property
    def account_id(self) -> str:
        """`ACC-…`."""
        return self.session.account_id

    @property
    def actor(self) -> str:
        """The name of this person in the audit log."""
        return f"account:{self.session.account_id}"

    def needs_code(self, now: datetime) -> bool:
        """Whether sensitive deeds ask for a code: two-step verification is on, and none was given lately."""
        given_at = self.session.code_given_at
        return self.session.has_totp and (given_at is None or now - given_at >= FRESH_CODE)
