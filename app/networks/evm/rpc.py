"""Reading from EVM nodes: JSON-RPC batches over HTTP, several nodes, every answer checked.

We use no general Ethereum library. Here each answer is decoded straight into the type that we expect, each batch also
asks for the chain id, and no middleware retries, caches or accepts malformed answers.

Node URLs often hold a key. This module writes no log, names a node by scheme and host, and drives httpx's
transport directly because httpx's client logs each URL in full.
"""

import asyncio
import base64
import re
import ssl
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Generic, TypeVar, cast
from urllib.parse import unquote

import httpx
import msgspec

from app.core.connecting import KEEPALIVE
from app.networks.config import NodeUrl
from app.networks.evm.wire import Quantity, WireReply
from app.networks.port import NodeUnavailable, UnreadableAnswer, WrongChain

CONNECT_TIMEOUT_S = 3.0
REQUEST_TIMEOUT_S = 20.0  # from the first byte sent to the last one read
MAX_ANSWER_BYTES = 64 * 2**20  # ten full blocks of the largest chains have less than half of it
MAX_ERROR_CHARACTERS = 200
SECRET_CHARACTERS = 8  # a part of a node's path or query as long as this is treated as a key
KEEPALIVE_S = 60.0

T = TypeVar("T")


class RefusedByNode(NodeUnavailable):
    """The node refused the call: a range too wide, a limit reached, a method it doesn't offer."""


class NobodyAnswered(NodeUnavailable):
    """Each node failed in its own way; `failures` has them in the order in which they were asked."""

    def __init__(self, failures: Sequence[NodeUnavailable]) -> None:
        super().__init__("; ".join(str(failure) for failure in failures))
        self.failures = failures


class AnswerTooLarge(UnreadableAnswer):
    """The answer is longer than `MAX_ANSWER_BYTES`. Request less at a time."""


class Call(msgspec.Struct, Generic[T], frozen=True):
    """One JSON-RPC call, and the type of its result."""

    method: str
    params: tuple[Any, ...]
    result: Any  # the type T, or a union with None; `type[T]` can't say the latter


CHAIN_ID: Call[str] = Call("eth_chainId", (), Quantity)


class EvmRpc:
    """A network's nodes. The one that answered last is asked first; the others in turn when it fails.

    Every call only reads or submits signed bytes, so a retry is always safe.
    """

    def __init__(self, urls: Sequence[NodeUrl], chain_id: int) -> None:
        if not urls:
            raise ValueError("a network needs at least one node")
        self._nodes = [_Node(url) for url in urls]
        self._preferred = 0
        self._chain_id = chain_id

    async def ask(self, calls: Sequence[Call[T]]) -> list[T]:
        """The results of `calls`, in their order, all from one request to one node on the right chain.

        Raises `NodeUnavailable` (or `RefusedByNode`) where no node gave them, `UnreadableAnswer`,
        `WrongChain`.
        """
        stated, *results = await self._first_answer([CHAIN_ID, *calls])
        if int(stated, 16) != self._chain_id:
            node = self._nodes[self._preferred]
            raise WrongChain(f"{node.label}: is on chain {int(stated, 16)}, configured is {self._chain_id}")
        return cast("list[T]", results)

    async def chain_id(self) -> int:
        """The chain id that the preferred node states, unchecked."""
        (stated,) = await self._first_answer([CHAIN_ID])
        return int(stated, 16)

    async def aclose(self) -> None:
        """Close the connections to all nodes."""
        for node in self._nodes:
            await node.aclose()

    async def _first_answer(self, calls: Sequence[Call[Any]]) -> list[Any]:
        failures: list[NodeUnavailable] = []
        for turn in range(len(self._nodes)):
            number = (self._preferred + turn) % len(self._nodes)
            try:
                results = await self._nodes[number].ask(calls)
            except NodeUnavailable as failure:
                failures.append(failure)
                continue
            self._preferred = number
            return results
        if len(failures) == 1 or all(isinstance(failure, RefusedByNode) for failure in failures):
            raise failures[0]
        raise NobodyAnswered(failures)


@cache
def tls_context() -> ssl.SSLContext:
    """Verification of a node's certificate. One for the process: to read the list of authorities takes 50 ms."""
    return httpx.create_ssl_context(trust_env=False)


class _Node:
    """One node: a connection pool and the JSON-RPC envelope."""

    def __init__(self, url: NodeUrl) -> None:
        self.label = url.label
        self._url = httpx.URL(url.reveal())
        parts = re.split(r"[/?&=:]", f"{self._url.path}?{self._url.query.decode()}:{self._url.password}")
        self._secrets = [part for part in parts if len(part) >= SECRET_CHARACTERS]
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if self._url.userinfo:
            user_info = unquote(self._url.userinfo.decode("ascii")).encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(user_info).decode()}"
        self._transport = httpx.AsyncHTTPTransport(
            verify=tls_context(),
            trust_env=False,
            limits=httpx.Limits(max_connections=8, keepalive_expiry=KEEPALIVE_S),
            socket_options=KEEPALIVE,
        )

    async def ask(self, calls: Sequence[Call[Any]]) -> list[Any]:
        body = msgspec.json.encode(
            [
                {"jsonrpc": "2.0", "id": number, "method": call.method, "params": call.params}
                for number, call in enumerate(calls)
            ]
        )
        replies = self._replies(await self._posted(body))
        if len(replies) != len(calls) or {reply.id for reply in replies} != set(range(len(calls))):
            raise UnreadableAnswer(f"{self.label}: the replies don't match our calls")
        by_id = {reply.id: reply for reply in replies}
        return [self._result(call, by_id[number]) for number, call in enumerate(calls)]

    async def aclose(self) -> None:
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
            raise self._refusal("batch", decoded)
        raise UnreadableAnswer(f"{self.label}: one reply to a batch of calls")

    def _result(self, call: Call[Any], reply: WireReply) -> Any:
        if reply.error is not None:
            raise self._refusal(call.method, reply)
        if isinstance(reply.result, msgspec.UnsetType):
            raise UnreadableAnswer(f"{self.label}: {call.method}: neither result nor error")
        try:
            return _decoder(call.result).decode(reply.result)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise UnreadableAnswer(f"{self.label}: {call.method}: {error}") from None

    def _refusal(self, what: str, reply: WireReply) -> RefusedByNode:
        assert reply.error is not None
        reason = reply.error.message[:MAX_ERROR_CHARACTERS]
        for secret in self._secrets:  # a node may quote the URL it was called by
            reason = reason.replace(secret, "…")
        return RefusedByNode(f"{self.label}: {what} refused: {reply.error.code} {reason!r}")

    async def _posted(self, body: bytes) -> bytes:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                try:
                    return await self._once(body)
                except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                    # A kept connection that the node had just closed; a new one shows whether it is down.
                    return await self._once(body)
        except TimeoutError:
            raise NodeUnavailable(f"{self.label}: no answer within {REQUEST_TIMEOUT_S:g} s") from None
        except httpx.DecodingError:
            raise UnreadableAnswer(f"{self.label}: the answer can't be decompressed") from None
        except httpx.HTTPError as error:
            raise NodeUnavailable(f"{self.label}: {type(error).__name__}") from None

    async def _once(self, body: bytes) -> bytes:
        timeouts = httpx.Timeout(REQUEST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        request = httpx.Request(
            "POST", self._url, headers=self._headers, content=body, extensions={"timeout": timeouts.as_dict()}
        )
        response = await self._transport.handle_async_request(request)
        try:
            if response.status_code != 200:
                raise NodeUnavailable(f"{self.label}: HTTP status {response.status_code}")
            answer = bytearray()
            async for part in response.aiter_bytes():
                answer += part
                if len(answer) > MAX_ANSWER_BYTES:
                    raise AnswerTooLarge(f"{self.label}: an answer of more than {MAX_ANSWER_BYTES} bytes")
            return bytes(answer)
        finally:
            await response.aclose()


@lru_cache(maxsize=64)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
