"""A merchant's server in the demo: calls the HTTP API with a key, and reads the webhooks that arrived."""

import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from app.sandbox.home import Interface

API = "/api/v1/merchant"
TIMEOUT_S = 10
POLL_S = 0.2
T = TypeVar("T")


class IntegratorError(Exception):
    """An expected result did not occur in time; the message is for the terminal."""


class Integrator:
    """A client of a running sandbox. It uses public interfaces only."""

    def __init__(self, interface: Interface) -> None:
        self._receiver = interface.webhook_receiver
        self._api = httpx.Client(
            base_url=interface.base_url,
            headers={"Authorization": f"Bearer {interface.api_key}"},
            timeout=TIMEOUT_S,
            trust_env=False,
        )
        trust = ssl.create_default_context(cafile=self._receiver.ca_file)
        self._hooks = httpx.Client(verify=trust, timeout=TIMEOUT_S, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._hooks.close()

    def get(self, path: str, **params: Any) -> Any:
        """GET a path below the API's base path. Returns the answer's JSON. Raises IntegratorError."""
        return self._json(lambda: self._api.get(API + path, params=params), f"GET {path}")

    def post(self, path: str, body: dict[str, Any], *, once: str) -> Any:
        """POST with the idempotency key `once`. Returns the answer's JSON. Raises IntegratorError."""
        headers = {"Idempotency-Key": once}
        return self._json(lambda: self._api.post(API + path, json=body, headers=headers), f"POST {path}")

    def page(self, url: str) -> str:
        """Fetch a public page without the key. Raises IntegratorError if the status is not 200."""
        try:
            answer = httpx.get(url, timeout=TIMEOUT_S, trust_env=False)
        except httpx.HTTPError as error:
            raise IntegratorError(f"{url} does not answer: {error}") from None
        if answer.status_code != 200:
            raise IntegratorError(f"{url} answers {answer.status_code}")
        return answer.text

    def webhooks(self, invoice_id: str) -> list[dict[str, Any]]:
        """The receiver's records of an invoice, oldest first. Raises IntegratorError."""
        listed = self._json(
            lambda: self._hooks.get(self._receiver.requests_url, params={"limit": "200000"}), "the receiver"
        )
        return [record for record in listed["data"] if record["body"] and invoice_id in record["body"]]

    def _json(self, ask: Callable[[], httpx.Response], what: str) -> Any:
        try:
            answer = ask()
        except httpx.HTTPError as error:
            raise IntegratorError(f"{what}: no answer: {error}") from None
        if answer.is_error:
            raise IntegratorError(f"{what}: {answer.status_code} {answer.text}")
        return answer.json()


def wait_for(what: str, look: Callable[[], T | None], timeout_s: float) -> T:
    """Poll until there is a result, and return it. Raises IntegratorError with `what` after the time limit."""
    deadline_s = time.monotonic() + timeout_s
    while (found := look()) is None:
        if time.monotonic() > deadline_s:
            raise IntegratorError(f"{what} did not happen within {timeout_s:g} s")
        time.sleep(POLL_S)
    return found
