"""Payouts in the sandbox: a signer with keys of its own, payouts, sweeps, and no drift."""

import os
import shlex
import stat
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyotp
import pytest

from app.sandbox import postgres
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.integrator import wait_for
from app.signer import keystore
from tests import commands
from tests.sandbox.sandboxes import Sandbox
from tests.services import bitcoind_or_skip

pytestmark = pytest.mark.timeout(420)

SOMEBODY = "0x1111111111111111111111111111111111111111"
SWEPT_TIMEOUT_S, CONFIRMED_TIMEOUT_S = 60, 180
CODE_S = 30

_steps_used: list[int] = []
"""The half minutes whose codes this file's tests have used: they share one operator. Each is accepted once, in order,
and half a minute early."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running sandbox; each test below continues after the one before."""
    bitcoind_or_skip()
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox") / "var", networks="ethereum,bitcoin")
    sandbox.run()
    yield sandbox
    sandbox.ensure_stopped()
    postgres.remove(sandbox.home.postgres)


def swap_pay(sandbox: Sandbox, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with the settings of `sandbox.env`, as documented."""
    lines = [line.partition("=") for line in sandbox.home.environment_file.read_text().splitlines()]
    settings = {name: "".join(shlex.split(value)) for name, _, value in lines}
    return commands.run(*arguments, env={**os.environ, **settings})


def pay_out(
    sandbox: Sandbox, amount: str, asset: str = "USDT", chain: str = "ethereum", destination: str = SOMEBODY
) -> dict[str, Any]:
    """The merchant requests a payout, the operator approves it; returns when it is confirmed."""
    integrator, operator = sandbox.integrator(), sandbox.interface.operator_login
    requested = integrator.post(
        "/payouts",
        {"asset": asset, "chain": chain, "amount": amount, "destination": destination},
        once=uuid.uuid4().hex,
    )
    assert requested["status"] == "pending_approval"

    step = max(int(time.time()) // CODE_S, *(used + 1 for used in _steps_used[-1:]), 0)
    wait_for("the hour of an unused code", lambda: time.time() // CODE_S + 1 >= step or None, 2 * CODE_S)
    _steps_used.append(step)
    approved = swap_pay(
        sandbox, "approvals", "approve", requested["id"], "--operator", operator.email,
        "--password", operator.password, "--code", pyotp.TOTP(operator.totp_secret).at(step * CODE_S),
    )  # fmt: skip
    assert approved.returncode == 0, approved.stderr

    def confirmed() -> dict[str, Any] | None:
        current: dict[str, Any] = integrator.get(f"/payouts/{requested['id']}")
        return current if current["status"] == "confirmed" else None

    return wait_for("the payout's confirmation", confirmed, CONFIRMED_TIMEOUT_S)


def held_raw(sandbox: Sandbox, address: str) -> int:
    """The token balance of an address."""
    ethereum = sandbox.interface.networks.ethereum
    assert ethereum is not None
    data = "0x70a08231" + address[2:].lower().rjust(64, "0")
    call = {"to": ethereum.assets["USDT"].contract, "data": data}
    return int(sandbox.customer().rpc("eth_call", call, "latest"), 16)


def test_only_the_signer_has_its_keys(sandbox: Sandbox) -> None:
    file, password = sandbox.home.signer / "keystore.json", sandbox.home.signer / "password"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (file, password)} == {0o600}
    keys = keystore.read(file, password.read_text().strip())
    networks = sandbox.home.networks_file.read_text()
    assert keys.hot_wallet_address in networks
    assert keys.xpub in networks
    having = [process for process in sandbox.processes() if any(n.startswith("SIGNER_") for n in process.environ())]
    assert having
    assert all("signer" in process.cmdline() for process in having)
    assert not any("SIGNER_" in line for line in sandbox.home.environment_file.read_text().splitlines())
    assert not any(psutil.pid_exists(process.pid) and "web" in process.cmdline() for process in having)


def test_an_approved_payout_is_sent_and_a_deposit_is_swept(sandbox: Sandbox) -> None:
    (invoice,) = sandbox.integrator().get("/invoices", status="paid", chain="ethereum")["data"]
    paid_out = pay_out(sandbox, "3.00")
    assert paid_out["txid"].startswith("0x")
    assert held_raw(sandbox, SOMEBODY) == 3_000_000
    address = invoice["pay_in"]["address"]
    wait_for("the sweep", lambda: held_raw(sandbox, address) == 0 or None, SWEPT_TIMEOUT_S)


async def test_an_approved_payout_in_bitcoin_is_sent(sandbox: Sandbox) -> None:
    """The customer's own wallet gets it, in a block that comes by itself."""
    bitcoin = sandbox.interface.networks.bitcoin
    assert bitcoin is not None
    at = bitcoin.rpc_url.removeprefix("http://")
    node = await BitcoinDriver.connect(f"http://{bitcoin.rpc_user}:{bitcoin.rpc_password}@{at}")
    try:
        destination = await node.address()
        paid_out = pay_out(sandbox, "0.0002", "BTC", "bitcoin", destination)
        assert (await node.call("gettransaction", paid_out["txid"]))["confirmations"] >= 2
        assert int(await node.call("getreceivedbyaddress", destination) * 10**8) == 20_000
    finally:
        await node.aclose()


def test_there_is_no_drift_also_after_a_restart(sandbox: Sandbox) -> None:
    done = swap_pay(sandbox, "reconcile", "--full")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "USDT.drift_raw 0" in done.stdout
    assert "ETH.drift_raw 0" in done.stdout
    assert "BTC.drift_raw 0" in done.stdout
    assert sandbox.stop() == 0
    sandbox.run()
    pay_out(sandbox, "1.00")
    assert held_raw(sandbox, SOMEBODY) == 4_000_000
    done = swap_pay(sandbox, "reconcile", "--full")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No open alerts" in swap_pay(sandbox, "alerts", "list").stdout


def test_a_dead_signer_is_restarted_and_pays(sandbox: Sandbox) -> None:
    pid_file = sandbox.home.logs / "signer.pid"
    before = pid_file.read_text()
    signer = next(p for p in sandbox.processes() if "signer" in p.cmdline())
    signer.kill()
    wait_for("another signer", lambda: (Path(pid_file).exists() and pid_file.read_text() != before) or None, 30)
    pay_out(sandbox, "0.50")
    assert held_raw(sandbox, SOMEBODY) == 4_500_000
