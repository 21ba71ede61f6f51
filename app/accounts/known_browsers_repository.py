"""Every statement on `known_browsers`."""

from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw

from app.accounts.tables import KnownBrowser
from app.core import database
from app.core.statement import Command, Param


class KnownPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an account has signed in before in a browser, and from a network in whatever browser."""

    browser: bool
    network: bool


class ListedBrowser(msgspec.Struct, frozen=True, kw_only=True):
    """A browser as its owner sees it. `id` is of one of its rows; `networks` are those it signed in from, the latest
    first."""

    id: int
    token_hash: bytes
    user_agent: str
    networks: list[str]
    first_seen_at: datetime
    last_seen_at: datetime


async def known(account_id: str, token_hash: bytes, network: str) -> KnownPlaces:
    """What an account has signed in with before."""
    # SQL, since the builder has no statement without a table.
    row = await database.fetch_one(
        """
        SELECT EXISTS (SELECT FROM known_browsers WHERE account = $1 AND token_hash = $2) AS browser,
            EXISTS (SELECT FROM known_browsers WHERE account = $1 AND network = $3) AS network
        """,
        account_id,
        token_hash,
        network,
    )
    assert row is not None, "a query without a table has one row"
    return KnownPlaces(**row)


async def remember(
    account_id: str, token_hash: bytes, network: str, *, address: str, user_agent: str, now: datetime
) -> None:
    """Remember a browser and the network that it signed in from, or that it did so again."""
    # SQL, since the builder's upsert can't leave `first_seen_at` as it was.
    await database.execute(
        """
        INSERT INTO known_browsers (account, token_hash, network, address, user_agent, first_seen_at, last_seen_at)
        VALUES ($1, $2, $3, $4, $5, $6, $6)
        ON CONFLICT (account, token_hash, network) DO UPDATE SET
            address = excluded.address, user_agent = excluded.user_agent, last_seen_at = excluded.last_seen_at
        """,
        account_id,
        token_hash,
        network,
        address,
        user_agent,
        now,
    )


async def keep_latest(account_id: str, most: int) -> None:
    """Delete the rows of an account that were used longest ago, so that at most this many are left."""
    # SQL, since the builder takes no parameter as a limit.
    await database.execute(
        """
        DELETE FROM known_browsers WHERE account = $1 AND id NOT IN (
            SELECT id FROM known_browsers WHERE account = $1 ORDER BY last_seen_at DESC, id DESC LIMIT $2)
        """,
        account_id,
        most,
    )


async def of_account(account_id: str) -> list[ListedBrowser]:
    """The browsers of an account, the one used last first."""
    # SQL, since the builder has no ordered aggregates.
    rows = await database.fetch_all(
        """
        SELECT max(id) AS id, token_hash, (array_agg(user_agent ORDER BY last_seen_at DESC, id))[1] AS user_agent,
            array_agg(network ORDER BY last_seen_at DESC, id) AS networks,
            min(first_seen_at) AS first_seen_at, max(last_seen_at) AS last_seen_at
        FROM known_browsers WHERE account = $1 GROUP BY token_hash ORDER BY max(last_seen_at) DESC, max(id)
        """,
        account_id,
    )
    return [ListedBrowser(**row) for row in rows]


async def forget(account_id: str, browser_id: int) -> bool:
    """Forget a browser of an account, with all its networks; False if it has none with this id."""
    return bool(await _FORGET.run(account=account_id, id=browser_id))


_FORGET = Command(
    KnownBrowser.delete().where(
        KnownBrowser.account == Param("account"),
        WhereRaw(
            "{} = (SELECT k.token_hash FROM known_browsers k WHERE k.id = {} AND k.account = {})",
            KnownBrowser.token_hash,
            Param("id"),
            Param("account"),
        ),
    )
)


async def forget_all(account_id: str) -> None:
    """Forget every browser of an account."""
    await _FORGET_ALL.run(account=account_id)


_FORGET_ALL = Command(KnownBrowser.delete().where(KnownBrowser.account == Param("account")))


async def purge(unused_since: datetime) -> int:
    """Delete what was not used since a moment; return how many rows."""
    return await _PURGE.run(unused_since=unused_since)


_PURGE = Command(KnownBrowser.delete().where(KnownBrowser.last_seen_at <= Param("unused_since")))
