"""Settings: all faults are named at once, and no secret is shown."""

import base64
from pathlib import Path

import pytest

from app.core.redis_address import sentinel_address
from app.core.settings import SettingsError, load

SECRET = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def complete(tmp_path: Path) -> dict[str, str]:
    networks = tmp_path / "networks.toml"
    networks.touch()
    return {
        "DATABASE_URL": "postgresql://swap:hunter2@db/swap",
        "DATABASE_READ_URL": "postgresql://swap:hunter2@db2,db3/swap",
        "REDIS_URL": "redis://:hunter2@cache/0",
        "PUBLIC_URL": "https://pay.example.com",
        "NETWORKS_FILE": str(networks),
        "API_KEY_PEPPERS": f"1:{SECRET}",
        "DATA_KEYS": f"k1:{SECRET}",
        "LINK_SECRET": SECRET,
        "EMAIL_HASH_SECRET": SECRET,
    }


def test_production_is_the_default(complete: dict[str, str]) -> None:
    assert load(complete).is_production


def test_each_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError) as refused:
        load({})
    for name in ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "NETWORKS_FILE", "API_KEY_PEPPERS", "DATA_KEYS"):
        assert f"{name} is not set" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("PUBLIC_URL", "http://pay.example.com", "must be https in production"),
        ("LINK_SECRET", "", "is not set"),
        ("LINK_SECRET", "secret", "base64"),
        ("LINK_SECRET", base64.b64encode(b"short").decode(), "at least 32"),
        ("LINK_SECRET", base64.b64encode(b"a" * 32).decode(), "not random"),
        ("API_KEY_PEPPERS", SECRET, "1:<base64>"),
        ("API_KEY_PEPPERS", f"1:{SECRET},1:{SECRET}", "different version"),
        ("DATA_KEYS", f"k1:{base64.b64encode(bytes(range(33))).decode()}", "exactly 32"),
        ("DATABASE_URL", "mysql://x", "postgres"),
        ("DATABASE_READ_URL", "db2.example.com", "postgres"),
        ("DATABASE_READ_MAX_LAG_S", "61", "from 1 to 60"),
        ("REDIS_URL", "http://cache", "redis+sentinel:// or rediss+sentinel://"),
        ("REDIS_URL", "redis://cache:port/0", "a port that is a number"),
        ("REDIS_URL", "redis://a:26379,b:26379/0", "several sentinels are redis+sentinel://"),
        ("REDIS_URL", "redis+sentinel://a:26379,b:26379", "must name what the sentinels watch"),
        ("REDIS_URL", "redis+sentinel://a:26379,:26379/main", "no host:port"),
        ("REDIS_URL", "redis+sentinel://a:99999/main", "no host:port"),
        ("REDIS_URL", "redis+sentinel://a,b,a:26379/main", "a sentinel twice"),
        ("REDIS_URL", "redis+sentinel://a/main/x", "a database that is no number"),
        ("REDIS_URL", "redis+sentinel://swap@a/main", "a user without a password"),
        ("REDIS_URL", "redis+sentinel://a/main?sentinel_pasword=x", "an unknown option"),
        ("REDIS_URL", "redis+sentinel://a/main?sentinel_user=x", "sentinel_user without"),
        ("REDIS_URL", "redis+sentinel://a/main?ssl_ca_certs=/ca.pem", "must start with rediss+sentinel://"),
        ("REDIS_URL", "rediss+sentinel://a/main?ssl_check_hostname=maybe", "neither yes nor no"),
        ("WEB_WORKERS", "0", "from 1 to 256"),
        ("WEB_REQUEST_TIMEOUT_S", "10", "must be more than WEB_HEADER_TIMEOUT_S"),
        ("WEB_CONNECTIONS_PER_ADDRESS", "0", "from 1 to"),
        ("TRUSTED_PROXIES", "10.0.0.0/8 nonsense", "addresses or CIDRs"),
        ("METRICS_TOKEN", "short", "at least 32"),
        ("NETWORKS_FILE", "/nowhere.toml", "not there"),
        ("SWAP_PAY_ENV", "prod", "must be one of"),
        ("RATE_SOURCES", "kraken,mtgox", "ccxt:bitstamp"),
        ("RATE_SOURCES", "ccxt:../etc", "ccxt:bitstamp"),
        ("RATE_CURRENCIES", "EUR,BTC", "ISO 4217"),
        ("RATE_CURRENCIES", "XAU", "ISO 4217"),
        ("RATE_URL_KRAKEN", "http://rates.example.com", "must be https in production"),
        ("RATE_URL_ECB", "https://user@rates.example.com", "must be an address"),
    ],
)
def test_unsafe_settings_are_refused_and_named(complete: dict[str, str], name: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(complete | {name: value})
    assert [fault for fault in refused.value.faults if fault.startswith(name) and problem in fault]


def test_no_secret_shows_in_print_or_message(complete: dict[str, str]) -> None:
    shown = repr(load(complete))
    assert "hunter2" not in shown
    assert SECRET not in shown
    assert repr(bytes(range(32)))[2:20] not in shown


def test_the_newest_pepper_and_the_first_data_key_are_the_current_ones(complete: dict[str, str]) -> None:
    settings = load(complete | {"API_KEY_PEPPERS": f"1:{SECRET},2:{SECRET}", "DATA_KEYS": f"k2:{SECRET},k1:{SECRET}"})
    assert (settings.api_key_peppers.current, settings.data_keys.current) == (2, "k2")


def test_a_url_of_sentinels_says_who_is_asked_for_what_and_with_which_passwords(complete: dict[str, str]) -> None:
    url = (
        "rediss+sentinel://app:p%40ss@[2001:db8::1]:26380,b:5000,c/main/3?sentinel_password=w%26t&ssl_ca_certs=/ca.pem"
    )
    found = sentinel_address(load(complete | {"REDIS_URL": url}).redis_url)
    assert found is not None
    assert found.sentinels == (("2001:db8::1", 26380), ("b", 5000), ("c", 26379))
    assert (found.service, found.database) == ("main", 3)
    assert found.server_login == {"username": "app", "password": "p@ss"}
    assert found.sentinel_login == {"password": "w&t"}
    assert found.tls == {"ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": "/ca.pem"}
    assert "p@ss" not in repr(found)
    assert "w&t" not in repr(found)
    assert sentinel_address("redis://:hunter2@cache/0") is None


def test_sources_of_rates_and_their_addresses(complete: dict[str, str]) -> None:
    given = {"RATE_SOURCES": "kraken, ccxt:bitstamp,kraken", "RATE_CURRENCIES": "EUR,USD", "SWAP_PAY_ENV": "test"}
    urls = {"RATE_URL_BITSTAMP": "http://127.0.0.1:1/", "RATE_URL_ECB": "https://not.asked.example"}
    settings = load(complete | given | urls)
    assert settings.rate_sources == ("kraken", "ccxt:bitstamp")
    assert settings.rate_currencies == ("EUR", "USD")
    assert settings.rate_urls == {"ccxt:bitstamp": "http://127.0.0.1:1"}
    assert load(complete).rate_sources == ("kraken", "coinbase", "ecb", "chainlink")
