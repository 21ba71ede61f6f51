"""The documents are correct: every setting is listed, and their code runs."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from app.core import settings as settings_module
from app.core.outbound.targets import OTHER_PROTOCOLS_PORTS
from app.deposits.watcher import Watcher
from app.ledger import repository as ledger
from app.ledger.hashchain import ChainId
from app.ledger.verify import export
from app.networks.config import Asset, NetworkConfig
from app.networks.kinds import KINDS
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()


def code_blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)


def test_every_setting_is_listed() -> None:
    source = Path(settings_module.__file__).read_text()
    read = set(re.findall(r'\bread\("([A-Z_]+)"', source))
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", CONFIGURATION, re.MULTILINE))
    assert len(read) > 20
    assert listed == read


def test_every_refused_webhook_port_is_named() -> None:
    (sentence,) = re.findall(
        r"Ports that belong to [^.]*are refused: [^.]*", (ROOT / "docs" / "webhooks.md").read_text()
    )
    assert {int(port) for port in re.findall(r"\d+", sentence)} == OTHER_PROTOCOLS_PORTS


@pytest.mark.parametrize("table", [Asset, NetworkConfig, *(kind.config for kind in KINDS.values())])
def test_every_field_of_the_networks_file_is_listed(table: type[msgspec.Struct]) -> None:
    listed = {name for row in re.findall(r"^\| (`[a-z_`, ]+) \|", CONFIGURATION, re.M) for name in row.split("`")[1::2]}
    assert {field.name for field in msgspec.structs.fields(table)} <= listed


@pytest.fixture
async def usdt_export(services: Services, driver: AnvilDriver, token: str, tmp_path: Path) -> Path:
    """The export of a ledger with two real payments."""
    merchant = await terms(service_fee_bps=80)
    (watcher,) = services.watchers()
    await watcher.tick()
    for _ in range(2):
        new = await invoice(services, merchant)
        await driver.transfer_token(token, new.pay_in.address, int(new.pay_in.amount_raw))
        await pay(watcher, driver)
    head = await ledger.head(ChainId(owner=merchant.merchant_id, network="ethereum:test", asset="USDT"))
    assert head is not None
    path = tmp_path / "usdt.jsonl"
    path.write_text("".join([f"{line}\n" async for line in export(head)]))
    return path


async def pay(watcher: Watcher, driver: AnvilDriver) -> None:
    await driver.mine(3)
    await watcher.tick()


def run_verifier(tmp_path: Path, export: Path) -> "subprocess.CompletedProcess[str]":
    (verifier,) = code_blocks("docs/ledger.md", "python")
    script = tmp_path / "verify.py"
    script.write_text(verifier)
    # -I: without our code and the environment's packages.
    return subprocess.run(
        [sys.executable, "-I", "-S", str(script), str(export)], capture_output=True, text=True, check=False
    )


async def test_a_third_party_verifies_an_export(usdt_export: Path, tmp_path: Path) -> None:
    done = run_verifier(tmp_path, usdt_export)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok: 2 entries")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda lines: [*lines[:2], lines[2].replace("DEP-", "DEQ-")], "entry 2: its content was changed"),
        (lambda lines: [lines[0], lines[2]], "entry 1: not here"),
        (lambda lines: lines[:2], "entry 2: the end is missing"),
    ],
)
async def test_a_third_party_finds_a_changed_entry(
    usdt_export: Path, tmp_path: Path, change: "object", complaint: str
) -> None:
    assert callable(change)
    usdt_export.write_text("\n".join(change(usdt_export.read_text().splitlines())) + "\n")
    done = run_verifier(tmp_path, usdt_export)
    assert done.returncode == 1
    assert complaint in done.stderr
