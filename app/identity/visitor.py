"""The signed-in person of a request."""

from datetime import datetime, tzinfo

import msgspec

from app.accounts.sessions import FRESH_CODE
from app.accounts.sessions_repository import Session
from app.core import zones


class Visitor(msgspec.Struct, frozen=True):
    """A signed-in person."""

    session: Session
    address: str | None

    @property
    def account_id(self) -> str:
        """`ACC-…`."""
        return self.session.account_id

    @property
    def actor(self) -> str:
        """Their name in the audit log."""
        return f"account:{self.session.account_id}"

    @property
    def zone(self) -> tzinfo:
        """The time zone in which they read times; UTC until they have one."""
        return zones.zone_of(self.session.time_zone)

    def needs_code(self, now: datetime) -> bool:
        """Whether sensitive actions require a code: two-step verification is on, and no code was given lately."""
        given_at = self.session.code_given_at
        return self.session.has_second_step and (given_at is None or now - given_at >= FRESH_CODE)
