"""A node's HTTP connection: POST of JSON, with limits on time and size.

Node URLs often hold a key. This module writes no log, names a node by scheme and host, and drives httpx's
transport directly because httpx's client logs each URL in full.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple
from urllib.parse import unquote

import httpx

from app.core.connecting import KEEPALIVE
from app.networks.config import NodeUrl, Secret
from app.networks.port import NodeUnavailable, UnreadableAnswer

CONNECT_TIMEOUT_S = 3.0
REQUEST_TIMEOUT_S = 20.0  # from the first byte sent to the last one read
MAX_ANSWER_BYTES = 64 * 2**20  # ten full blocks of the largest EVM chains have less than half of it
SECRET_CHARACTERS = 8  # a part of a node's path or query as long as this is treated as a key
MAX_CONNECTIONS = 8
KEEPALIVE_S = 60.0
OK = 200


class NobodyAnswered(NodeUnavailable):
    """Each node failed in its own way; `failures` has them in the order in which they were asked."""

    def __init__(self, failures: Sequence[NodeUnavailable]) -> None:
        super().__init__("; ".join(str(failure) for failure in failures))
        self.failures = failures


class AnswerTooLarge(UnreadableAnswer):
    """The answer is longer than `MAX_ANSWER_BYTES`. Request less at a time."""


class HttpAnswer(NamedTuple):
    """An answer's HTTP status, and its body without compression."""

    status: int
    body: bytes


@cache
def tls_context() -> ssl.SSLContext:
    """Verification of a node's certificate. One for the process: to read the list of authorities takes 50 ms."""
    return httpx.create_ssl_context(trust_env=False)


class HttpNode:
    """One node: a pool of connections."""

    def __init__(self, url: NodeUrl, secret_headers: Mapping[str, Secret] | None = None) -> None:
        """`secret_headers` are sent with each request, and appear in no message."""
        self.label = url.label
        self._url = httpx.URL(url.reveal())
        parts = re.split(r"[/?&=:]", f"{self._url.path}?{self._url.query.decode()}:{self._url.password}")
        self._secrets = [part for part in parts if len(part) >= SECRET_CHARACTERS]
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if self._url.userinfo:
            self._headers["Authorization"] = basic(unquote(self._url.userinfo.decode("ascii")))
        for name, secret in (secret_headers or {}).items():
            self._headers[name] = secret.reveal()
            self._secrets.append(secret.reveal())
        self._transport = httpx.AsyncHTTPTransport(
            verify=tls_context(),
            trust_env=False,
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_S),
            socket_options=KEEPALIVE,
        )

    @property
    def has_user_info(self) -> bool:
        """Whether the URL has a user and a password."""
        return "Authorization" in self._headers

    def without_secrets(self, text: str) -> str:
        """A text of the node's, for a message: it may quote the URL that it was called by."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    async def post(
        self,
        body: bytes,
        *,
        path: str = "",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        reads_errors: bool = True,
    ) -> HttpAnswer:
        """The answer to a body of JSON, sent to the URL, or to `path` below it. Safe for requests that may be repeated.

        With `reads_errors=False` the body of an answer with a status other than 200 is not read. Raises
        `NodeUnavailable` where there is no answer, `UnreadableAnswer` where its compression is wrong, `AnswerTooLarge`.
        """
        url = self._url
        if path:
            url = url.copy_with(path=f"{url.path.rstrip('/')}/{path}")
        limit_s = REQUEST_TIMEOUT_S if timeout_s is None else timeout_s
        request = httpx.Request(
            "POST",
            url,
            headers={**self._headers, **(headers or {})},
            content=body,
            extensions={"timeout": httpx.Timeout(limit_s, connect=CONNECT_TIMEOUT_S).as_dict()},
        )
        try:
            async with asyncio.timeout(limit_s):
                try:
                    return await self._once(request, reads_errors=reads_errors)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    # A kept connection that the node had just closed; a new one shows whether it is down.
                    return await self._once(request, reads_errors=reads_errors)
        except TimeoutError:
            raise NodeUnavailable(f"{self.label}: no answer within {limit_s:g} s") from None
        except httpx.DecodingError:
            raise UnreadableAnswer(f"{self.label}: the answer can't be decompressed") from None
        except httpx.HTTPError as error:
            raise NodeUnavailable(f"{self.label}: {type(error).__name__}") from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _once(self, request: "httpx.Request", *, reads_errors: bool) -> HttpAnswer:
        response = await self._transport.handle_async_request(request)
        try:
            answer = bytearray()
            if response.status_code == OK or reads_errors:
                async for part in response.aiter_bytes():
                    answer += part
                    if len(answer) > MAX_ANSWER_BYTES:
                        raise AnswerTooLarge(f"{self.label}: an answer of more than {MAX_ANSWER_BYTES} bytes")
            return HttpAnswer(response.status_code, bytes(answer))
        finally:
            await response.aclose()


def basic(user_info: str) -> str:
    """The Authorization header of `user:password` (RFC 7617)."""
    return f"Basic {base64.b64encode(user_info.encode()).decode()}"
