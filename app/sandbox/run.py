"""`make run` and `make demo`: start the sandbox, make payments, stay up or stop; leave no process running."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from app.core import logging
from app.sandbox import tour
from app.sandbox.bitcoin_customer import BitcoinCustomer
from app.sandbox.customer import Customer, EvmCustomer
from app.sandbox.home import Home, Interface
from app.sandbox.processes import ProcessError
from app.sandbox.stack import Stack
from app.sandbox.terminal import Terminal
from app.sandbox.tron_customer import TronCustomer

CHECK_INTERVAL_S = 0.5
"""Interval of the check for dead processes."""

MAX_REVIVALS, REVIVAL_WINDOW_S = 5, 60
"""If processes die more often than this, the sandbox gives up."""

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class Stopped(BaseException):
    """A signal to stop was received. Not an Exception, so that no handler treats it as an error."""


def run(home: Home, *, stay: bool) -> None:
    """Start, make a payment on each chain, and, if `stay`, run until a signal. Always stops what it has started.

    Raises ProcessError, IntegratorError, CustomerError with the reason, and Stopped for a signal before the
    end of the payments.
    """
    logging.configure(level="WARNING", json=False)
    terminal = Terminal()
    stack = Stack(home, terminal.say, with_shops=stay)
    with _signals_stop(), _stopping(stack, terminal):
        began_s = time.monotonic()
        interface = stack.start()
        terminal.say(f"Up after {time.monotonic() - began_s:.1f} s at {interface.base_url}")
        tour.make_payments(interface, customers(home, interface), terminal)
        if stay:
            _show(home, interface, terminal)
            try:
                _restart_dead_processes(stack, terminal)
            except Stopped:
                terminal.say("")


def customers(home: Home, interface: Interface) -> dict[str, Customer]:
    """The sandbox's customer on each of its chains, by the chain's name."""
    there: dict[str, Customer] = {}
    if interface.networks.ethereum is not None:
        there["ethereum"] = EvmCustomer(interface.networks.ethereum, home.directory / "customer.lock")
    if interface.networks.bitcoin is not None:
        there["bitcoin"] = BitcoinCustomer(interface.networks.bitcoin)
    if interface.networks.tron is not None:
        there["tron"] = TronCustomer(interface.networks.tron)
    return there


def _show(home: Home, interface: Interface, terminal: Terminal) -> None:
    terminal.heading("The sandbox stays up. Ctrl-C stops it.")
    for shop in interface.shops:
        terminal.fact("open the shop", f"{shop.url} (examples/{shop.name})")
    terminal.fact("API", f"{interface.base_url}/api/v1/merchant")
    terminal.fact("API key", interface.api_key)
    for label, login in (("merchant", interface.merchant_login), ("operator", interface.operator_login)):
        terminal.fact(label, f"{login.email}  password {login.password}  TOTP secret {login.totp_secret}")
    terminal.fact("webhooks", f"{interface.webhook_receiver.requests_url} (CA: {interface.webhook_receiver.ca_file})")
    if (ethereum := interface.networks.ethereum) is not None:
        terminal.fact("ethereum", f"{ethereum.rpc_url} (chain id {ethereum.chain_id})")
    if (bitcoin := interface.networks.bitcoin) is not None:
        terminal.fact("bitcoin", f"{bitcoin.rpc_url} (user {bitcoin.rpc_user}, password {bitcoin.rpc_password})")
    if (tron := interface.networks.tron) is not None:
        terminal.fact("tron", f"{tron.api_url} (USDT is {tron.assets['USDT'].contract})")
    terminal.fact("emails, logs", f"{home.mail}, {home.logs}")
    terminal.fact("for scripts", str(home.interface_file))
    terminal.fact("play customer", f"{sys.argv[0]} sandbox pay INV-…")


def _restart_dead_processes(stack: Stack, terminal: Terminal) -> None:
    """Restart processes that die, until a signal. Raises ProcessError if they keep dying."""
    revivals: list[float] = []
    while True:
        time.sleep(CHECK_INTERVAL_S)
        for name in stack.revive():
            terminal.say(f"{name} had died and was started again; its log is in {stack.home.directory}")
            revivals.append(time.monotonic())
            if len([at for at in revivals if at > time.monotonic() - REVIVAL_WINDOW_S]) > MAX_REVIVALS:
                raise ProcessError(f"{name} and others keep dying; their logs are in {stack.home.directory}")


@contextmanager
def _stopping(stack: Stack, terminal: Terminal) -> Iterator[None]:
    try:
        yield
    finally:
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the stop
        terminal.say("Stopping …")
        stack.stop()


@contextmanager
def _signals_stop() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    _end_with_make()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_make() -> None:
    """Under make, get a SIGTERM when make dies, so that a killed `make run` leaves no sandbox running."""
    if "MAKELEVEL" in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
