"""The public API as a developer's commands use it: an address and a key, and no setting of the gateway.

The commands that use it start fast, since they import neither the database nor the web framework.
"""

import ipaddress
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click
import httpx

from app.core import ids
from app.core.outbound.outcome import parse_retry_after

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

API = "/api/v1/merchant"
TIMEOUT_S = 15.0
"""The gateway answers within ten seconds, whatever hangs behind it."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Between two tries while the gateway is away: doubled each time. `Retry-After` counts where it is longer."""

TRIES = 4
"""Of a request that is made once, such as the order to deliver an event again."""


class Unavailable(Exception):
    """The gateway gave no answer, or one that says to try again. `retry_after_s` is what it asked for, or None."""

    def __init__(self, reason: str, retry_after_s: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Pauses:
    """How long to wait before each further try."""

    def __init__(self) -> None:
        self._next_s = FIRST_PAUSE_S

    def after(self, error: Unavailable) -> float:
        """Seconds to wait after this error."""
        pause_s = self._next_s * (1 + 0.1 * ids.random_jitter())
        self._next_s = min(2 * self._next_s, LONGEST_PAUSE_S)
        return max(pause_s, error.retry_after_s or 0)


class MerchantApi:
    """A client with one key. Every method raises Unavailable, and ClickException for what the gateway refuses."""

    def __init__(self, url: str, key: str, *, allow_http: bool = False, trust: ssl.SSLContext | None = None) -> None:
        self.url = checked_url(url, "SWAP_PAY_URL", allow_http=allow_http)
        self._client = httpx.Client(
            base_url=self.url.rstrip("/") + API,
            headers={"Authorization": f"Bearer {_checked_key(key)}"},
            timeout=TIMEOUT_S,
            trust_env=False,
            verify=trust or ssl.create_default_context(),
        )

    def get(self, path: str, **params: str | int) -> httpx.Response:
        """GET a path below the API's base path."""
        return self._ask(lambda: self._client.get(path, params=params))

    def post(self, path: str, body: dict[str, Any], *, once: str | None = None) -> httpx.Response:
        """POST a body. `once` is the idempotency key of what is created."""
        headers = {"Idempotency-Key": once} if once is not None else {}
        return self._ask(lambda: self._client.post(path, json=body, headers=headers))

    def _ask(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        try:
            answer = ask()
        except httpx.HTTPError as error:
            raise Unavailable(f"{self.url} does not answer ({_in_words(error)})") from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise click.ClickException(f"SWAP_PAY_URL: {error}") from None
        if answer.status_code == 429 or answer.status_code >= 500:
            retry_after = answer.headers.get("retry-after")
            raise Unavailable(_problem(answer), None if retry_after is None else parse_retry_after(retry_after))
        if not answer.is_success:
            raise click.ClickException(_problem(answer))
        return answer


def patiently(ask: Callable[[], T]) -> T:
    """Ask up to TRIES times. Raises ClickException with the last reason."""
    pauses = Pauses()
    for tries_left in reversed(range(TRIES)):
        try:
            return ask()
        except Unavailable as error:
            pause_s = pauses.after(error)
            if not tries_left or pause_s > LONGEST_PAUSE_S:
                raise click.ClickException(str(error)) from None
            click.echo(f"{error}; trying again in {pause_s:.0f} s", err=True)
            time.sleep(pause_s)
    raise AssertionError("the last try returns or raises")


def api_options(command: F) -> F:
    """The options that say which gateway is asked, and as whom; their values come from the environment as a rule."""
    for option in (
        click.option("--key", envvar="SWAP_PAY_KEY", help="Your API key. Better in the environment: SWAP_PAY_KEY."),
        click.option("--url", envvar="SWAP_PAY_URL", help="The gateway's address, as in SWAP_PAY_URL."),
    ):
        command = option(command)
    return command


def local_options(command: F) -> F:
    """The options of commands that send events to a developer's own server."""
    for option in (
        click.option("--allow-http", is_flag=True, help="Allow http:// to other hosts than this one."),
        click.option(
            "--ca-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Trust this authority's certificates too (PEM).",
        ),
        click.option(
            "--secret",
            envvar="SWAP_PAY_WEBHOOK_SECRET",
            help="Sign with this one (whsec_…), from SWAP_PAY_WEBHOOK_SECRET as a rule; else with a new one.",
        ),
    ):
        command = option(command)
    return command


def opened(url: str | None, key: str | None, *, allow_http: bool, ca_file: Path | None = None) -> MerchantApi:
    """The client for these options. Raises ClickException where one is missing or unsafe."""
    missing = [name for name, value in (("SWAP_PAY_URL", url), ("SWAP_PAY_KEY", key)) if not value]
    if missing:
        raise click.UsageError(
            f"set {' and '.join(missing)} in the environment: the gateway's address, and an API key of your merchant"
        )
    assert url
    assert key
    return MerchantApi(url, key, allow_http=allow_http, trust=trusting(ca_file))


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """What verifies servers: the system's authorities, and those of a file. Raises ClickException."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (ssl.SSLError, OSError) as error:
            raise click.ClickException(f"--ca-file: {ca_file} holds no certificate in PEM ({error})") from None
    return context


def checked_url(url: str, name: str, *, allow_http: bool) -> str:
    """The URL, if it is https, or http on this machine. Raises ClickException with the option's `name`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise click.ClickException(f"{name}: {url!r} is no URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise click.ClickException(f"{name}: must begin with https://, or with http://localhost")
    if parts.username is not None:
        raise click.ClickException(f"{name}: must have no user name")
    if parts.scheme == "http" and not allow_http and not _is_this_machine(host):
        raise click.ClickException(
            f"{name}: {host} is not this machine, and http would show everything on the way; use https, or add "
            "--allow-http if the network is yours"
        )
    return url


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise click.ClickException("SWAP_PAY_KEY: is no API key")
    return key


def _problem(answer: httpx.Response) -> str:
    """What the gateway says is wrong, with its code."""
    try:
        error = answer.json()["error"]
        return f"{error['message']} ({answer.status_code} {error['code']})"
    except (ValueError, KeyError, TypeError):
        return f"{answer.request.url.host} answers {answer.status_code}, which is no answer of the API"


def _in_words(error: Exception) -> str:
    return str(error) or type(error).__name__
