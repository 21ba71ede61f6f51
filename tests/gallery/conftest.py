"""One headless browser, and the gallery served alone."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from app.sandbox import ports
from tests.chromium import launch_options

ROOT = Path(__file__).parents[2]
READY_S = 60.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for the module."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(**launch_options())
        yield started
        started.close()


@pytest.fixture(scope="module")
def gallery() -> Iterator[str]:
    """Where the gallery is."""
    port = ports.free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port), "tests.gallery.served:app"]
    server = subprocess.Popen(command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + READY_S
        while not _answers(port):
            assert server.poll() is None
            assert time.monotonic() < until, "the gallery did not start"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
