"""Settings from the environment: typed, checked at start, each fault named; a secret never shows in a repr.

`load()` reports every missing or unsafe setting at once, so an operator fixes them in one go. Every setting is
listed in `docs/configuration.md`.
"""

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from app.core.currencies import is_currency
from app.core.deployment import DeploymentError
from app.core.email_address import EmailAddress
from app.core.redis_address import sentinel_address

Environment = Literal["production", "sandbox", "test"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")

DRAIN_S = 8
"""What WEB_DRAIN_S is in production: longer than three questions of HAProxy, 2 s apart, take."""

RATE_SOURCES = ("kraken", "coinbase", "ecb", "chainlink")
"""Sources of rates beside the exchanges of ccxt (docs/rates.md)."""

_CCXT_SOURCE = re.compile(r"ccxt:[a-z0-9]{2,30}")

MIN_SECRET_BYTES = 32
"""256 bits: what HMAC-SHA256 and AES-256 are made for."""


@dataclass(frozen=True, slots=True)
class Peppers:
    """Keys for the keyed hashes of API key secrets, by version; the highest version hashes new ones."""

    keys: Mapping[int, bytes] = field(repr=False)

    @property
    def current(self) -> int:
        """The version for new hashes."""
        return max(self.keys)


@dataclass(frozen=True, slots=True)
class DataKeys:
    """AES-256 keys for secrets at rest, by id; the first one listed seals new ones."""

    keys: Mapping[str, bytes] = field(repr=False)

    @property
    def current(self) -> str:
        """The id of the key for new ciphertexts."""
        return next(iter(self.keys))


@dataclass(frozen=True, slots=True)
class CheckpointKeys:
    """Ed25519 seeds that sign checkpoints of the ledgers, by id; the first one listed signs new ones."""

    seeds: Mapping[str, bytes] = field(repr=False)

    @property
    def current(self) -> str:
        """The id of the key that signs."""
        return next(iter(self.seeds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that differs between deployments. Defaults are safe for production."""

    environment: Environment
    database_url: str = field(repr=False)
    database_pool_size: int
    database_wait_s: int
    database_read_url: str | None = field(repr=False)
    database_read_max_lag_s: int
    redis_url: str = field(repr=False)
    public_url: str
    networks_file: Path
    api_key_peppers: Peppers
    data_keys: DataKeys
    link_secret: bytes = field(repr=False)
    email_hash_secret: bytes = field(repr=False)
    trusted_proxies: tuple[Network, ...]
    webhook_allow_networks: tuple[Network, ...]
    webhook_ca_file: Path | None
    metrics_token: str | None = field(repr=False)
    metrics_dir: Path | None
    heartbeat_file: Path | None
    traces_url: str | None
    traces_percent: int
    web_host: str
    web_port: int
    web_workers: int
    web_header_timeout_s: int
    web_request_timeout_s: int
    web_connections_per_address: int
    web_drain_s: int
    log_level: str
    log_format: Literal["json", "console"]
    event_retention_days: int
    attempt_retention_days: int
    webhook_concurrency: int
    withdrawal_approval_days: int
    mail_url: str | None = field(repr=False)
    mail_from: str
    operator_name: str | None
    operator_url: str | None
    security_contacts: tuple[str, ...]
    alert_mail_to: tuple[EmailAddress, ...]
    alert_hook_url: str | None = field(repr=False)
    alert_hook_secret: str | None = field(repr=False)
    checkpoint_keys: CheckpointKeys | None
    rate_sources: tuple[str, ...]
    rate_currencies: tuple[str, ...]
    rate_urls: Mapping[str, str]

    @property
    def is_production(self) -> bool:
        """Whether real money may be at stake: unsafe settings are refused then."""
        return self.environment == "production"


class SettingsError(DeploymentError):
    """One or more settings are missing or unsafe; the message has a line for each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(["The settings are not usable:", *(f"  - {fault}" for fault in faults)]))
        self.faults = faults


class _Fault(Exception):
    """What is wrong with one setting's value."""


def load(env: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Raises SettingsError with every fault found."""
    faults: list[str] = []

    def read(name: str, convert: Callable[[str], T], default: str | None = None) -> T:
        text = env.get(name, "").strip()
        if not text:
            if default is None:
                faults.append(f"{name} is not set")
                return None  # type: ignore[return-value]
            text = default
        try:
            return convert(text)
        except _Fault as fault:
            faults.append(f"{name} {fault}")
            return None  # type: ignore[return-value]

    environment: Environment = read("SWAP_PAY_ENV", _choice("production", "sandbox", "test"), "production")
    settings = Settings(
        environment=environment,
        database_url=read("DATABASE_URL", _url("postgres", "postgresql")),
        database_pool_size=read("DATABASE_POOL_SIZE", _integer(1, 1000), "20"),
        database_wait_s=read("DATABASE_WAIT_S", _integer(1, 9), "8"),
        database_read_url=read("DATABASE_READ_URL", _optional(_url("postgres", "postgresql")), ""),
        database_read_max_lag_s=read("DATABASE_READ_MAX_LAG_S", _integer(1, 60), "3"),
        redis_url=read("REDIS_URL", _redis_url),
        public_url=read("PUBLIC_URL", _public_url(environment)),
        networks_file=read("NETWORKS_FILE", _existing_file),
        api_key_peppers=read("API_KEY_PEPPERS", _peppers),
        data_keys=read("DATA_KEYS", _data_keys),
        link_secret=read("LINK_SECRET", _secret_bytes),
        email_hash_secret=read("EMAIL_HASH_SECRET", _secret_bytes),
        trusted_proxies=read("TRUSTED_PROXIES", _networks, ""),
        webhook_allow_networks=read("WEBHOOK_ALLOW_NETWORKS", _networks, ""),
        webhook_ca_file=read("WEBHOOK_CA_FILE", _optional(_existing_file), ""),
        metrics_token=read("METRICS_TOKEN", _optional(_token), ""),
        metrics_dir=read("METRICS_DIR", _optional(Path), ""),
        traces_url=read("TRACES_URL", _optional(_traces_url), ""),
        traces_percent=read("TRACES_PERCENT", _integer(1, 100), "10"),
        heartbeat_file=read("HEARTBEAT_FILE", _optional(Path), ""),
        web_host=read("WEB_HOST", str, "127.0.0.1"),
        web_port=read("WEB_PORT", _integer(1, 65535), "8000"),
        web_workers=read("WEB_WORKERS", _integer(1, 256), "2"),
        web_header_timeout_s=read("WEB_HEADER_TIMEOUT_S", _integer(1, 60), "10"),
        web_request_timeout_s=read("WEB_REQUEST_TIMEOUT_S", _integer(2, 3600), "30"),
        web_connections_per_address=read("WEB_CONNECTIONS_PER_ADDRESS", _integer(1, 100_000), "200"),
        web_drain_s=read("WEB_DRAIN_S", _integer(0, 120), str(DRAIN_S) if environment == "production" else "0"),
        log_level=read("LOG_LEVEL", _choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
        log_format=read("LOG_FORMAT", _choice("json", "console"), "json"),
        event_retention_days=read("EVENT_RETENTION_DAYS", _integer(1, 3650), "90"),
        attempt_retention_days=read("ATTEMPT_RETENTION_DAYS", _integer(1, 3650), "56"),
        webhook_concurrency=read("WEBHOOK_CONCURRENCY", _integer(4, 2000), "256"),
        withdrawal_approval_days=read("WITHDRAWAL_APPROVAL_DAYS", _integer(1, 365), "7"),
        mail_url=read("MAIL_URL", _optional(_mail_url), ""),
        mail_from=read("MAIL_FROM", _mail_address, "Swap Pay <swap-pay@localhost>"),
        operator_name=read("OPERATOR_NAME", _optional(_line), ""),
        operator_url=read("OPERATOR_URL", _optional(_hook_url), ""),
        security_contacts=read("SECURITY_CONTACT", _contacts, ""),
        alert_mail_to=read("ALERT_MAIL_TO", _mail_recipients, ""),
        alert_hook_url=read("ALERT_HOOK_URL", _optional(_hook_url), ""),
        alert_hook_secret=read("ALERT_HOOK_SECRET", _optional(_hook_secret), ""),
        checkpoint_keys=read("CHECKPOINT_KEY", _optional(_checkpoint_keys), ""),
        rate_sources=(rate_sources := read("RATE_SOURCES", _rate_sources, "kraken,coinbase,ecb,chainlink") or ()),
        rate_currencies=read("RATE_CURRENCIES", _currencies, ""),
        rate_urls={
            source: url
            for source in rate_sources
            if (url := read(_rate_url_name(source), _optional(_rate_url(environment)), "")) is not None
        },
    )
    if not faults and settings.web_request_timeout_s <= settings.web_header_timeout_s:
        faults.append("WEB_REQUEST_TIMEOUT_S must be more than WEB_HEADER_TIMEOUT_S: a request is headers and body")
    if settings.alert_hook_url and not settings.alert_hook_secret:
        faults.append("ALERT_HOOK_SECRET is not set, and ALERT_HOOK_URL is: what is posted there must be signed")
    if faults:
        raise SettingsError(faults)
    return settings


def _choice(*allowed: str) -> Callable[[str], Any]:
    def convert(text: str) -> str:
        if text not in allowed:
            raise _Fault(f"must be one of {', '.join(allowed)}")
        return text

    return convert


def _integer(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise _Fault(f"must be a whole number from {low} to {high}")
        return int(text)

    return convert


def _optional(convert: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: convert(text) if text else None


def _url(*schemes: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if urlsplit(text).scheme not in schemes:
            raise _Fault(f"must be a URL that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return text

    return convert


def _redis_url(text: str) -> str:
    try:
        sentinel_address(text)
    except ValueError as error:
        raise _Fault(str(error)) from None
    return text


def _public_url(environment: Environment) -> Callable[[str], str]:
    def convert(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            raise _Fault("must be the address that customers reach, such as https://pay.example.com")
        if environment == "production" and parts.scheme != "https":
            raise _Fault("must be https in production: payment links and cookies travel over it")
        return text.rstrip("/")

    return convert


def _mail_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_sane = parts.port is None or parts.port > 0
    except ValueError:
        raise _Fault("has a port that is no number") from None
    if parts.scheme == "maildir":
        if not parts.path.startswith("/") or parts.netloc:
            raise _Fault("must name a folder by its whole path, such as maildir:/var/lib/swap-pay/mail")
    elif parts.scheme not in ("smtp", "smtps") or not parts.hostname or not port_sane:
        raise _Fault("must be such as smtp://user:password@mail.example.com:587 or maildir:/path")
    return text


def _mail_address(text: str) -> str:
    _, address = parseaddr(text)
    if not text.isprintable() or "@" not in address or address.endswith("@"):
        raise _Fault("must be a sender such as Swap Pay <pay@example.com>")
    return text


def _mail_recipients(text: str) -> tuple[EmailAddress, ...]:
    try:
        return tuple(EmailAddress.parse(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise _Fault("must be a list of mail addresses, such as ops@example.com,oncall@example.com") from None


def _line(text: str) -> str:
    if not text.isprintable():
        raise _Fault("must be one line of text")
    return text


def _contacts(text: str) -> tuple[str, ...]:
    contacts = tuple(text.split())
    for contact in contacts:
        if not contact.isprintable() or not contact.startswith(("mailto:", "https://", "tel:")):
            raise _Fault("must be addresses such as mailto:security@example.com https://example.com/security")
    return contacts


def _hook_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise _Fault("must be an https:// URL without user info")
    return text


def _traces_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise _Fault("must be a collector's address such as http://127.0.0.1:4318/v1/traces")
    return text


def _hook_secret(text: str) -> str:
    if not text.startswith("whsec_"):
        raise _Fault('must be "whsec_" and base64 (make one with: echo whsec_$(openssl rand -base64 32))')
    _secret_bytes(text.removeprefix("whsec_"))
    return text


def _rate_sources(text: str) -> tuple[str, ...]:
    sources = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for source in sources:
        if source not in RATE_SOURCES and not _CCXT_SOURCE.fullmatch(source):
            raise _Fault(
                f"must be a list of {', '.join(RATE_SOURCES)}, or ccxt: and an exchange, such as ccxt:bitstamp"
            )
    return sources


def _rate_url_name(source: str) -> str:
    return f"RATE_URL_{source.removeprefix('ccxt:').upper()}"


def _rate_url(environment: Environment) -> Callable[[str], str]:
    def convert(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or "@" in parts.netloc:
            raise _Fault("must be an address such as https://api.kraken.com")
        if environment == "production" and parts.scheme != "https":
            raise _Fault("must be https in production: who can change a rate on its way can take money")
        return text.rstrip("/")

    return convert


def _currencies(text: str) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for code in codes:
        if not is_currency(code):
            raise _Fault("must be a list of ISO 4217 codes, such as EUR,USD")
    return codes


def _existing_file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise _Fault(f"names a file that is not there: {text}")
    return path


def _token(text: str) -> str:
    if len(text) < MIN_SECRET_BYTES:
        raise _Fault(f"must have at least {MIN_SECRET_BYTES} characters")
    return text


def _secret_bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _Fault("must be base64 (make one with: openssl rand -base64 32)") from None
    if len(raw) < MIN_SECRET_BYTES:
        raise _Fault(f"must hold at least {MIN_SECRET_BYTES} random bytes (openssl rand -base64 32)")
    if len(set(raw)) < MIN_SECRET_BYTES // 4:
        raise _Fault("is not random: too few different bytes (openssl rand -base64 32)")
    return raw


def _peppers(text: str) -> Peppers:
    keys: dict[int, bytes] = {}
    for part in text.split(","):
        version, colon, secret = part.strip().partition(":")
        if not colon or not version.isdigit() or int(version) in keys:
            raise _Fault("must be a list such as 1:<base64>,2:<base64> with a different version for each")
        keys[int(version)] = _secret_bytes(secret)
    return Peppers(keys)


def _data_keys(text: str) -> DataKeys:
    keys: dict[str, bytes] = {}
    for part in text.split(","):
        key_id, colon, secret = part.strip().partition(":")
        if not colon or not key_id.isalnum() or key_id in keys:
            raise _Fault("must be a list such as k2:<base64>,k1:<base64>, the current key first")
        keys[key_id] = _secret_bytes(secret)
        if len(keys[key_id]) != MIN_SECRET_BYTES:
            raise _Fault(f"must hold keys of exactly {MIN_SECRET_BYTES} bytes (openssl rand -base64 32)")
    return DataKeys(keys)


def _checkpoint_keys(text: str) -> CheckpointKeys:
    seeds: dict[str, bytes] = {}
    for part in text.split(","):
        key_id, colon, secret = part.strip().partition(":")
        if not colon or not key_id.isalnum() or len(key_id) > 20 or key_id in seeds:
            raise _Fault("must be a list such as c2:<base64>,c1:<base64>, the key that signs first")
        seeds[key_id] = _secret_bytes(secret)
        if len(seeds[key_id]) != MIN_SECRET_BYTES:
            raise _Fault(f"must hold Ed25519 seeds of exactly {MIN_SECRET_BYTES} bytes (openssl rand -base64 32)")
    return CheckpointKeys(seeds)


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise _Fault(f"must be a list of addresses or CIDRs: {error}") from None
