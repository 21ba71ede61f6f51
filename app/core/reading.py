"""From which server the current request or job reads: the primary, unless it was allowed a standby.

The permission lasts for one unit of work: a request, or a step of a job. Statements outside of a transaction then ask
the standby (core/database.py). Once one of them could not, all that follow ask the primary: what was read later is
never older than what was read before. A unit with the permission opens no transaction: what decides about a change is
read on the primary.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

READS = frozenset(("fetch", "fetchrow", "fetchval"))
"""Methods of a connection that may ask a standby. What changes rows and returns none is never sent to one."""


class WroteWhileReading(Exception):
    """A unit that was allowed to read from a standby opened a transaction."""


class Server(Protocol):
    """A standby, as `core.standby` has it."""

    @property
    def is_usable(self) -> bool:
        """Whether it may be asked now."""

    @property
    def pool(self) -> Any:
        """Its pool of connections."""

    def failed(self, error: Exception) -> None:
        """Note that a statement failed there, and is asked of the primary again."""


class Unit:
    """One request or one step of a job."""

    __slots__ = ("_server", "is_allowed")

    def __init__(self) -> None:
        self._server: Server | None = None
        self.is_allowed = False

    def allow(self, server: Server) -> None:
        """Let the statements that follow ask this standby."""
        self._server, self.is_allowed = server, True

    def leave(self) -> None:
        """Read from the primary from now on."""
        self._server = None

    @property
    def server(self) -> Server | None:
        """The standby that the next statement asks; None for the primary, and then for the rest of the unit."""
        if self._server is not None and not self._server.is_usable:
            self._server = None
        return self._server

    @property
    def was_all_from_standby(self) -> bool:
        """Whether everything since `allow` was read from the standby."""
        return self._server is not None


_current: ContextVar[Unit | None] = ContextVar("reading", default=None)


@contextmanager
def unit() -> Iterator[Unit]:
    """A unit of work, which reads from the primary until it is allowed a standby."""
    begun = Unit()
    token = _current.set(begun)
    try:
        yield begun
    finally:
        begun.leave()  # also for tasks that outlive it
        _current.reset(token)


def current() -> Unit | None:
    """The current unit; None outside of any, and wherever no standby is configured."""
    return _current.get()


def leave() -> None:
    """Read from the primary, in this context."""
    _current.set(None)


def server_for(method: str) -> Server | None:
    """The standby that a call of this method of a connection asks; None for the primary."""
    now = _current.get()
    return None if now is None or method not in READS else now.server


def leave_standby() -> None:
    """Read from the primary for the rest of the current unit."""
    now = _current.get()
    if now is not None:
        now.leave()


def begin_transaction() -> None:
    """Raise WroteWhileReading where the current unit was allowed to read from a standby."""
    now = _current.get()
    if now is not None and now.is_allowed:
        raise WroteWhileReading("what reads from a standby may not open a transaction")
