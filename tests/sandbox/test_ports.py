import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.sandbox import anvil, ports, postgres, rate_server, receiver, tls, valkey
from app.sandbox.processes import ProcessError


async def test_a_port_in_use_is_not_preferred() -> None:
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    used = listening.sockets[0].getsockname()[1]
    assert ports.answers(used)
    assert not ports.is_free(used)
    assert ports.prefer(used) != used
    listening.close()
    await listening.wait_closed()
    assert ports.prefer(used) == used


def test_two_sandboxes_that_start_at_once_have_two_ports() -> None:
    usual = ports.free_port()
    first = ports.HeldPort(usual)
    first.hand_over()
    second = ports.HeldPort(usual)
    assert first.number == usual
    assert second.number != usual
    first.release()
    second.release()
    third = ports.HeldPort(usual)
    assert third.number == usual
    third.release()


def test_a_held_port_is_nobody_elses() -> None:
    held = ports.HeldPort(ports.free_port())
    assert not ports.is_free(held.number)
    held.hand_over()
    assert ports.is_free(held.number)
    held.release()


@pytest.mark.parametrize(
    "start",
    [
        anvil.start,
        valkey.start,
        lambda home_dir: postgres.start(home_dir, settings=postgres.FAST),
        lambda home_dir: receiver.start(home_dir, tls.ensure(home_dir)),
        rate_server.start,
    ],
    ids=["anvil", "valkey", "postgres", "receiver", "rates"],
)
def test_a_port_that_is_taken_before_bind_is_replaced(
    start: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        used, free = other.getsockname()[1], ports.free_port()
        picks = [used, free]
        monkeypatch.setattr(ports, "free_port", lambda: picks.pop(0))
        service = start(tmp_path)
        assert service.port == free
        service.stop()
    postgres.remove(tmp_path)


def test_a_usual_port_that_is_free_again_at_the_look_is_replaced_too() -> None:
    """Another service may have held it only for as long as the server tried."""
    tried: list[int | None] = []

    def start(port: int | None) -> int | None:
        tried.append(port)
        if port is not None:
            raise ProcessError(f"port {port} is already in use")
        return port

    usual = ports.free_port()
    ports.on_usual_port(usual, start)
    assert tried == [usual, None]
