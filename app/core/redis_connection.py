"""Connections to Redis that cost less than redis-py's own: each command of ours has a limit, and each took a task, two
timers and a cancelled read."""

from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.core.time_limits import ending_in


class _Lean(AbstractConnection):
    """Goes before the class of a connection, see `lean`."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """As redis-py's, which sends in a task of its own where there is a limit. Raises RedisTimeoutError."""
        limit_s = self.socket_timeout
        if limit_s is None:
            await super().send_packed_command(command, check_health)
            return
        self.socket_timeout = None
        try:
            with ending_in(limit_s):
                await super().send_packed_command(command, check_health)
        except TimeoutError as error:
            raise RedisTimeoutError("timeout writing to Redis") from error
        finally:
            self.socket_timeout = limit_s

    async def can_read_destructive(self) -> bool:
        """Whether something has come that nobody asked for; the pool then connects anew. Raises RedisConnectionError
        where the server has closed the connection.

        The event loop knows both. redis-py begins to read, and cancels that at once.
        """
        stream: Any = self._reader
        if stream is None or stream.at_eof() or stream.exception() is not None:
            raise RedisConnectionError("the server has closed the connection")
        return bool(stream._buffer)  # asyncio has no public way to it


def lean(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """A class of connections like this one, only cheaper."""
    return type(f"Lean{kind.__name__}", (_Lean, kind), {})
