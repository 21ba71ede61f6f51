"""Sending events to a developer's own server, with the headers and signatures of a delivery (contract, section 6)."""

import base64
import binascii
import ssl
import time
from collections.abc import Callable

import click
import httpx
import msgspec

from app.cli.following import Event
from app.cli.merchant_api import checked_url
from app.core import clock
from app.webhooks import signing

TIMEOUT_S = 10.0
"""From connecting to the end of the headers, as for a real delivery."""

PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Before the second try of an event and each further one: long enough for a server that restarts by itself."""

MAX_TRIES = len(PAUSES_S) + 1

MAX_SHOWN_BYTES = 200
"""Of what a server answers to an event that it does not accept."""


class Answer(msgspec.Struct, frozen=True):
    """How one try ended: the status, or why there is none. `text` is the start of an answer that is no 2xx."""

    status: int | None
    problem: str
    duration_ms: int
    text: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the event counts as delivered: any 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def shown(self) -> str:
        """The status, or the problem in a word."""
        return self.problem if self.status is None else str(self.status)


class LocalServer:
    """A developer's server, to which events are sent one after another. `greeting` says where they go and what signs
    them: a new secret in full, one that was given never."""

    def __init__(
        self, url: str, secret: str | None, *, allow_http: bool = False, trust: ssl.SSLContext | None = None
    ) -> None:
        """Without a `secret`, events are signed with a new one. Raises ClickException."""
        self.url = checked_url(url, "--forward-to", allow_http=allow_http)
        self._secret = secret_or_new(secret)
        self.greeting = f"Sending to {self.url}, signed with {self._secret if secret is None else 'your secret'}"
        self._previous_seq = 0
        self._client = httpx.Client(
            timeout=TIMEOUT_S, trust_env=False, follow_redirects=False, verify=trust or ssl.create_default_context()
        )

    def deliver(self, event: Event, tries: int, tell: Callable[[Answer, float | None], None]) -> bool:
        """Send an event until it is accepted, up to `tries` times; whether it was.

        `tell` is called after each try, with the seconds until the next one, None where there is none.
        """
        for number in range(tries):
            answer = self._post(event)
            is_last = answer.accepted or number + 1 >= tries
            tell(answer, None if is_last else PAUSES_S[number])
            if is_last:
                break
            time.sleep(PAUSES_S[number])
        self._previous_seq = event.seq
        return answer.accepted

    def _post(self, event: Event) -> Answer:
        headers = signing.headers(
            event_id=event.event_id,
            type=event.type,
            previous_seq=self._previous_seq,
            body=event.body,
            secrets=[self._secret],
            now=clock.now(),
        )
        began_s = clock.monotonic_s()

        def ended(status: int | None, problem: str = "", text: str = "") -> Answer:
            duration_s = clock.monotonic_s() - began_s
            if status is not None and duration_s > TIMEOUT_S:  # it came in pieces
                status, problem = None, "timeout"
            return Answer(status, problem, round(duration_s * 1000), text)

        try:
            with self._client.stream("POST", self.url, content=event.body, headers=headers) as answer:
                answered = ended(answer.status_code)
                if answered.accepted or answered.status is None:
                    return answered
                return ended(answer.status_code, text=_start_of(answer))
        except httpx.TimeoutException:
            return ended(None, "timeout")
        except httpx.ConnectError as error:
            return ended(None, "tls" if "SSL" in str(error) else "refused")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return ended(None, "broken off", str(error))


def secret_or_new(secret: str | None) -> str:
    """The given secret, checked, or a new one. Raises ClickException."""
    if secret is None:
        return signing.new_secret()
    try:
        if not base64.b64decode(secret.removeprefix(signing.SECRET_PREFIX), validate=True):
            raise ValueError
    except (binascii.Error, ValueError):
        raise click.ClickException("the secret must be whsec_ and base64, as the cabinet shows it") from None
    if not secret.startswith(signing.SECRET_PREFIX):
        raise click.ClickException("the secret must be whsec_ and base64, as the cabinet shows it")
    return secret


def _start_of(answer: httpx.Response) -> str:
    """The first line of an answer's body, cut."""
    text = b""
    for chunk in answer.iter_bytes(MAX_SHOWN_BYTES):
        text += chunk
        break
    line = text[:MAX_SHOWN_BYTES].decode(errors="replace").strip().partition("\n")[0]
    return "".join(character if character.isprintable() else "?" for character in line)
