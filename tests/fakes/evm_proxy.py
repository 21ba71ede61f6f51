"""A proxy in front of a real node that loses requests or replies as the test sets it.

A real node can't be made to accept a transaction and lose its own reply, nor to be away for an hour of the tests'
clock. Everything that gets through is the real node's own answer, byte for byte.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from app.networks.http_node import tls_context
from tests.fakes.evm_node import fake_node


class EvmProxy:
    """Relays requests to the node at `target`, except those that the test drops."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.is_down = False
        self.lost_replies: set[str] = set()
        """Methods whose calls reach the node, and whose replies don't reach us."""
        self.sent: list[str] = []
        """Every signed transaction that was submitted, in hex."""
        self.refuses: dict[str, str] = {}
        """Methods that are refused, with the error message."""
        self._client = httpx.AsyncClient(base_url=target, verify=tls_context(), trust_env=False, timeout=30)

    async def answer(self, body: bytes) -> tuple[int, bytes]:
        """Answer one request. Raises ConnectionError, which closes the connection."""
        if self.is_down:
            raise ConnectionResetError
        calls = json.loads(body)
        methods = {call["method"] for call in calls}
        self.sent += [call["params"][0] for call in calls if call["method"] == "eth_sendRawTransaction"]
        if refused := methods & self.refuses.keys():
            error = {"code": -32000, "message": self.refuses[refused.pop()]}
            return 200, json.dumps([{"jsonrpc": "2.0", "id": call["id"], "error": error} for call in calls]).encode()
        reply = await self._client.post("", content=body, headers={"Content-Type": "application/json"})
        if methods & self.lost_replies:
            raise ConnectionResetError
        return reply.status_code, reply.content

    async def aclose(self) -> None:
        await self._client.aclose()


@asynccontextmanager
async def evm_proxy(target: str) -> AsyncIterator[EvmProxy]:
    """A running `EvmProxy`."""
    proxy = EvmProxy(target)
    async with fake_node(proxy.answer) as node:
        proxy.url = node.url
        try:
            yield proxy
        finally:
            await proxy.aclose()
