"""The names of actors such as `account:ACC-…` or `api_key:…`, read for a whole page at once."""

from collections.abc import Iterable, Mapping

import msgspec

from app.core import database


class Name(msgspec.Struct, frozen=True):
    """A person or key. `detail` distinguishes equal names: the person's email address, the key's id."""

    name: str
    detail: str


async def of_actors(actors: Iterable[str | None]) -> Mapping[str, Name]:
    """The names of people and keys by actor; other actors are left out."""
    wanted = {actor for actor in actors if actor}
    accounts = [actor.removeprefix("account:") for actor in wanted if actor.startswith("account:")]
    keys = [actor.removeprefix("api_key:") for actor in wanted if actor.startswith("api_key:")]
    if not accounts and not keys:
        return {}
    # SQL: a union of two tables.
    rows = await database.fetch_all(
        """
        SELECT 'account:' || id AS actor, name, email AS detail FROM accounts WHERE id = ANY($1)
        UNION ALL
        SELECT 'api_key:' || id, 'API key ' || name, id FROM api_keys WHERE id = ANY($2)
        """,
        accounts,
        keys,
    )
    return {row["actor"]: Name(row["name"], row["detail"]) for row in rows}
