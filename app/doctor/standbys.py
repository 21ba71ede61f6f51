"""Checks of the standbys that lists are read from: whether each is one, of this database, and up to date."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg

from app.core import clock, connecting, database, wal_repository
from app.core.settings import Settings
from app.core.wal_repository import Place
from app.doctor.symptoms import Symptom

TOPIC = "standby"

LOOK_AGAIN_S = 0.1


async def examine(settings: Settings) -> AsyncIterator[Symptom]:
    """Check each host of DATABASE_READ_URL against the database that the pool is connected to."""
    for url in connecting.hosts(settings.database_read_url) if settings.database_read_url else []:
        name = urlsplit(url).netloc.rpartition("@")[2]
        try:
            connection = await connecting.connect(url, server="any")
        except database.Unavailable as error:
            yield Symptom("warning", TOPIC, f"{name} can't be examined, and is not asked: {error}")
            continue
        try:
            async for symptom in _one(name, connection, settings.database_read_max_lag_s):
                yield symptom
        except database.Unavailable as error:
            yield Symptom("warning", TOPIC, f"{name} can't be examined further: {error}")
        finally:
            connection.terminate()


async def _one(name: str, connection: asyncpg.Connection, max_lag_s: int) -> AsyncIterator[Symptom]:
    primary, here = await database.place(), await wal_repository.place(connection.fetchrow)
    if here.system != primary.system:
        yield Symptom("unsafe", TOPIC, f"{name} is of another cluster than DATABASE_URL: it is not asked")
        return
    if not here.is_standby:
        yield Symptom("advice", TOPIC, f"{name} takes the writes now, and so is not asked: name the others too")
        return
    if here.timeline < primary.timeline:
        yield Symptom("warning", TOPIC, f"{name} has not followed the last fail-over: it is not asked before it has")
    elif not await _is_there_in_time(connection, primary, max_lag_s):
        yield Symptom("warning", TOPIC, f"{name} is more than {max_lag_s} s behind: it is not asked")
    else:
        yield Symptom("ok", TOPIC, f"{name} follows this database")
    role = await wal_repository.role(connection.fetchrow)
    if role.is_superuser:
        message = f"{role.name} at {name} is a superuser: reading needs no more than the role of DATABASE_URL"
        yield Symptom("warning", TOPIC, message)


async def _is_there_in_time(connection: asyncpg.Connection, primary: Place, max_lag_s: int) -> bool:
    """Whether the standby gets to where the primary was."""
    until_s = clock.monotonic_s() + max_lag_s
    while (await wal_repository.place(connection.fetchrow)).position < primary.position:
        if clock.monotonic_s() > until_s:
            return False
        await asyncio.sleep(LOOK_AGAIN_S)
    return True
