"""Pages to continue with."""

from app.accounts.sessions_repository import Session

SECOND_STEP = "/account/security/second-step"
"""Where somebody chooses a second step: a passkey or an authenticator app."""


def home_of(session: Session | None) -> str:
    """The first page after a sign-in."""
    return "/desk" if session is not None and session.is_operator else "/cabinet"
