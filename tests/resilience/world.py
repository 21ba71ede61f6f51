"""A running sandbox with all its processes, and the actions of its merchant, customer and operator."""

import asyncio
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pyotp
import pytest

from app.sandbox import postgres, signatures
from app.sandbox.chains import NETWORKS_VARIABLE
from app.sandbox.customer import EvmCustomer
from app.sandbox.home import Home, Interface
from app.sandbox.integrator import Integrator, IntegratorError, wait_for
from app.sandbox.stack import Stack
from tests import commands

COMPLETE_TIMEOUT_S = 75
"""A delivery of a killed worker is claimed by another after 30 s; that may happen twice."""

EVENTS = {"invoice.created", "invoice.confirming", "invoice.paid"}


@dataclass
class Running:
    """A running sandbox with its integrator and customer."""

    stack: Stack
    interface: Interface
    integrator: Integrator
    customer: EvmCustomer
    chance: random.Random

    def new_invoice(self) -> dict[str, Any]:
        body = {"amount": "3.00", "currency": "USDT", "chain": "ethereum"}
        created: dict[str, Any] = self.integrator.post("/invoices", body, once=f"{self.chance.random()}")
        return created

    def pay(self, invoice: dict[str, Any]) -> None:
        self.customer.send("USDT", invoice["pay_in"]["address"], int(invoice["pay_in"]["amount_raw"]))

    def approve(self, payout_id: str) -> None:
        """Approve as the operator, with a code that was not used before."""
        operator = self.interface.operator_login

        def approved() -> bool | None:
            code = pyotp.TOTP(operator.totp_secret).now()
            who = ("--operator", operator.email, "--password", operator.password, "--code", code)
            return True if self.command("approvals", "approve", payout_id, *who).returncode == 0 else None

        wait_for("the approval", approved, 90)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `swap-pay …` with the settings of the sandbox."""
        return commands.run(*arguments, env=self.stack.environment)


@contextmanager
def sandbox(directory: Path) -> Iterator[Running]:
    """A running sandbox in `directory`; deleted at the end."""
    home = Home(directory)
    stack = Stack(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NETWORKS_VARIABLE, "ethereum")
        interface = stack.start()
    integrator = Integrator(interface)
    try:
        yield Running(stack, interface, integrator, _customer(home, interface), random.Random(7))
    finally:
        integrator.close()
        stack.stop()
        postgres.remove(home.postgres)


def _customer(home: Home, interface: Interface) -> EvmCustomer:
    assert interface.networks.ethereum is not None
    return EvmCustomer(interface.networks.ethereum, home.directory / "customer.lock")


def assert_paid_once(running: Running, invoice: dict[str, Any], credits_before: int) -> None:
    """`assert_paid`, and no delivery is pending."""
    assert_paid(running, invoice, credits_before)
    wait_for("the end of all deliveries", lambda: True if deliveries_waiting(running) == 0 else None, 40)


def assert_paid(running: Running, invoice: dict[str, Any], credits_before: int) -> None:
    """The invoice becomes paid, with one credit, valid hash chains, and each event delivered and signed."""

    def complete() -> dict[str, Any] | None:
        with suppress(IntegratorError):
            current: dict[str, Any] = running.integrator.get(f"/invoices/{invoice['id']}")
            arrived = {record["event_type"] for record in running.integrator.webhooks(invoice["id"])}
            return current if current["status"] == "paid" and arrived >= EVENTS else None
        return None

    paid = wait_for("the payment's completion", complete, COMPLETE_TIMEOUT_S)
    assert (paid["received_raw"], paid["credited_raw"]) == (invoice["pay_in"]["amount_raw"], invoice["net_raw"])
    assert [deposit["status"] for deposit in paid["deposits"]] == ["credited"]
    assert credits(running) == credits_before + 1
    arrived = running.integrator.webhooks(invoice["id"])
    assert {record["event_type"] for record in arrived} == EVENTS
    for record in arrived:
        signatures.verify(running.interface.webhook_receiver.secret, record["headers"], record["body"].encode())
    verified = running.command("verify-ledger")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert running.interface.merchant_id in verified.stdout


def credits(running: Running) -> int:
    """The number of credits in the merchant's ledger, read from the database."""
    return query(running, "SELECT count(*) FROM ledger_entries WHERE kind = 'invoice_credit'")


def deliveries_waiting(running: Running) -> int:
    return query(running, "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'")


def query(running: Running, statement: str) -> int:
    async def run_query() -> int:
        connection = await asyncpg.connect(running.interface.database_url)
        try:
            return int(await connection.fetchval(statement))
        finally:
            await connection.close()

    return asyncio.run(run_query())
