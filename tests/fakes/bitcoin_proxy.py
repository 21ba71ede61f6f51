"""A proxy in front of a real Bitcoin node that sets its estimate of fees, and loses replies, as the test says.

A node in regtest has no estimate, or an accidental one, and can't be made to accept a transaction and lose its own
reply. Everything else is the real node's own answer, byte for byte.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.networks.http_node import tls_context
from tests.fakes.evm_node import fake_node


class BitcoinProxy:
    """Relays requests to the node at `target`. `estimate_sat_vb` is what it estimates, None for no estimate."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.estimate_sat_vb: int | None = 5
        self.lost_replies: set[str] = set()
        """Methods whose calls reach the node, and whose replies don't reach us."""
        self.calls: list[dict[str, Any]] = []
        """Every call that was relayed."""
        self._client = httpx.AsyncClient(base_url=target, verify=tls_context(), trust_env=False, timeout=30)

    async def answer(self, body: bytes) -> tuple[int, bytes]:
        """Answer one request. Raises ConnectionError, which closes the connection."""
        calls = json.loads(body)
        self.calls += calls
        methods = [call["method"] for call in calls]
        reply = await self._client.post("", content=body, headers={"Content-Type": "application/json"})
        if self.lost_replies & set(methods):
            raise ConnectionResetError
        if "estimatesmartfee" not in methods:
            return reply.status_code, reply.content
        answers = reply.json()
        asked = calls[methods.index("estimatesmartfee")]["id"]
        for answer in answers:
            if answer["id"] == asked:
                answer["result"] = self._estimate()
        return reply.status_code, json.dumps(answers).encode()

    def count(self, method: str) -> int:
        """How many calls of a method were relayed."""
        return sum(call["method"] == method for call in self.calls)

    async def aclose(self) -> None:
        await self._client.aclose()

    def _estimate(self) -> dict[str, Any]:
        if self.estimate_sat_vb is None:
            return {"errors": ["Insufficient data or no feerate found"], "blocks": 0}
        return {"feerate": self.estimate_sat_vb / 100_000, "blocks": 3}


@asynccontextmanager
async def bitcoin_proxy(target: str) -> AsyncIterator[BitcoinProxy]:
    """A running `BitcoinProxy`."""
    proxy = BitcoinProxy(target)
    async with fake_node(proxy.answer) as node:
        proxy.url = node.url
        try:
            yield proxy
        finally:
            await proxy.aclose()
