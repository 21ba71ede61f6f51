"""Filters of a list that a member keeps under a name. They are the person's own: no colleague sees them."""

from collections.abc import Sequence
from datetime import datetime

from app.core.errors import ApiError, Code, invalid
from app.merchants import saved_filters_repository
from app.merchants.members import Member
from app.merchants.saved_filters_repository import Saved

MOST = 20
"""Filters that a person keeps for one list."""

MAX_NAME_LENGTH = 60
MAX_QUERY_LENGTH = 2_000


async def of_list(by: Member, which: str) -> Sequence[Saved]:
    """What the member keeps for a list, by name."""
    return await saved_filters_repository.of_list(by.account_id, by.merchant_id, which)


async def save(by: Member, which: str, name: str, query: str, now: datetime) -> str:
    """Keep the query of a list under a name; what had this name before is replaced. Returns the name as it is kept.
    Raises INVALID_INPUT."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise invalid("name", f"Enter a name of at most {MAX_NAME_LENGTH} characters.")
    if not query or len(query) > MAX_QUERY_LENGTH:
        raise invalid("name", "Set a filter first: there is nothing to save.")
    kept = await of_list(by, which)
    if len(kept) >= MOST and all(one.name != name for one in kept):
        raise invalid("name", f"You keep {MOST} filters for this list. Remove one first.")
    await saved_filters_repository.put(by.account_id, by.merchant_id, which, name, query, now)
    return name


async def remove(by: Member, filter_id: int) -> None:
    """Remove one of the member's own. Raises NOT_FOUND."""
    if not await saved_filters_repository.remove(by.account_id, by.merchant_id, filter_id):
        raise ApiError(Code.NOT_FOUND, "there is no such saved filter")
