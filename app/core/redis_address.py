"""What `REDIS_URL` names: one server, or the sentinels that say which server is the primary.

    redis+sentinel://user:password@host:26379,host:26379,host:26379/mymaster/0?sentinel_password=…

`rediss+sentinel://` is the same over TLS, to servers and sentinels. docs/redis.md describes every part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

SINGLE = ("redis", "rediss", "unix")
SENTINEL, SENTINEL_TLS = "redis+sentinel", "rediss+sentinel"
SCHEMES = (*SINGLE, SENTINEL, SENTINEL_TLS)

SENTINEL_PORT = 26379
MAX_SENTINELS = 15
MAX_DATABASE = 15
"""The highest database of a server with the default configuration."""

_SENTINEL_OPTIONS = {"sentinel_user": "username", "sentinel_password": "password"}
_TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")
_EXAMPLE = "redis+sentinel://host1:26379,host2:26379,host3:26379/mymaster/0"

HostPort = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelAddress:
    """Sentinels, and what they watch. The options are those of a connection of redis-py."""

    sentinels: tuple[HostPort, ...]
    service: str
    """The name of the primary in the sentinels' configuration."""
    database: int
    server_login: Mapping[str, str] = field(repr=False)
    sentinel_login: Mapping[str, str] = field(repr=False)
    tls: Mapping[str, Any] | None
    """The options of TLS; None without it."""


def sentinel_address(url: str) -> SentinelAddress | None:
    """The sentinels that a URL names, None for a URL of one server.

    Raises ValueError, with a text that goes after the setting's name, for a URL that can't be used. It quotes no
    password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        schemes = " or ".join(f"{each}://" for each in SCHEMES)
        raise ValueError(f"must be a URL that starts with {schemes}")
    if scheme in SINGLE:
        _check_single(url)
        return None
    location, _, query = rest.partition("?")
    authority, _, path = location.partition("/")
    login, _, hosts = authority.rpartition("@")
    service, _, database = path.partition("/")
    if not service:
        raise ValueError(f"must name what the sentinels watch, as in {_EXAMPLE}")
    server_login = _login(login)
    sentinel_login, tls = _options(query, is_tls=scheme == SENTINEL_TLS)
    return SentinelAddress(
        sentinels=_sentinels(hosts),
        service=unquote(service),
        database=_database(database),
        server_login=server_login,
        sentinel_login=sentinel_login,
        tls=tls,
    )


def _check_single(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or "," in parts.netloc.rpartition("@")[2]:
        raise ValueError(f"must name one host and a port that is a number; several sentinels are {_EXAMPLE}")


def _login(text: str) -> dict[str, str]:
    if not text:
        return {}
    user, _, password = text.partition(":")
    if not password:
        raise ValueError("has a user without a password: write user:password@ or :password@")
    login = {"password": unquote(password)}
    return login | {"username": unquote(user)} if user else login


def _sentinels(text: str) -> tuple[HostPort, ...]:
    found: list[HostPort] = []
    for part in text.split(","):
        if part.startswith("["):
            host, bracket, port = part[1:].partition("]")
            usable = bracket and (not port or port.startswith(":"))
            port = port.removeprefix(":") or str(SENTINEL_PORT)
        else:
            host, colon, port = part.partition(":")
            usable, port = True, port if colon else str(SENTINEL_PORT)
        is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65536
        if not host or not usable or not is_port or not host.isprintable() or " " in host:
            raise ValueError(f"has a sentinel that is no host:port; it must be such as {_EXAMPLE}")
        if (host, int(port)) in found:
            raise ValueError("names a sentinel twice: a majority of them would be no majority")
        found.append((host, int(port)))
    if len(found) > MAX_SENTINELS:
        raise ValueError(f"names more than {MAX_SENTINELS} sentinels")
    return tuple(found)


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and int(text) <= MAX_DATABASE):
        raise ValueError(f"has a database that is no number from 0 to {MAX_DATABASE}, as in {_EXAMPLE}")
    return int(text or 0)


def _options(query: str, *, is_tls: bool) -> tuple[dict[str, str], dict[str, Any] | None]:
    """The login of the sentinels, and the options of TLS. A misspelt one must not be ignored: it would leave a
    connection without a password or a check."""
    login: dict[str, str] = {}
    tls: dict[str, Any] = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _SENTINEL_OPTIONS:
            login[_SENTINEL_OPTIONS[name]] = value
        elif name not in _TLS_OPTIONS:
            raise ValueError(f"has an unknown option; known are {', '.join((*_SENTINEL_OPTIONS, *_TLS_OPTIONS))}")
        elif not is_tls:
            raise ValueError(f"has {name} without TLS: it must start with {SENTINEL_TLS}://")
        elif name != "ssl_check_hostname":
            tls[name] = value
        elif value in ("yes", "no"):
            tls[name] = value == "yes"
        else:
            raise ValueError("has ssl_check_hostname that is neither yes nor no")
    if "username" in login and not login.get("password"):
        raise ValueError("has sentinel_user without sentinel_password")
    return login, tls if is_tls else None
