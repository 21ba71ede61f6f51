"""JSON-RPC over HTTP to the nodes of a network: batches, several nodes, every answer checked.

We use no general client library. Here each answer is decoded straight into the type that we expect, and no middleware
retries, caches or accepts malformed answers.

Node URLs often hold a key. This module writes no log, names a node by scheme and host, and drives httpx's
transport directly because httpx's client logs each URL in full.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

import httpx
import msgspec

from app.core.connecting import KEEPALIVE
from app.networks.config import NodeUrl
from app.networks.port import NodeUnavailable, UnreadableAnswer

CONNECT_TIMEOUT_S = 3.0
REQUEST_TIMEOUT_S = 20.0  # from the first byte sent to the last one read
MAX_ANSWER_BYTES = 64 * 2**20  # ten full blocks of the largest EVM chains have less than half of it
MAX_ERROR_CHARACTERS = 200
SECRET_CHARACTERS = 8  # a part of a node's path or query as long as this is treated as a key
KEEPALIVE_S = 60.0

T = TypeVar("T")


class RefusedByNode(NodeUnavailable):
    """The node refused the call: a range too wide, a limit reached, a method it doesn't offer. `code` is its own."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class NobodyAnswered(NodeUnavailable):
    """Each node failed in its own way; `failures` has them in the order in which they were asked."""

    def __init__(self, failures: Sequence[NodeUnavailable]) -> None:
        super().__init__("; ".join(str(failure) for failure in failures))
        self.failures = failures


class AnswerTooLarge(UnreadableAnswer):
    """The answer is longer than `MAX_ANSWER_BYTES`. Request less at a time."""


class Call(msgspec.Struct, Generic[T], frozen=True):
    """One JSON-RPC call, and the type of its result. The result is None where the node answers an error of
    `none_on`, such as the one for what it doesn't know."""

    method: str
    params: tuple[Any, ...]
    result: Any  # the type T, or a union with None; `type[T]` can't say the latter
    none_on: frozenset[int] = frozenset()


class WireError(msgspec.Struct, frozen=True):
    """JSON-RPC's error object."""

    code: int
    message: str


class WireReply(msgspec.Struct, frozen=True):
    """One JSON-RPC reply: `result`, which may be null, or `error`."""

    id: int | None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: WireError | None = None


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """How a kind of node differs from JSON-RPC 2.0 over HTTP.

    `status_words` says what an HTTP status other than 200 means, `error_words` the same of an error's code.
    `body_counts`: an answer of JSON counts whatever its HTTP status is. `authorisation` gives the Authorization header
    of nodes whose URL has no user info; it is called for each request, and may raise NodeUnavailable.
    """

    status_words: Mapping[int, str] = {}
    error_words: Mapping[int, str] = {}
    body_counts: bool = False
    authorisation: Callable[[], str] | None = None


class Nodes:
    """A network's nodes. The one that answered last is asked first; the others in turn when it fails.

    Every call only reads or submits signed bytes, so a retry is always safe.
    """

    def __init__(self, urls: Sequence[NodeUrl], dialect: Dialect | None = None) -> None:
        if not urls:
            raise ValueError("a network needs at least one node")
        self._nodes = [Node(url, dialect or Dialect()) for url in urls]
        self._preferred = 0

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, number: int) -> "Node":
        return self._nodes[number]

    @property
    def preferred(self) -> int:
        """The number of the node that answered last."""
        return self._preferred

    def prefer(self, number: int) -> None:
        """Ask this node first from now on."""
        self._preferred = number

    async def ask(self, calls: Sequence[Call[Any]], *, timeout_s: float | None = None) -> list[Any]:
        """The results of `calls`, in their order, all from one request to one node.

        Raises `NodeUnavailable` (or `RefusedByNode`) where no node gave them, `UnreadableAnswer`.
        """
        failures: list[NodeUnavailable] = []
        for turn in range(len(self._nodes)):
            number = (self._preferred + turn) % len(self._nodes)
            try:
                results = await self._nodes[number].ask(calls, timeout_s=timeout_s)
            except NodeUnavailable as failure:
                failures.append(failure)
                continue
            self._preferred = number
            return results
        if len(failures) == 1 or all(isinstance(failure, RefusedByNode) for failure in failures):
            raise failures[0]
        raise NobodyAnswered(failures)

    async def aclose(self) -> None:
        """Close the connections to all nodes."""
        for node in self._nodes:
            await node.aclose()


@cache
def tls_context() -> ssl.SSLContext:
    """Verification of a node's certificate. One for the process: to read the list of authorities takes 50 ms."""
    return httpx.create_ssl_context(trust_env=False)


class Node:
    """One node: a connection pool and the JSON-RPC envelope."""

    def __init__(self, url: NodeUrl, dialect: Dialect) -> None:
        self.label = url.label
        self._dialect = dialect
        self._url = httpx.URL(url.reveal())
        parts = re.split(r"[/?&=:]", f"{self._url.path}?{self._url.query.decode()}:{self._url.password}")
        self._secrets = [part for part in parts if len(part) >= SECRET_CHARACTERS]
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if self._url.userinfo:
            self._headers["Authorization"] = basic(unquote(self._url.userinfo.decode("ascii")))
        self._transport = httpx.AsyncHTTPTransport(
            verify=tls_context(),
            trust_env=False,
            limits=httpx.Limits(max_connections=8, keepalive_expiry=KEEPALIVE_S),
            socket_options=KEEPALIVE,
        )

    async def ask(self, calls: Sequence[Call[Any]], *, timeout_s: float | None = None) -> list[Any]:
        """The results of `calls`, in their order, from one request. Raises as `Nodes.ask`."""
        body = msgspec.json.encode(
            [
                {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
                for number, call in enumerate(calls)
            ]
        )
        replies = self._replies(await self._posted(body, REQUEST_TIMEOUT_S if timeout_s is None else timeout_s))
        if len(replies) != len(calls) or {reply.id for reply in replies} != set(range(len(calls))):
            raise UnreadableAnswer(f"{self.label}: the replies don't match our calls")
        by_id = {reply.id: reply for reply in replies}
        return [self._result(call, by_id[number]) for number, call in enumerate(calls)]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def _replies(self, answer: bytes) -> list[WireReply]:
        try:
            decoded = _decoder(list[WireReply] | WireReply).decode(answer)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise UnreadableAnswer(f"{self.label}: not a JSON-RPC answer: {error}") from None
        if isinstance(decoded, list):
            return decoded
        # A batch that is refused as a whole is answered with one object (JSON-RPC 2.0, section 6).
        if decoded.error is not None:
            raise self._refusal("batch", decoded.error)
        raise UnreadableAnswer(f"{self.label}: one reply to a batch of calls")

    def _result(self, call: Call[Any], reply: WireReply) -> Any:
        if reply.error is not None:
            if reply.error.code in call.none_on:
                return None
            raise self._refusal(call.method, reply.error)
        if isinstance(reply.result, msgspec.UnsetType):
            raise UnreadableAnswer(f"{self.label}: {call.method}: neither result nor error")
        try:
            return _decoder(call.result).decode(reply.result)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise UnreadableAnswer(f"{self.label}: {call.method}: {error}") from None

    def _refusal(self, what: str, error: WireError) -> RefusedByNode:
        reason = error.message[:MAX_ERROR_CHARACTERS]
        for secret in self._secrets:  # a node may quote the URL it was called by
            reason = reason.replace(secret, "…")
        words = self._dialect.error_words.get(error.code)
        meaning = f"{what} refused" if words is None else words
        return RefusedByNode(f"{self.label}: {meaning}: {error.code} {reason!r}", error.code)

    async def _posted(self, body: bytes, timeout_s: float) -> bytes:
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    return await self._once(body, timeout_s)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    # A kept connection that the node had just closed; a new one shows whether it is down.
                    return await self._once(body, timeout_s)
        except TimeoutError:
            raise NodeUnavailable(f"{self.label}: no answer within {timeout_s:g} s") from None
        except httpx.DecodingError:
            raise UnreadableAnswer(f"{self.label}: the answer can't be decompressed") from None
        except httpx.HTTPError as error:
            raise NodeUnavailable(f"{self.label}: {type(error).__name__}") from None

    async def _once(self, body: bytes, timeout_s: float) -> bytes:
        timeouts = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
        headers = self._headers
        if "Authorization" not in headers and self._dialect.authorisation is not None:
            headers = {**headers, "Authorization": self._dialect.authorisation()}
        request = httpx.Request(
            "POST", self._url, headers=headers, content=body, extensions={"timeout": timeouts.as_dict()}
        )
        response = await self._transport.handle_async_request(request)
        try:
            if response.status_code != 200 and not self._dialect.body_counts:
                raise self._failed(response.status_code)
            answer = bytearray()
            async for part in response.aiter_bytes():
                answer += part
                if len(answer) > MAX_ANSWER_BYTES:
                    raise AnswerTooLarge(f"{self.label}: an answer of more than {MAX_ANSWER_BYTES} bytes")
            if response.status_code != 200 and not answer.lstrip().startswith((b"{", b"[")):
                raise self._failed(response.status_code)
            return bytes(answer)
        finally:
            await response.aclose()

    def _failed(self, status: int) -> NodeUnavailable:
        words = self._dialect.status_words.get(status)
        return NodeUnavailable(f"{self.label}: HTTP status {status}{f': {words}' if words else ''}")


def basic(user_info: str) -> str:
    """The Authorization header of `user:password` (RFC 7617)."""
    return f"Basic {base64.b64encode(user_info.encode()).decode()}"


@lru_cache(maxsize=64)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
