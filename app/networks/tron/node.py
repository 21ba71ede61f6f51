"""java-tron's HTTP API: POST of JSON, several nodes, every answer read for what it is.

A node answers with HTTP status 200 whatever has happened: what was asked for, `{}` for what it doesn't know, or an
object with `Error`. A provider in front of it refuses in its own words when somebody asks too often.

Every request only reads or submits signed bytes, so a retry is always safe.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeVar, cast

import msgspec

from app.core import clock, metrics
from app.networks.config import NodeUrl
from app.networks.http_node import OK, HttpAnswer, HttpNode, NobodyAnswered
from app.networks.port import NodeUnavailable, UnreadableAnswer, WrongChain
from app.networks.throttle import Throttle, wait_for_turn
from app.networks.tron.config import TronConfig
from app.networks.tron.wire import WireBlockHeader

API_KEY_HEADER = "TRON-PRO-API-KEY"

IDENTITY_S = 600.0
"""How long a node's first block is not asked for again."""

LIMIT_REST_S = 30.0
"""What TronGrid names; used where an answer names no time."""

BUSY_REST_S = 5.0
"""After a status 503 that doesn't speak of a limit: the node may just be starting."""

LONGEST_REST_S = 300.0
LONGEST_NAMED_REST_S = 3_600.0

SHORT_ANSWER_BYTES = 8_192
"""Errors are shorter; in a longer answer nobody looks for one."""

MAX_ERROR_CHARACTERS = 200

UNAUTHORISED, FORBIDDEN, TOO_LARGE, TOO_MANY, UNAVAILABLE = 401, 403, 413, 429, 503

T = TypeVar("T")

_LIMIT_WORDS = re.compile(r"frequency limit|rate limit|too many requests|exceed|suspended|quota", re.IGNORECASE)
_NODE_LIMIT = "lack of computing resources"
"""A node's own limit of requests (java-tron's rate.limiter)."""
_KEY_WORDS = re.compile(
    r"api[\s_-]?key[^.]*(not exist|invalid|unknown|disabled)|(invalid|unknown)[^.]*key", re.IGNORECASE
)
_NAMED_S = re.compile(r"(?:suspended|retry|wait)\D{0,20}(\d{1,5})\s*s\b", re.IGNORECASE)
_LITE_WORDS = "lite fullnode"


class Refused(NodeUnavailable):
    """The node refused a request. `reason` is its own words, without secrets."""

    def __init__(self, label: str, path: str, reason: str) -> None:
        super().__init__(f"{label}: {path} refused: {reason!r}")
        self.reason = reason


class LiteNode(Refused):
    """The node keeps only the newest state, and answers nothing about blocks."""


class LimitReached(NodeUnavailable):
    """A provider's limit, or the node's own, is reached: nothing is sent to it for `rest_s` seconds."""

    def __init__(self, label: str, rest_s: float, reason: str = "") -> None:
        words = f": {reason!r}" if reason else ""
        super().__init__(f"{label}: its limit of requests is reached; none is sent for {rest_s:.0f} s{words}")
        self.rest_s = rest_s


class KeyRejected(NodeUnavailable):
    """The provider doesn't know the API key, or asks for one."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(f"{label}: the API key is refused: {reason!r}")


class TronNodes:
    """A network's nodes. The one that answered last is asked first; the others in turn when it fails. Full nodes and
    those that know only final blocks may be different hosts: the path says which are asked."""

    def __init__(self, config: TronConfig, throttle: Throttle) -> None:
        self._config = config
        self._full = [TronNode(url, config, throttle, "wallet") for url in config.rpc_urls]
        is_same = config.final_urls == config.rpc_urls or not config.solidity_urls
        self._final = (
            self._full
            if is_same
            else [TronNode(url, config, throttle, "walletsolidity") for url in config.solidity_urls]
        )
        self._preferred: dict[int, int] = {}

    @property
    def full(self) -> Sequence["TronNode"]:
        """The full nodes, in the order of the configuration."""
        return self._full

    @property
    def final(self) -> Sequence["TronNode"]:
        """The nodes that are asked for final blocks alone: the same ones, or others."""
        return self._final

    async def ask(
        self,
        path: str,
        body: object,
        kind: type[T],
        *,
        check: Callable[[str, T], None] | None = None,
        timeout_s: float | None = None,
    ) -> T:
        """What one node answers at `path` (`wallet/…` or `walletsolidity/…`), as `kind`.

        `check` is given a node's label and its answer; it may raise NodeUnavailable, and the next node is asked. Raises
        `NodeUnavailable` (also `Refused`, `LimitReached`, `KeyRejected`) where no node gave an answer,
        `UnreadableAnswer` (also for `{}`), `WrongChain` where every node is on another chain.
        """
        answer = await self.find(path, body, kind, check=check, timeout_s=timeout_s)
        if answer is None:
            raise UnreadableAnswer(f"{self._config.key}: {path}: an empty answer")
        return answer

    async def find(
        self,
        path: str,
        body: object,
        kind: type[T],
        *,
        check: Callable[[str, T], None] | None = None,
        timeout_s: float | None = None,
    ) -> T | None:
        """The same, or None for `{}`, which is how a node says that it doesn't know what was asked for."""

        async def one(node: TronNode) -> T | None:
            answer = await node.find(path, body, kind, timeout_s=timeout_s)
            if answer is not None and check is not None:
                check(node.label, answer)
            return answer

        return await self._first(self._of(path), one)

    async def find_at_each(self, path: str, body: object, kind: type[T]) -> list[T | None]:
        """What each of the nodes answers, None for `{}`. Raises as soon as one of them gives no answer."""
        answers: list[T | None] = []
        for node in self._of(path):
            await node.check_identity()
            answers.append(await node.find(path, body, kind))
        return answers

    async def check_identity(self) -> None:
        """Return if a full node is on the configured chain. Raises as `ask`."""
        await self._first(self._full, TronNode.check_identity)

    async def aclose(self) -> None:
        """Close the connections to all nodes."""
        for node in {id(node): node for node in (*self._full, *self._final)}.values():
            await node.aclose()

    def _of(self, path: str) -> "list[TronNode]":
        return self._final if path.startswith("walletsolidity/") else self._full

    async def _first(self, nodes: "list[TronNode]", work: "Callable[[TronNode], Awaitable[T]]") -> T:
        """What `work` gives for the first node, in turn, that is of our chain and for which it doesn't fail."""
        first = self._preferred.get(id(nodes), 0)
        failures: list[NodeUnavailable] = []
        wrong: list[WrongChain] = []
        for turn in range(len(nodes)):
            number = (first + turn) % len(nodes)
            try:
                await nodes[number].check_identity()
                answer = await work(nodes[number])
            except NodeUnavailable as failure:
                failures.append(failure)
                continue
            except WrongChain as error:
                wrong.append(error)
                continue
            self._preferred[id(nodes)] = number
            return answer
        if wrong and not failures:
            raise wrong[0]
        if not wrong and (len(failures) == 1 or all(isinstance(each, LimitReached) for each in failures)):
            raise failures[0]
        raise NobodyAnswered([*failures, *(NodeUnavailable(str(error)) for error in wrong)])


REQUESTS = metrics.counter("swap_pay_node_requests", "Requests sent to a node", ["network", "node"])
LIMITS = metrics.counter("swap_pay_node_limits", "Times that a node's limit of requests was met", ["network", "node"])


class TronNode:
    """One node. `root` is the path of its questions about itself: `wallet`, or `walletsolidity` where it knows only
    final blocks."""

    def __init__(
        self, url: NodeUrl, config: TronConfig, throttle: Throttle, root: Literal["wallet", "walletsolidity"]
    ) -> None:
        self.label = url.label
        self.root = root
        self._config = config
        self._throttle = throttle
        self._http = HttpNode(url, {} if config.api_key is None else {API_KEY_HEADER: config.api_key})
        self._subject = url.label
        if config.api_key is not None:
            # Whoever uses another key is counted apart. The key itself stays out of Redis.
            self._subject += f"#{hashlib.sha256(config.api_key.reveal().encode()).hexdigest()[:16]}"
        self._limits_in_a_row = 0
        self._identified_at_s: float | None = None

    async def check_identity(self) -> None:
        """Return if the node's first block is the configured one; it is asked again after a while. Raises
        `WrongChain`."""
        now_s = clock.monotonic_s()
        if self._identified_at_s is not None and now_s - self._identified_at_s < IDENTITY_S:
            return
        self._identified_at_s = None
        first = await self.find(f"{self.root}/getblock", header_body(0), WireBlockHeader)
        if first is None or first.block_id != self._config.genesis_hash:
            found = "none" if first is None else first.block_id
            raise WrongChain(f"{self._config.key}: {self.label}: block 0 is {found}, not {self._config.genesis_hash}")
        self._identified_at_s = now_s

    async def find(self, path: str, body: object, kind: type[T], *, timeout_s: float | None = None) -> T | None:
        """What the node answers, None for `{}`. Raises as `TronNodes.find`; its chain is not checked."""
        turn = await wait_for_turn(self._throttle, self._subject, self._config.requests_per_second)
        if turn.rest_s:
            raise LimitReached(self.label, turn.rest_s)
        REQUESTS.labels(self._config.key, self.label).inc()
        answer = await self._http.post(msgspec.json.encode(body), path=path, timeout_s=timeout_s)
        decoded = await self._decoded(answer, path, kind)
        self._limits_in_a_row = 0
        return decoded

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _decoded(self, answer: HttpAnswer, path: str, kind: type[T]) -> T | None:
        text = answer.body.strip() if len(answer.body) <= SHORT_ANSWER_BYTES else answer.body
        reason = _error_in(text) if len(text) <= SHORT_ANSWER_BYTES else None
        if answer.status != OK or reason is not None or not text.startswith((b"{", b"[")):
            words = text.decode("utf-8", "replace") if reason is None else reason
            raise await self._failure(answer.status, path, self._http.without_secrets(words)[:MAX_ERROR_CHARACTERS])
        if text == b"{}":
            return None
        try:
            return cast("T", _decoder(cast("Any", kind)).decode(text))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise UnreadableAnswer(f"{self.label}: {path}: {error}") from None

    async def _failure(self, status: int, path: str, words: str) -> NodeUnavailable:
        """What an answer that is not the one asked for means. A limit is told to all processes."""
        if status == UNAUTHORISED or _KEY_WORDS.search(words):
            return KeyRejected(self.label, words)
        is_limit = status in (TOO_MANY, FORBIDDEN) or _NODE_LIMIT in words or _LIMIT_WORDS.search(words) is not None
        if is_limit or status == UNAVAILABLE:
            rest_s = self._rest_s(words, LIMIT_REST_S if is_limit else BUSY_REST_S)
            self._limits_in_a_row += 1
            LIMITS.labels(self._config.key, self.label).inc()
            await self._throttle.rest(self._subject, rest_s)
            return LimitReached(self.label, rest_s, words) if is_limit else _busy(self.label, rest_s)
        if _LITE_WORDS in words:
            return LiteNode(self.label, path, words)
        if status not in (OK, TOO_LARGE) and not words.startswith(("class ", "this API")):
            return NodeUnavailable(f"{self.label}: HTTP status {status}")
        return Refused(self.label, path, words if status == OK else f"{status} {words}")

    def _rest_s(self, words: str, usual_s: float) -> float:
        """How long to send nothing: what the answer says, else twice as long each time in a row."""
        if named := _NAMED_S.search(words):
            return min(max(float(named[1]), 1.0), LONGEST_NAMED_REST_S)
        return float(min(usual_s * 2 ** min(self._limits_in_a_row, 10), LONGEST_REST_S))


class WireProblem(msgspec.Struct, frozen=True, rename={"error": "Error"}):
    """How a node, or a provider in front of it, says that something went wrong."""

    error: str | None = None


def header_body(height: int) -> dict[str, object]:
    """The question for a block's header alone, at `getblock`."""
    return {"id_or_num": str(height), "detail": False}


def _busy(label: str, rest_s: float) -> NodeUnavailable:
    return NodeUnavailable(f"{label}: HTTP status {UNAVAILABLE}; nothing is sent to it for {rest_s:.0f} s")


def _error_in(answer: bytes) -> str | None:
    """The text of an error in an answer; None where there is none."""
    if b'"Error"' not in answer:
        return None
    try:
        return cast("WireProblem", _decoder(WireProblem).decode(answer)).error
    except (msgspec.MsgspecError, RecursionError):
        return None


@lru_cache(maxsize=64)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
