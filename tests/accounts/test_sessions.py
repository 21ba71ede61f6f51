"""Sessions: what is stored of a token, when they end, and when they are purged."""

from datetime import timedelta

import pytest

from app.accounts import sessions, sessions_repository
from app.core import clock, database
from app.core.crypto import sha256
from app.core.settings import Settings
from tests.identity.browsing import Account, an_account

pytestmark = pytest.mark.usefixtures("db")


async def opened(account: Account) -> tuple[str, str]:
    return await sessions.open_session(
        account.id, code_given=False, address="192.0.2.1", user_agent="x" * 500, now=clock.now()
    )


async def test_the_database_holds_a_hash_of_256_random_bits(settings: Settings) -> None:
    _, token = await opened(await an_account(settings))
    assert len(token) == 43
    row = await database.fetch_one("SELECT * FROM sessions")
    assert row is not None
    assert row["token_hash"] == sha256(token.encode())
    assert token not in str(dict(row))


async def test_a_session_ends_after_thirty_days_used_or_not(settings: Settings) -> None:
    _, token = await opened(await an_account(settings))
    clock.shift(timedelta(days=29, hours=23))
    session = await sessions.find(token, clock.now())
    assert session is not None
    await sessions.record_use(session, address="192.0.2.7", user_agent="Another", now=clock.now())
    (listed,) = await sessions_repository.of_account(session.account_id, clock.now())
    assert (listed.address, listed.user_agent) == ("192.0.2.7", "Another")
    assert await sessions_repository.purge(clock.now()) == 0
    clock.shift(timedelta(hours=2))
    assert await sessions.find(token, clock.now()) is None
    assert await sessions_repository.of_account(session.account_id, clock.now()) == []
    assert await sessions_repository.purge(clock.now()) == 1


async def test_a_renewed_token_replaces_the_old_one_once(settings: Settings) -> None:
    _, token = await opened(await an_account(settings))
    before = await sessions.find(token, clock.now())
    assert before is not None
    renewed = await sessions.renew(before, clock.now())
    assert renewed is not None
    assert await sessions.renew(before, clock.now()) is None
    assert await sessions.find(token, clock.now()) is None
    session = await sessions.find(renewed, clock.now())
    assert session is not None
    assert session.code_given_at is not None


@pytest.mark.parametrize("token", ["", "x", "\0", "\ud800", "x" * 43, "x" * 5000, "' OR 1=1 --"])
async def test_malformed_tokens_find_nothing(token: str) -> None:
    assert await sessions.find(token, clock.now()) is None


async def test_nobody_ends_another_ones_session(settings: Settings) -> None:
    session_id, token = await opened(await an_account(settings))
    stranger = await an_account(settings, "stranger@example.test")
    assert not await sessions_repository.delete(stranger.id, session_id)
    assert await sessions.find(token, clock.now()) is not None
