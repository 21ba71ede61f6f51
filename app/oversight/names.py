"""Who is behind an actor such as `account:ACC-…` or `api_key:…`: names, looked up for a whole page at once."""

from collections.abc import Iterable, Mapping

from app.core import database


async def of_actors(actors: Iterable[str | None]) -> Mapping[str, str]:
    """A person's name and address, or a key's name, by actor; others are left out."""
    wanted = {actor for actor in actors if actor}
    accounts = [actor.removeprefix("account:") for actor in wanted if actor.startswith("account:")]
    keys = [actor.removeprefix("api_key:") for actor in wanted if actor.startswith("api_key:")]
    if not accounts and not keys:
        return {}
    rows = await database.fetch_all(
        """
        SELECT 'account:' || id AS actor, name || ' <' || email || '>' AS name FROM accounts WHERE id = ANY($1)
        UNION ALL
        SELECT 'api_key:' || id, 'API key ' || name FROM api_keys WHERE id = ANY($2)
        """,
        accounts,
        keys,
    )
    return {row["actor"]: row["name"] for row in rows}
