"""`sandbox run` and `sandbox demo`, as a new user runs them."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.sandbox import postgres, signatures
from app.sandbox.home import ROOT, Demo, Home, Login
from app.sandbox.integrator import wait_for
from app.sandbox.services import Services
from tests.curl import path_with_curl
from tests.sandbox.sandboxes import Sandbox
from tests.services import bitcoind_or_skip

pytestmark = pytest.mark.timeout(420)

DEMO = Demo(
    api_key="k",
    merchant_id="m",
    merchant_login=Login("m@x.test", "p", "t"),
    operator_login=Login("o@x.test", "p", "t"),
    endpoint_id="e",
    webhook_secret="s",
)
EVENTS = ["invoice.created", "invoice.confirming", "invoice.paid"]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One directory for the module: the tests below use one sandbox, in order. It has bitcoin where that can be had."""
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox") / "var", networks="ethereum,bitcoin,tron")
    yield sandbox
    sandbox.ensure_stopped()
    postgres.remove(sandbox.home.postgres)


def new_invoice(sandbox: Sandbox, name: str, *, chain: str = "ethereum") -> dict[str, Any]:
    body = {"amount": "7.00", "currency": "USDT", "chain": chain}
    if chain == "bitcoin":
        body |= {"amount": "0.0007", "currency": "BTC"}
    created: dict[str, Any] = sandbox.integrator().post("/invoices", body, once=name)
    return created


def reach(sandbox: Sandbox, invoice: dict[str, Any], status: str) -> dict[str, Any]:
    """Wait until the invoice has this status."""
    integrator = sandbox.integrator()

    def look() -> dict[str, Any] | None:
        current: dict[str, Any] = integrator.get(f"/invoices/{invoice['id']}")
        return current if current["status"] == status else None

    return wait_for(f"{invoice['id']} {status}", look, 40)


@pytest.fixture(scope="module")
def bitcoin() -> None:
    """For a test that needs the bitcoin chain."""
    bitcoind_or_skip()


@pytest.fixture(scope="module")
def first_demo(sandbox: Sandbox) -> str:
    """The output of the first `sandbox demo`."""
    done = sandbox.command("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_demo_shows_a_payment_step_by_step(first_demo: str, sandbox: Sandbox) -> None:
    for word in ("/pay/INV-", "0x", "3/3", "paid at", "hash ", *EVENTS, "both signatures verify"):
        assert word in first_demo
    assert sandbox.processes() == []


def test_demo_shows_a_payment_on_bitcoin_too(bitcoin: None, first_demo: str) -> None:
    _, shown = first_demo.split("A payment on bitcoin")
    shown, *_ = re.split("A payment on tron|A price in euros", shown)
    for word in ("/pay/INV-", "to bcrt1q", "in the pool", "2/2", "paid at", "hash ", *EVENTS, "both signatures verify"):
        assert word in shown


def test_demo_shows_a_payment_on_tron_too(first_demo: str) -> None:
    _, shown = first_demo.split("A payment on tron")
    shown, *_ = shown.split("A price in euros")
    for word in ("/pay/INV-", "USDT to T", "in block ", "19/19", "paid at", "hash ", *EVENTS, "both signatures verify"):
        assert word in shown


def test_demo_ends_with_prices_in_euros_and_what_they_were_worth(bitcoin: None, first_demo: str) -> None:
    _, in_bitcoin, in_usdt = first_demo.split("A price in euros, paid in ")
    for word in ("awaiting_choice", "49.90 EUR", "1 BTC = 56450.1", "kraken", "in the pool", "paid at", "worth"):
        assert word in in_bitcoin
    for word in ("USDT on tron", "49.90 EUR", "1 USDT = ", "in block ", "paid at"):
        assert word in in_usdt
    for shown in (in_bitcoin, in_usdt):
        assert re.search(r"worth\s+49\.[45]\d EUR", shown), "49.90 without the fee of 0.8 %"


def test_the_interface_is_complete_and_readable_by_its_owner_only(first_demo: str, sandbox: Sandbox) -> None:
    path = sandbox.home.interface_file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    described = json.loads(path.read_text())
    assert described["base_url"].startswith("http://localhost:")
    assert described["api_key"].startswith("sspay_sec_test_")
    assert described["merchant_id"].startswith("MCH-")
    for login in ("merchant_login", "operator_login"):
        assert {"email", "password", "totp_secret"} <= described[login].keys()
    assert {"url", "ca_file", "requests_url"} <= described["webhook_receiver"].keys()
    ethereum = described["networks"]["ethereum"]
    assert ethereum["chain_id"] == 31337
    assert {"rpc_url", "customer_private_key"} <= ethereum.keys()
    assert (ethereum["assets"]["USDT"]["decimals"], ethereum["assets"]["ETH"]["contract"]) == (6, None)
    assert described["database_url"].startswith("postgresql://")
    assert described["redis_url"].startswith("redis://")
    secret_files = ("secrets.json", "demo.json", "sandbox.env", "networks.toml")
    assert {stat.S_IMODE((path.parent / name).stat().st_mode) for name in secret_files} == {0o600}


def test_the_interface_has_the_bitcoin_node_and_the_customers_keys(
    bitcoin: None, first_demo: str, sandbox: Sandbox
) -> None:
    described = json.loads(sandbox.home.interface_file.read_text())["networks"]["bitcoin"]
    assert {"rpc_url", "rpc_user", "rpc_password", "customer_descriptor"} <= described.keys()
    assert described["customer_descriptor"].startswith("wpkh(tprv")


def test_the_interface_has_the_tron_node_and_the_customers_key(first_demo: str, sandbox: Sandbox) -> None:
    described = json.loads(sandbox.home.interface_file.read_text())["networks"]["tron"]
    assert described["api_url"].startswith("http://127.0.0.1:")
    assert len(bytes.fromhex(described["customer_private_key"])) == 32
    assert described["assets"]["USDT"]["contract"].startswith("T")
    assert described["assets"]["TRX"] == {"contract": None, "decimals": 6}


def test_run_continues_with_the_data_of_the_last_run(first_demo: str, sandbox: Sandbox) -> None:
    before = sandbox.interface
    sandbox.run()
    after = sandbox.interface
    assert (after.api_key, after.merchant_login) == (before.api_key, before.merchant_login)
    ledger = sandbox.integrator().get("/ledger", asset="USDT", chain="ethereum")["data"]
    # Without bitcoin, the demo's price is paid in USDT too.
    assert [entry["seq"] for entry in ledger] in ([2, 1], [4, 3, 2, 1])
    second = sandbox.command("run")
    assert second.returncode == 1
    assert "already running" in second.stderr
    assert not second.stderr.count("Traceback")


def test_assets_have_rates_by_sources_on_this_machine(sandbox: Sandbox) -> None:
    integrator = sandbox.integrator()

    def look() -> dict[str, Any] | None:
        listed = integrator.get("/rates", currency="USD")["data"]
        usdt: dict[str, Any] = next(one for one in listed if one["asset"] == "USDT")
        return usdt if usdt["rate"] else None

    usdt = wait_for("a rate of USDT", look, 40)
    assert usdt["rate"] == "1.0003"
    assert [source["name"] for source in usdt["sources"]] == ["chainlink:ethereum:test", "coinbase", "kraken"]


def test_the_receiver_records_each_event_with_its_signatures(sandbox: Sandbox) -> None:
    integrator, secret = sandbox.integrator(), sandbox.interface.webhook_receiver.secret
    paid = next(one for one in integrator.get("/invoices", status="paid")["data"] if one["price"] is None)
    arrived = integrator.webhooks(paid["id"])
    assert [record["event_type"] for record in arrived] == EVENTS
    for record in arrived:
        body = record["body"].encode()
        signatures.verify(secret, record["headers"], body)
        with pytest.raises(signatures.BadSignature):
            signatures.verify(secret, record["headers"], body.replace(paid["id"].encode(), b"INV-0000000000"))


def test_a_short_payment_goes_to_review(sandbox: Sandbox) -> None:
    invoice = new_invoice(sandbox, "short")
    short_raw = int(invoice["pay_in"]["amount_raw"]) - 1
    done = sandbox.command("pay", invoice["id"], "--amount-raw", str(short_raw))
    assert done.returncode == 0, done.stderr
    reviewed = reach(sandbox, invoice, "manual_review")
    assert (reviewed["received_raw"], reviewed["credited"]) == (str(short_raw), False)


def test_the_wrong_asset_goes_to_review(sandbox: Sandbox) -> None:
    invoice = new_invoice(sandbox, "wrong asset")
    assert sandbox.command("pay", invoice["id"], "--asset", "ETH", "--amount-raw", str(10**15)).returncode == 0
    assert reach(sandbox, invoice, "manual_review")["credited"] is False
    unknown = sandbox.command("pay", invoice["id"], "--asset", "DOGE")
    assert (unknown.returncode, "DOGE is not on this chain" in unknown.stderr) == (1, True)


def test_a_reorganisation_removes_a_deposit_and_blocks_confirm_the_next(sandbox: Sandbox) -> None:
    invoice = new_invoice(sandbox, "reorganised")
    customer = sandbox.customer()
    # Given a chain that mines no blocks, so that the payment stays at one confirmation,
    customer.rpc("evm_setIntervalMining", 0)
    customer.send("USDT", invoice["pay_in"]["address"], int(invoice["pay_in"]["amount_raw"]))
    customer.rpc("anvil_mine", "0x1")
    reach(sandbox, invoice, "confirming")
    # when its block is replaced, then the invoice waits again,
    done = sandbox.command("reorg", "1")
    assert done.returncode == 0, done.stderr
    reach(sandbox, invoice, "awaiting_deposit")
    # and a payment on the new chain counts, once, although it is sent twice.
    customer.rpc("evm_setIntervalMining", 1)
    assert sandbox.command("pay", invoice["id"], "--twice").returncode == 0
    assert sandbox.command("mine", "3").returncode == 0
    paid = reach(sandbox, invoice, "paid")
    assert paid["credited_raw"] == paid["net_raw"]


def act(sandbox: Sandbox, *arguments: str) -> str:
    """Run a command that must succeed. Returns its output."""
    done = sandbox.command(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_bitcoin_payment_is_replaced_then_made_again(bitcoin: None, sandbox: Sandbox) -> None:
    invoice = new_invoice(sandbox, "replaced", chain="bitcoin")
    assert "in the pool" in act(sandbox, "pay", invoice["id"])
    reach(sandbox, invoice, "confirming")
    # When it is replaced by one that pays nothing, then the invoice waits again,
    assert "pays 0 to the invoice" in act(sandbox, "replace", invoice["id"])
    reach(sandbox, invoice, "awaiting_deposit")
    # and a payment that is replaced by the right amount counts.
    act(sandbox, "pay", invoice["id"], "--amount-raw", "60000")
    act(sandbox, "replace", invoice["id"], "--pay", invoice["pay_in"]["amount_raw"])
    act(sandbox, "mine", "2", "--network", "bitcoin")
    paid = reach(sandbox, invoice, "paid")
    assert (paid["received_raw"], paid["credited_raw"]) == (invoice["pay_in"]["amount_raw"], paid["net_raw"])
    refused = sandbox.command("replace", invoice["id"])
    assert (refused.returncode, "waits in the pool" in refused.stderr) == (1, True)


def test_a_reorganisation_of_the_bitcoin_chain_puts_a_payment_back_into_the_pool(
    bitcoin: None, sandbox: Sandbox
) -> None:
    invoice = new_invoice(sandbox, "reorganised bitcoin", chain="bitcoin")
    act(sandbox, "pay", invoice["id"], "--network", "bitcoin")
    act(sandbox, "mine", "1", "--network", "bitcoin")
    confirmed(sandbox, invoice, 1)
    assert "1 blocks replaced" in act(sandbox, "reorg", "1", "--network", "bitcoin")
    confirmed(sandbox, invoice, 0)
    act(sandbox, "mine", "2", "--network", "bitcoin")
    assert reach(sandbox, invoice, "paid")["credited"] is True


def test_a_payment_on_tron_is_paid_reorganised_and_credited_once_it_is_final(sandbox: Sandbox) -> None:
    invoice = new_invoice(sandbox, "on tron", chain="tron")
    assert "in block " in act(sandbox, "pay", invoice["id"])
    # The chain takes the payment back and holds it again, in another block.
    assert "2 blocks replaced" in act(sandbox, "reorg", "2", "--network", "tron")
    act(sandbox, "mine", "20", "--network", "tron")
    paid = reach(sandbox, invoice, "paid")
    assert (len(paid["deposits"]), paid["credited_raw"]) == (1, paid["net_raw"])


def confirmed(sandbox: Sandbox, invoice: dict[str, Any], confirmations: int) -> None:
    """Wait until the invoice's deposit has so many confirmations."""
    integrator = sandbox.integrator()

    def look() -> bool | None:
        deposits = integrator.get(f"/invoices/{invoice['id']}")["deposits"]
        return [deposit["confirmations"] for deposit in deposits] == [confirmations] or None

    wait_for(f"{confirmations} confirmations", look, 40)


def test_only_bitcoin_payments_can_be_replaced(sandbox: Sandbox) -> None:
    refused = sandbox.command("replace", new_invoice(sandbox, "not replaced")["id"])
    assert (refused.returncode, "only bitcoin's can be replaced" in refused.stderr) == (1, True)
    unknown = sandbox.command("mine", "1", "--network", "solana")
    assert (unknown.returncode, "runs without solana; there is ethereum" in unknown.stderr) == (1, True)


def test_the_first_payment_of_the_readme(sandbox: Sandbox, tmp_path: Path) -> None:
    (script,) = re.findall(r"^```bash\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert "var/sandbox.json" in script
    script = script.replace("var/sandbox.json", str(sandbox.home.interface_file))
    script = script.replace(".venv/bin/swap-pay", f"{sys.executable} -m app.cli").replace("sleep 6", "sleep 8")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": path_with_curl(os.environ, tmp_path),
            "SWAP_PAY_VAR": str(sandbox.home.directory),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"order_id":"1042"' in done.stdout
    assert '"status":"paid"' in done.stdout
    assert '"available_raw"' in done.stdout


def test_dead_processes_are_restarted(sandbox: Sandbox) -> None:
    def pid() -> int | None:
        file = sandbox.home.logs / "web.pid"
        return json.loads(file.read_text())["pid"] if file.exists() else None

    first = pid()
    assert first is not None
    os.killpg(first, signal.SIGKILL)
    second = wait_for("the web process to be started again", lambda: None if (now := pid()) == first else now, 20)
    os.killpg(second, signal.SIGKILL)  # while it starts
    integrator = sandbox.integrator()

    def look() -> object:
        try:
            return integrator.get("/balance")
        except Exception:
            return None

    wait_for("an answer of the web process", look, 40)


def test_ctrl_c_stops_every_process_and_the_next_run_works(sandbox: Sandbox) -> None:
    assert len(sandbox.processes()) > 6
    assert sandbox.stop(signal.SIGINT) == 0
    assert sandbox.processes() == []
    # The next one without bitcoin: what was paid there stays in the database, so the network stays configured.
    sandbox.networks = "ethereum"
    done = sandbox.command("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bitcoin" not in done.stdout
    assert sandbox.interface.networks.bitcoin is None
    if (sandbox.home.bitcoin / "data").exists():
        assert 'chain = "bitcoin"' in sandbox.home.networks_file.read_text()
    assert sandbox.processes() == []


def test_a_lost_chain_resets_everything_and_is_reported(tmp_path: Path) -> None:
    output: list[str] = []
    home = Home(tmp_path)
    services = Services(home, output.append)
    secrets = services.start()
    home.write(home.demo_file, DEMO)
    services.stop()
    assert services.start() == secrets
    services.stop()
    assert output == []
    (home.anvil / "state.json").unlink()
    try:
        assert services.start() != secrets
    finally:
        services.stop()
        postgres.remove(home.postgres)
    assert "the chain is gone" in output[0]


def test_commands_without_a_sandbox_say_how_to_start_one(tmp_path: Path) -> None:
    done = Sandbox(tmp_path).command("mine", "1")
    assert done.returncode == 1
    assert "make run" in done.stderr
    assert "Traceback" not in done.stderr
