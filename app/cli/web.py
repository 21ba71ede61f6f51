"""`swap-pay web`: how Granian serves the app."""

import multiprocessing
import resource
from functools import cache
from importlib import import_module
from typing import Any

import click
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings

from app.cli.environment import plain_errors, settings
from app.core import gc_tuning, tracing
from app.core.leaving_out import leave_out_signing_models
from app.core.settings import Settings
from app.signer.environment import refuse_secrets

STOP_TIMEOUT_S = 30
"""How long a web process may finish its requests after it has drained (app/web/stopping.py)."""

BACKLOG = 2_048
"""Connections that may wait to be accepted."""

CONNECTIONS_PER_PROCESS = 12_000
"""Held at once: the streams of open pages (`app.live.hub.MAX_STREAMS`), and room for others. Granian would allow a
share of BACKLOG, and then a thousand open pages would make all other requests wait."""

FILES_PER_PROCESS = CONNECTIONS_PER_PROCESS + 1_000
"""A connection is an open file; some more are for Postgres, Redis and what is read."""


@click.command()
def web() -> None:
    """Serve the API and the pages."""
    of_the_environment = settings()
    with plain_errors():
        refuse_secrets()
        tracing.require(of_the_environment.traces_url)
    if of_the_environment.environment != "sandbox":  # whose wallet signs
        leave_out_signing_models()
    _allow_files()
    with plain_errors():
        _make_for_all(of_the_environment)
    server(of_the_environment).serve(target_loader=application)


def server(settings: Settings) -> Any:
    """The server, before it is started.

    It speaks only HTTP/1: where Granian also offers HTTP/2 it waits for a connection's first bytes without a limit,
    and a proxy speaks HTTP/1.1 to what is behind it. Its time limit for headers begins with the connection and again
    after each answer, so that it ends silent and idle connections too. What it can't limit is limited in
    app/web/body_timeout.py and app/web/connections.py.
    """
    return Granian(
        _target(settings),
        address=settings.web_host,
        port=settings.web_port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=settings.web_header_timeout_s * 1000),
        websockets=False,
        workers=settings.web_workers,
        workers_kill_timeout=settings.web_drain_s + STOP_TIMEOUT_S,
        backlog=BACKLOG,
        backpressure=CONNECTIONS_PER_PROCESS,
        respawn_failed_workers=True,
        log_access=False,
    )


def _target(settings: Settings) -> str:
    """What makes the application. That of the sandbox has a wallet that pays; it is imported only in the sandbox."""
    return "app.sandbox.asgi:serve" if settings.environment == "sandbox" else "app.asgi:serve"


@cache
def application(target: str) -> Any:
    """The ASGI application that a function makes, given as `module:function`: once, in whichever process is first."""
    return _imported(target)()


def _imported(target: str) -> Any:
    module, _, function = target.partition(":")
    with gc_tuning.importing():
        return getattr(import_module(module), function)


def _make_for_all(settings: Settings) -> None:
    """Make the application before the processes are forked: they share its memory, and a process that takes the place
    of a failed one answers at once. Nothing of it belongs to one process, such as a connection or a thread: those begin
    with its lifespan. Only what sends traces has a thread from the start; then each process makes its own.

    Where Granian doesn't fork (macOS, Python 3.14), each process imports it by itself. Raises what `create_app` raises.
    """
    if multiprocessing.get_start_method() == "fork":
        of_all = application if settings.traces_url is None else _imported
        of_all(_target(settings))


def _allow_files() -> None:
    """Raise the soft limit on open files, 1,024 by default, up to the hard one. Says where that is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_PER_PROCESS
    if hard != resource.RLIM_INFINITY and hard < needed:
        click.echo(
            f"Warning: each web process may open only {hard:,} files, and needs {needed:,} to hold all the connections"
            " that it accepts. Raise the hard limit (ulimit -Hn, LimitNOFILE=, or --ulimit nofile=).",
            err=True,
        )
        needed = hard
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
