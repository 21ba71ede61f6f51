"""The sandbox as a deployment: its networks file, and the environment of its web process and workers."""

import os
import secrets as secret_tokens
import shlex
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from app.sandbox.demo_data import OPERATOR_EMAIL
from app.sandbox.home import Home, Secrets
from app.sandbox.rate_server import RateServer
from app.signer import keystore

WEB_WORKERS = 2

KEYSTORE_SCRYPT_N = 2**14  # a tenth of production's cost: the password is stored beside the keystore anyway

_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_START")


def networks_toml(tables: Iterable[str]) -> str:
    """The networks file: each chain's table."""
    return "# Written at each start of the sandbox. docs/configuration.md has the fields.\n" + "\n".join(tables)


def signer_environment(home: Home, mnemonic: str) -> dict[str, str]:
    """Additional settings of the signer alone: a keystore, created at the first start, and its password."""
    file, password = home.signer / "keystore.json", home.signer / "password"
    if not (file.exists() and password.exists()):
        home.signer.mkdir(mode=0o700, exist_ok=True)
        file.unlink(missing_ok=True)
        home.write_text(password, secret_tokens.token_urlsafe(24) + "\n")
        keystore.write(file, mnemonic, password.read_text().strip(), scrypt_n=KEYSTORE_SCRYPT_N)
    return {"SIGNER_KEYSTORE_FILE": str(file), "SIGNER_KEYSTORE_PASSWORD_FILE": str(password)}


def environment(
    home: Home, secrets: Secrets, *, database_url: str, redis_url: str, web_port: int, ca_path: Path, rates: RateServer
) -> dict[str, str]:
    """Every setting of the sandbox's deployment, by its variable's name (docs/configuration.md)."""
    return {
        "SWAP_PAY_ENV": "sandbox",
        "DATABASE_URL": database_url,
        "DATABASE_POOL_SIZE": "20",
        "REDIS_URL": redis_url,
        "PUBLIC_URL": f"http://localhost:{web_port}",  # a name: browsers make no passkeys for IP addresses
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": str(web_port),
        "WEB_WORKERS": str(WEB_WORKERS),
        "NETWORKS_FILE": str(home.networks_file),
        "API_KEY_PEPPERS": f"1:{secrets.api_key_pepper}",
        "DATA_KEYS": f"k1:{secrets.data_key}",
        "LINK_SECRET": secrets.link_secret,
        "EMAIL_HASH_SECRET": secrets.email_hash_secret,
        "CHECKPOINT_KEY": f"c1:{secrets.checkpoint_key}",
        "METRICS_TOKEN": secrets.metrics_token,
        "ALERT_MAIL_TO": OPERATOR_EMAIL,
        "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_CA_FILE": str(ca_path),
        "MAIL_URL": f"maildir:{quote(str(home.mail))}",
        "RATE_CURRENCIES": "EUR,USD",
        **{f"RATE_URL_{source.upper()}": rates.url(source) for source in ("kraken", "coinbase", "ecb")},
    }


def process_environment(settings: dict[str, str]) -> dict[str, str]:
    """The environment of a child process: the settings and little else, without a developer's own variables."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | settings


def shell_lines(settings: dict[str, str]) -> str:
    """The settings for a shell: `set -a; . var/sandbox.env; set +a; swap-pay verify-ledger`."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
