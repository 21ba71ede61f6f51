"""Five wrong secrets lock a key and no other, however fast they come and whatever restarts."""

import asyncio
from collections import Counter
from datetime import timedelta
from ipaddress import ip_address

import pytest

from app.api_keys import lockout
from app.api_keys.authentication import EVALUATIONS, Authenticator
from app.core import clock, database
from app.core.settings import Settings
from tests.factories.api_keys import api_key, bearer
from tests.services import empty_redis
from tests.web.site import THINGS, client, make_site

CLIENT = ip_address("203.0.113.5")

pytestmark = pytest.mark.usefixtures("db", "valkey")


def evaluated() -> float:
    """Secrets compared so far, right and wrong."""
    return sum(float(EVALUATIONS.labels(outcome)._value.get()) for outcome in ("right", "wrong"))


async def outcomes(site: object, keys: list[str]) -> Counter[str]:
    """The error codes (or "ok") that requests with these keys get, all sent at once."""
    async with client(site) as http:  # type: ignore[arg-type]
        answers = await asyncio.gather(*(http.get(THINGS, headers=bearer(key)) for key in keys))
    return Counter("ok" if a.status_code == 200 else a.json()["error"]["code"] for a in answers)


async def test_of_a_hundred_parallel_guesses_five_are_compared(settings: Settings) -> None:
    site = make_site(settings)
    attacked, other = await api_key(settings.api_key_peppers), await api_key(settings.api_key_peppers)
    before = evaluated()
    counts = await outcomes(site, [attacked.guess(number) for number in range(100)])
    assert counts == {"INVALID_API_KEY": 5, "API_KEY_LOCKED": 95}
    assert evaluated() - before == 5
    assert await outcomes(site, [attacked.full]) == {"API_KEY_LOCKED": 1}
    assert await outcomes(site, [other.full]) == {"ok": 1}


async def test_the_right_secret_among_guesses_gives_them_no_more_tries(
    settings: Settings,
) -> None:
    key = await api_key(settings.api_key_peppers)
    guesses = [key.guess(number) for number in range(100)]
    counts = await outcomes(make_site(settings), [*guesses[:2], key.full, *guesses[2:]])
    # Five guesses if they come first; else at most four before the success and five after it.
    assert counts["INVALID_API_KEY"] <= (9 if counts["ok"] else 5)
    assert counts["ok"] + counts["INVALID_API_KEY"] + counts["API_KEY_LOCKED"] == 101
    assert await outcomes(make_site(settings), [key.full]) == {"API_KEY_LOCKED": 1}


async def test_a_burst_with_the_right_secret_locks_nobody_out(settings: Settings) -> None:
    """Eight processes have just started, and all get requests with one key at once."""
    key = await api_key(settings.api_key_peppers)
    sites = [make_site(settings) for _ in range(8)]
    counts = await asyncio.gather(*(outcomes(site, [key.full] * 20) for site in sites))
    assert sum(counts, Counter()) == {"ok": 160}


async def test_a_lock_that_is_about_to_be_lifted_is_waited_for(settings: Settings) -> None:
    """Five other processes hold an attempt each; one of them has the right secret and finishes a moment later."""
    key = await api_key(settings.api_key_peppers)
    held = [await lockout.reserve(key.id, clock.now()) for _ in range(5)]
    assert held[0] is not None
    attempt = asyncio.create_task(outcomes(make_site(settings), [key.full]))
    await asyncio.sleep(0.1)
    await lockout.give_back(key.id, held[0])
    assert await attempt == {"ok": 1}


async def test_a_success_before_the_fifth_clears_the_count(settings: Settings) -> None:
    site = make_site(settings)
    key = await api_key(settings.api_key_peppers)
    for _ in range(3):
        for number in range(4):
            assert await outcomes(site, [key.guess(number)]) == {"INVALID_API_KEY": 1}
        assert await outcomes(site, [key.full]) == {"ok": 1}


async def test_a_lock_of_a_later_series_is_not_given_back_by_an_earlier_attempt(settings: Settings) -> None:
    """Two successes overlap: the second to finish must not undo five failures that came between."""
    key, now = await api_key(settings.api_key_peppers), clock.now()
    slow = await lockout.reserve(key.id, now)
    quick = await lockout.reserve(key.id, now)
    assert slow is not None
    assert quick is not None
    await lockout.give_back(key.id, quick)
    assert await outcomes(make_site(settings), [key.guess(n) for n in range(5)]) == {"INVALID_API_KEY": 5}
    await lockout.give_back(key.id, slow)
    assert await outcomes(make_site(settings), [key.full]) == {"API_KEY_LOCKED": 1}


async def test_the_lock_survives_redis_and_restarts_and_ends_after_an_hour(settings: Settings) -> None:
    key = await api_key(settings.api_key_peppers)
    await outcomes(make_site(settings), [key.guess(number) for number in range(5)])
    await empty_redis()
    await database.close_pool()
    await database.open_pool(settings.database_url, max_size=5)
    site = make_site(settings)
    clock.shift(timedelta(minutes=59))
    async with client(site) as http:
        refused = await http.get(THINGS, headers=key.bearer)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "API_KEY_LOCKED"
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    clock.shift(timedelta(minutes=1, seconds=1))
    assert await outcomes(site, [key.guess(0)]) == {"INVALID_API_KEY": 1}  # one failure, counted from zero
    assert await outcomes(site, [key.full]) == {"ok": 1}


async def test_strangers_outside_the_allowlist_learn_and_lock_nothing(settings: Settings) -> None:
    key = await api_key(settings.api_key_peppers, allowlist=["198.51.100.0/24"])
    site, before = make_site(settings), evaluated()
    counts = await outcomes(site, [*(key.guess(number) for number in range(20)), key.full])
    assert counts == {"IP_NOT_ALLOWED": 21}
    assert evaluated() == before
    async with client(site, "198.51.100.7") as http:
        assert (await http.get(THINGS, headers=key.bearer)).status_code == 200


async def test_an_unknown_key_id_costs_the_statements_of_a_known_one(settings: Settings) -> None:
    known = await api_key(settings.api_key_peppers)
    unknown = known.full.replace(known.id, "0" * len(known.id))
    authenticator = Authenticator(settings.api_key_peppers)

    async def touched(presented: str) -> tuple[int, int]:
        """Statements, and rows written, that one attempt takes."""
        await database.execute("SELECT pg_stat_force_next_flush()")
        statements = 0

        def count(_: object) -> None:
            nonlocal statements
            statements += 1

        async with database.transaction() as connection:
            connection.add_query_logger(count)
            with pytest.raises(Exception, match="INVALID_API_KEY"):
                await authenticator.authenticate(presented, CLIENT, clock.now())
            connection.remove_query_logger(count)
            written = await connection.fetchval(
                """SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_xact_user_tables
                   WHERE relname IN ('api_keys', 'api_key_decoys')"""
            )
        return statements, int(written)

    assert await touched(known.guess(1)) == await touched(unknown) == (2, 1)
