"""A request of the API: which node is asked, for its solid state or not, with which JSON."""

from typing import Any

from app.sandbox.tron_double.accounts import Account
from app.sandbox.tron_double.addresses import from_text
from app.sandbox.tron_double.chain import Chain
from app.sandbox.tron_double.node import Node
from app.sandbox.tron_double.state import Block, State

Json = dict[str, Any]

_BOOLEANS = {"true": True, "false": False}


class Request:
    """One request to one node."""

    def __init__(self, chain: Chain, node: Node, body: Json, *, solid: bool) -> None:
        self.chain = chain
        self.node = node
        self.body = body
        self.solid = solid

    @property
    def state(self) -> State:
        """The chain's state."""
        return self.chain.state

    @property
    def is_visible(self) -> bool:
        """Whether addresses are shown as base58check."""
        return self.flag("visible")

    @property
    def head(self) -> Block:
        """The newest block of the node."""
        return self.state.blocks[self.node.head(self.state, solid=self.solid)]

    def address(self, name: str, default: str | None = None) -> str:
        """An address of the request, in hex. Raises ValueError."""
        given = self.body.get(name, default)
        if not isinstance(given, str):
            raise ValueError("INVALID address")
        return from_text(given)

    def flag(self, name: str) -> bool:
        """A flag of the request, which a GET gives as text."""
        given = self.body.get(name, False)
        return bool(_BOOLEANS.get(given, given) if isinstance(given, str) else given)

    def number(self, name: str) -> int:
        """A number of the request, 0 where it has none. Raises ValueError."""
        return int(self.body.get(name, 0))

    def account(self, address: str) -> Account | None:
        """An account as the node knows it."""
        return self.node.account(self.state, address, solid=self.solid)
