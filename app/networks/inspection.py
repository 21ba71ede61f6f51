"""What is found out about a network's nodes for the doctor, one by one: `swap-pay doctor` prints it."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec


class NodeFinding(msgspec.Struct, frozen=True):
    """One fact about a node. `unsafe`: payments may be missed or wrong now. `warning`: they may be later, or something
    does not work. `advice`: an improvement. The message says what to do, and never contains a secret."""

    severity: Literal["ok", "advice", "warning", "unsafe"]
    message: str


Inspect = Callable[[Any, int | None], Awaitable[list[NodeFinding]]]
"""Looks at every node of a network; it is given the network's configuration, and the height of the next block to read,
None where nothing has been read yet. What a node refuses is a finding; it raises nothing."""
