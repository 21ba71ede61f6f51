"""What the search boxes of the cabinet share: what a text means, and what was looked at."""

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext
from app.core.searching import Search
from app.merchants.terms import Mode
from app.reports.search import looked_at, looks_like, wanted


def search_of(cabinet: Cabinet, ctx: MemberContext, text: str | None, mode: Mode | None = None) -> Search | None:
    """What a text stands for in a mode, by default that of the page; None where there is no text."""
    if not text:
        return None
    services = cabinet.services
    return wanted(text, services.networks, mode or ctx.mode, services.invoice_creation.email_hash)


def searched(search: Search, mode: Mode) -> str:
    """What the text looks like and what was looked at, in sentences."""
    return " ".join(filter(None, (looks_like(search), looked_at(search, mode))))
