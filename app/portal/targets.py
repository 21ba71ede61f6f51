"""Where people go next."""

from urllib.parse import quote

from app.accounts.sessions import Session


def home_of(session: Session | None) -> str:
    """The first page of whoever signs in."""
    return "/desk" if session is not None and session.is_operator else "/cabinet"


def with_next(path: str, next_path: str) -> str:
    """`path`, remembering where to go afterwards."""
    return f"{path}?next={quote(next_path, safe='/')}" if next_path else path
