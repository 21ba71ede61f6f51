"""Count the cost of a request, because times are not reliable on a busy machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from argon2 import PasswordHasher

from app.core import database


@dataclass
class Work:
    """Counted work. A check of a password costs a `verify`, which is a hash too."""

    statements: list[str] = field(default_factory=list)
    hashes: int = 0

    @property
    def cost(self) -> tuple[int, int]:
        """The number of statements and hashes."""
        return len(self.statements), self.hashes


_current: ContextVar[Work | None] = ContextVar("work", default=None)


@contextmanager
def work() -> Iterator[Work]:
    """Count the statements that this task runs on the pool, and every password hash."""
    done = Work()
    token = _current.set(done)
    connections = [holder._con for holder in database.pool()._holders if holder._con is not None]
    for connection in connections:
        connection.add_query_logger(_note)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("hash", "verify"):
                patch.setattr(PasswordHasher, name, _counted(getattr(PasswordHasher, name), done))
            yield done
    finally:
        _current.reset(token)
        for connection in connections:
            connection.remove_query_logger(_note)


def _note(record: asyncpg.connection.LoggedQuery) -> None:
    """Called in the context of the task that ran the statement. asyncpg's own look-ups of types are not counted."""
    done = _current.get()
    if done is not None and "typeinfo_tree" not in record.query:
        done.statements.append(" ".join(record.query.split()))


def _counted(method: Any, done: Work) -> Any:
    def count(*args: Any, **options: Any) -> Any:
        done.hashes += 1
        return method(*args, **options)

    return count
