"""The Python client as its users get it: its wheel in a clean place, and the programs of its README as written.

On the oldest Python that it supports and is here; another test reads every module on the newest one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.sandbox.home import ROOT
from app.sandbox.integrator import wait_for
from tests.install.installed import build
from tests.sandbox.sandboxes import Sandbox

pytestmark = pytest.mark.timeout(600)

CLIENT = ROOT / "clients" / "python"
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PATIENCE_S = 120
CALL = """
import json, sys
said = json.load(sys.stdin)
receive(said["body"].encode(), said["headers"], said["secret"])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's wheel, made by way of its sdist: what PyPI would have."""
    folder = tmp_path_factory.mktemp("client")
    sdist = build(CLIENT, "sdist", folder / "sdist")
    shutil.unpack_archive(sdist, folder / "sources", filter="data")
    (sources,) = (folder / "sources").iterdir()
    return build(sources, "wheel", folder / "wheel")


def installed(wheel: Path, python: str, folder: Path) -> Path:
    """The Python of a new virtual environment that has the wheel and what it needs, and nothing else."""
    pins = re.findall(r"^(\S+==\S+)", (ROOT / "requirements-clients.lock").read_text(), re.MULTILINE)
    (folder / "pins").write_text("\n".join(pins))
    uv = [str(Path(sys.executable).parent / "uv"), "--quiet"]
    run(*uv, "venv", "--python", python, str(folder / "venv"))
    there = ("--python", str(folder / "venv"), "--constraint", str(folder / "pins"))
    run(*uv, "pip", "install", *there, str(wheel))
    return folder / "venv" / "bin" / "python"


def pythons() -> list[str]:
    """The Pythons of this machine that the client supports, the oldest first: on PATH, or pyenv's."""
    found = []
    for version in VERSIONS:
        pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
        here = [str(path) for path in pyenv] + [path for path in [shutil.which(f"python{version}")] if path]
        found += [path for path in here if works(path)][:1]
    return found or [sys.executable]


def works(python: str) -> bool:
    """Whether it starts: pyenv puts a program of each version's name on PATH, and most only say where to look."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def run(*argv: str, stdin: str = "", env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a program, which must succeed. Returns what it prints."""
    done = subprocess.run(argv, input=stdin, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_programs_of_the_readme_take_a_payment_and_verify_its_webhook(
    sandbox: Sandbox, wheel: Path, tmp_path: Path
) -> None:
    python, interface = installed(wheel, pythons()[0], tmp_path), sandbox.interface
    environment = {"PATH": "/usr/bin:/bin", "SWAP_PAY_URL": interface.base_url, "SWAP_PAY_KEY": interface.api_key}
    program, receive, listing, once_more = programs()

    def readme(source: str, **more: Any) -> str:
        return run(str(python), "-W", "error", "-c", source, env=environment, cwd=tmp_path, **more)

    # Given an invoice that the customer pays,
    printed = readme(program)
    assert printed.startswith(f"Send your customer to {interface.base_url}/pay/INV-")
    invoice_id = re.findall("INV-[0-9A-Z]{10}", printed)[0]
    paid = sandbox.command("pay", invoice_id)
    assert paid.returncode == 0, paid.stderr

    # when its webhook arrives, then it verifies, and says which order is paid;
    def arrived() -> dict[str, Any] | None:
        records = sandbox.integrator().webhooks(invoice_id)
        return next((record for record in records if record["event_type"] == "invoice.paid"), None)

    record = wait_for("the webhook", arrived, PATIENCE_S)
    said = {"body": record["body"], "headers": record["headers"], "secret": interface.webhook_receiver.secret}
    assert readme(receive + CALL, stdin=json.dumps(said)) == "Order A-1042 is paid\n"
    # and the other programs find the same invoice.
    assert readme(listing) == f"{invoice_id} paid 5.00\n"
    assert invoice_id in readme(once_more)


def programs() -> list[str]:
    """The README's programs, in order."""
    return re.findall(r"^```python\n(.*?)^```$", (CLIENT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_every_module_is_read_by_the_newest_python_and_the_types_are_there(wheel: Path, tmp_path: Path) -> None:
    python = installed(wheel, pythons()[-1], tmp_path)
    every = (
        "import importlib, pkgutil, swap_pay\n"
        "names = [one.name for one in pkgutil.walk_packages(swap_pay.__path__, 'swap_pay.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names), swap_pay.__version__)\n"
    )
    count, version = run(str(python), "-W", "error", "-c", every, cwd=tmp_path).split()
    assert int(count) > 100
    assert f"-{version}-" in wheel.name
    # A program of the README is checked with the installed library's types, as an editor would.
    source = tmp_path / "program.py"
    source.write_text("\n".join(programs()) + "\nreveal_type(invoice.pay_in)\n")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "--no-incremental", str(source)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "MYPYPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert 'Revealed type is "None | swap_pay._generated.models.pay_in.PayIn"' in checked.stdout
