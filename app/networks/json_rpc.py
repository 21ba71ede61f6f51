"""JSON-RPC over HTTP to the nodes of a network: batches, several nodes, every answer checked.

We use no general client library. Here each answer is decoded straight into the type that we expect, and no middleware
retries, caches or accepts malformed answers.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from app.networks.config import NodeUrl
from app.networks.http_node import OK, HttpNode, NobodyAnswered
from app.networks.port import NodeUnavailable, UnreadableAnswer

MAX_ERROR_CHARACTERS = 200

T = TypeVar("T")


class RefusedByNode(NodeUnavailable):
    """The node refused the call: a range too wide, a limit reached, a method it doesn't offer. `code` is its own."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


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


class Node:
    """One node: its connection and the JSON-RPC envelope."""

    def __init__(self, url: NodeUrl, dialect: Dialect) -> None:
        self.label = url.label
        self._dialect = dialect
        self._http = HttpNode(url)

    async def ask(self, calls: Sequence[Call[Any]], *, timeout_s: float | None = None) -> list[Any]:
        """The results of `calls`, in their order, from one request. Raises as `Nodes.ask`."""
        body = msgspec.json.encode(
            [
                {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
                for number, call in enumerate(calls)
            ]
        )
        replies = self._replies(await self._posted(body, timeout_s))
        if len(replies) != len(calls) or {reply.id for reply in replies} != set(range(len(calls))):
            raise UnreadableAnswer(f"{self.label}: the replies don't match our calls")
        by_id = {reply.id: reply for reply in replies}
        return [self._result(call, by_id[number]) for number, call in enumerate(calls)]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

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
        reason = self._http.without_secrets(error.message)[:MAX_ERROR_CHARACTERS]
        words = self._dialect.error_words.get(error.code)
        meaning = f"{what} refused" if words is None else words
        return RefusedByNode(f"{self.label}: {meaning}: {error.code} {reason!r}", error.code)

    async def _posted(self, body: bytes, timeout_s: float | None) -> bytes:
        headers = {}
        if not self._http.has_user_info and self._dialect.authorisation is not None:
            headers["Authorization"] = self._dialect.authorisation()
        status, answer = await self._http.post(
            body, headers=headers, timeout_s=timeout_s, reads_errors=self._dialect.body_counts
        )
        if status != OK and not answer.lstrip().startswith((b"{", b"[")):
            raise self._failed(status)
        return answer

    def _failed(self, status: int) -> NodeUnavailable:
        words = self._dialect.status_words.get(status)
        return NodeUnavailable(f"{self.label}: HTTP status {status}{f': {words}' if words else ''}")


@lru_cache(maxsize=64)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
