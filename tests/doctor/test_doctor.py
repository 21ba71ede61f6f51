"""The doctor: each unsafe setting is named, and a correct deployment has none."""

import asyncio
import base64
import os
import pickle
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest
from redis import Redis

from app.cli.doctor import examine
from app.core import clock, database, redis
from app.core.settings import Settings, load
from app.doctor.configuration import examine_networks
from app.doctor.postgres import GUARDS
from app.doctor.symptoms import exit_code
from app.rates import repository as rates
from app.sandbox.postgres import Postgres
from app.sandbox.valkey import Valkey
from tests.factories.bitcoin import TPUB, VPUB, bitcoin_network
from tests.factories.rates import store_rate
from tests.factories.tampering import as_superuser
from tests.services import read_only


def random_base64() -> str:
    return base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The settings of a safe deployment; each test changes one of them."""
    Path(environment["NETWORKS_FILE"]).chmod(0o600)
    return environment | {
        "API_KEY_PEPPERS": f"1:{random_base64()}",
        "DATA_KEYS": f"k1:{random_base64()}",
        "LINK_SECRET": random_base64(),
        "EMAIL_HASH_SECRET": random_base64(),
        "CHECKPOINT_KEY": f"c1:{random_base64()}",
        "ALERT_MAIL_TO": "ops@example.test",
        "MAIL_URL": "smtp://mail.example.test",
        "METRICS_TOKEN": "m" * 40,
    }


async def symptoms_of(environment: dict[str, str]) -> list[str]:
    await database.close_pool()  # the doctor opens its own
    return [f"{s.severity} {s.topic}: {s.message}" for s in await examine(load(environment)) if s.severity != "ok"]


BROKEN_SETTINGS = {
    "public http": ({"PUBLIC_URL": "http://pay.example.test"}, "unsafe public url"),
    "inner networks": ({"WEBHOOK_ALLOW_NETWORKS": "10.0.0.0/8"}, "unsafe webhooks"),
    "proxies": ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "unsafe proxies"),
    "no alerts": ({"ALERT_MAIL_TO": ""}, "unsafe alerts"),
    "letters to nowhere": ({"MAIL_URL": ""}, "unsafe mail"),
    "no checkpoints": ({"CHECKPOINT_KEY": ""}, "warning checkpoints: CHECKPOINT_KEY"),
    "no metrics": ({"METRICS_TOKEN": ""}, "warning metrics"),
    "old data key": ({"DATA_KEYS": f"k2:{random_base64()},k1:{random_base64()}"}, "advice keys"),
}


@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("broken", BROKEN_SETTINGS)
async def test_an_unsafe_setting_is_named(environment: dict[str, str], broken: str) -> None:
    change, named = BROKEN_SETTINGS[broken]
    sound = await symptoms_of(environment)
    assert not any(symptom.startswith(named) for symptom in sound), sound
    found = await symptoms_of(environment | change)
    assert any(symptom.startswith(named) for symptom in found), found


@pytest.mark.usefixtures("valkey")
async def test_one_secret_for_two_things_is_unsafe_and_is_not_shown(environment: dict[str, str]) -> None:
    found = await symptoms_of(environment | {"EMAIL_HASH_SECRET": environment["LINK_SECRET"]})
    assert "unsafe keys: LINK_SECRET, EMAIL_HASH_SECRET are the same: give each its own (new-secret)" in found
    assert environment["LINK_SECRET"] not in "\n".join(found)


@pytest.mark.usefixtures("valkey")
async def test_a_published_phrase_is_named(
    chain_settings: Callable[..., Settings], environment: dict[str, str]
) -> None:
    chain_settings()
    found = await symptoms_of(environment)
    assert any("published test phrase" in symptom for symptom in found)


@pytest.mark.usefixtures("valkey")
async def test_a_published_phrase_is_named_on_bitcoin_too(environment: dict[str, str]) -> None:
    for key in (TPUB, VPUB, f"wpkh([73c5da0a/84h/1h/0h]{TPUB}/0/*)"):
        networks = {
            "bitcoin:test": msgspec.structs.replace(bitcoin_network(["http://127.0.0.1:1"]), xpub=key).checked()
        }
        found = [symptom.message for symptom in examine_networks(load(environment), networks)]
        assert any("published test phrase" in message for message in found), key


async def test_a_file_that_others_can_write_is_unsafe(environment: dict[str, str]) -> None:
    Path(environment["NETWORKS_FILE"]).chmod(0o666)
    assert any(symptom.startswith("unsafe networks file") for symptom in await symptoms_of(environment))


@pytest.mark.usefixtures("db", "valkey")
async def test_a_disabled_trigger_is_named(environment: dict[str, str]) -> None:
    for table, trigger in GUARDS[::3]:
        await as_superuser(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    (found,) = [symptom for symptom in await symptoms_of(environment) if symptom.startswith("unsafe triggers")]
    assert all(trigger in found for _, trigger in GUARDS[::3])


@pytest.mark.usefixtures("valkey")
async def test_a_superuser_is_named_and_all_migrations_are_there(environment: dict[str, str]) -> None:
    found = await symptoms_of(environment)
    assert any(symptom.startswith("unsafe role: postgres is a superuser") for symptom in found)
    assert not any("migrations" in symptom for symptom in found)


@pytest.mark.usefixtures("db", "valkey")
async def test_a_missing_migration_is_named(environment: dict[str, str]) -> None:
    await database.execute("DELETE FROM migration WHERE id = (SELECT max(id) FROM migration)")
    assert "unsafe migrations: 1 are missing: run swap-pay migrate" in await symptoms_of(environment)


@pytest.mark.usefixtures("valkey")
async def test_a_wrong_clock_is_named(environment: dict[str, str], steady_clock: None) -> None:
    from datetime import timedelta

    clock.shift(timedelta(seconds=-30))
    assert any(symptom.startswith("unsafe clock") for symptom in await symptoms_of(environment))


async def test_a_planted_pickle_is_named(environment: dict[str, str], valkey: str) -> None:
    await redis.client().set("arq:job:1", pickle.dumps({"f": "os.system"}))
    assert any("pickled job" in symptom for symptom in await symptoms_of(environment))


async def test_a_redis_that_lets_anybody_in_evicts_and_saves_is_named(
    environment: dict[str, str], valkey: str, valkey_server: Valkey
) -> None:
    assert not any(" redis: " in symptom for symptom in await symptoms_of(environment))
    password = valkey.partition("@")[0].rpartition(":")[2]
    values = {"maxmemory": ("100mb", "0"), "maxmemory-policy": ("allkeys-lru", "noeviction"), "save": ("3600 1", "")}
    with Redis.from_url(valkey) as client:
        client.acl_setuser("default", enabled=True, nopass=True)
        for name, (bad, _) in values.items():
            client.config_set(name, bad)
        try:
            open_to_all = {"REDIS_URL": f"redis://127.0.0.1:{valkey_server.port}/0"}
            found = "\n".join(await symptoms_of(environment | open_to_all))
        finally:
            for name, (_, good) in values.items():
                client.config_set(name, good)
            client.acl_setuser("default", enabled=True, passwords=[f"+{password}"])
    assert f"advice redis: server 127.0.0.1:{valkey_server.port} asks for no password" in found
    assert "warning redis: evicts keys (allkeys-lru)" in found
    assert "advice redis: saves its data to disk" in found


async def test_redis_and_postgres_that_are_down_are_symptoms(environment: dict[str, str]) -> None:
    gone = {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://x:y@127.0.0.1:1/z"}
    symptoms = await examine(load(environment | gone))
    topics = {symptom.topic: symptom.severity for symptom in symptoms}
    assert (topics["redis"], topics["postgres"]) == ("warning", "unsafe")
    assert exit_code(symptoms) == 2


@pytest.mark.usefixtures("valkey")
async def test_commits_that_a_fail_over_would_lose_are_named(
    db: str, environment: dict[str, str], postgres: Postgres
) -> None:
    async def said(setting: str) -> list[str]:
        await setting_of_database(db, setting)
        return [one for one in await symptoms_of(environment) if " standbys" in one or "durability: sync" in one]

    alone = "warning durability: synchronous_commit is off (set for the database): a crash loses money"
    assert await said("synchronous_commit = off") == [alone]
    assert await said("synchronous_commit = on") == []
    async with waiting_for_standby(postgres):
        assert await said("synchronous_commit = local") == [
            "unsafe standbys: synchronous_commit is local: a fail-over loses payments that were answered"
        ]
        assert await said("synchronous_commit = on") == [
            "warning standbys: no synchronous standby is connected: commits wait until one is (docs/ha.md)"
        ]


async def setting_of_database(dsn: str, setting: str) -> None:
    """Give a database a setting of its own, for new sessions."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"ALTER DATABASE {dsn.rpartition('/')[2]} SET {setting}")
    await connection.close()


@asynccontextmanager
async def waiting_for_standby(postgres: Postgres) -> AsyncIterator[None]:
    """Inside, the server's settings name a synchronous standby. (It would not wait for it: it has no WAL senders.)"""
    admin = await asyncpg.connect(postgres.dsn())
    await set_and_see(admin, "ALTER SYSTEM SET synchronous_standby_names = 'db2'", "db2")
    try:
        yield
    finally:
        await set_and_see(admin, "ALTER SYSTEM RESET synchronous_standby_names", "")
        await admin.close()


async def set_and_see(admin: asyncpg.Connection, statement: str, wanted: str) -> None:
    await admin.execute(statement)
    await admin.execute("SELECT pg_reload_conf()")
    async with asyncio.timeout(20):
        while await admin.fetchval("SHOW synchronous_standby_names") != wanted:
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("valkey")
async def test_a_read_only_server_is_named(environment: dict[str, str], postgres: Postgres) -> None:
    async with read_only(postgres.dsn()):
        named = "unsafe postgres: DATABASE_URL leads to a read-only server: name the primary"
        assert named in await symptoms_of(environment)


@pytest.mark.usefixtures("valkey")
async def test_the_doctor_says_how_rates_are_doing(db: str, environment: dict[str, str]) -> None:
    async def said() -> list[str]:
        await database.close_pool()  # the doctor opens its own
        symptoms = await examine(load(environment | {"RATE_CURRENCIES": "EUR"}))
        await database.open_pool(db, max_size=2)
        return [f"{one.severity} {one.message}" for one in symptoms if one.topic == "rates"]

    assert await said() == ["warning none was refreshed lately: is a default worker running?"]
    now = clock.now()
    await store_rate("BTC", "EUR", "57000", now)
    await store_rate("ETH", "EUR", None, now)
    await rates.record_answer("coinbase", now, now, None)
    await rates.record_failure("kraken", now, "api.kraken.com: HTTP status 503")
    assert await said() == [
        "ok coinbase answers",
        "warning kraken fails (1 in a row, never answered): api.kraken.com: HTTP status 503",
        "warning ETH/EUR: no rate: no source has answered",
        "ok 1 of 2 pairs have a rate",
    ]
