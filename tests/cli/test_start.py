"""What `swap-pay` imports: a command what it needs, no process what can sign but the signer, and none the tools of
developers."""

import subprocess
import sys

import click
import pytest

from app.cli.main import COMMANDS, main
from app.sandbox.home import ROOT
from workers import queues

SIGNING = {
    "app.networks.bitcoin.signing_with_bdk",
    "app.signer.keystore",
    "app.signer.signing",
    "app.signer.start",
    "bip_utils",
    "eth_account",
    "eth_keys",
    "py_ecc",
}
TOOLS = {"IPython", "black", "piccolo.apps.migrations", "pydantic", "pygments", "pytest", "rich", "rich_click"}
"""Installed with packages that we use, for their own commands, or for kinds of input that we don't take."""

PUT_OFF = {"bdb", "cffi", "cryptography.x509", "jwt.algorithms", "pycparser", "yaml.reader"}
"""What packages of ours import for what we never do (app/__init__.py, app/networks/keccak.py)."""

RARELY_USED = {"app.documentation.markdown", "bdkpython", "ccxt", "markdown_it", "opentelemetry.sdk", "webauthn"}
"""Imported by the request or the network that needs them."""

FIRST_USED = {
    "aiosmtplib",
    "app.core.mailers",
    "app.networks.bitcoin.chain",
    "app.networks.evm.chain",
    "app.networks.tron.chain",
    "babel.messages",
    "email_validator.rfc_constants",
    "httpcore",
    "httpx._client",
}
"""Of a web process: imported when it first sends something, asks a node, or reads an email address."""

SANDBOX = {"app.sandbox", "app.doctor", "app.drill", "app.cli"}
PAGES = {"app.cabinet", "app.checkout", "app.operator", "app.web.pages", "babel.messages", "jinja2", "litestar"}
"""Of the web process. The queue `default` takes them for exports, when it has one to make."""

WORKERS = ["chain", "webhooks", "default"]


def printed(statements: str) -> str:
    """What a new process prints."""
    done = subprocess.run(
        [sys.executable, "-c", statements], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def imported(statement: str) -> set[str]:
    """The modules of a new process after a statement."""
    return set(printed(f"{statement}; import sys; print(*(name for name, it in sys.modules.items() if it))").split())


def test_help_has_the_line_of_every_command_and_imports_none() -> None:
    context = click.Context(main, terminal_width=200, max_content_width=200)
    for name, place in COMMANDS.items():
        command = main.get_command(context, name)
        assert command is not None
        assert (command.name, place.help) == (name, command.get_short_help_str(200))
        assert place.help in main.get_help(context)
    assert main.get_command(context, "no-such-command") is None
    assert {each for each in imported("import app.cli.main") if each.startswith(("app.", "workers"))} == {
        "app.cli",
        "app.cli.main",
        "app.cli.lazily",
        "app.core",
        "app.core.gc_tuning",
    }


@pytest.mark.parametrize("module", ["app.asgi", *(f"workers.{queue}" for queue in WORKERS)])
def test_what_can_sign_is_imported_by_the_signer_alone_and_tools_by_no_process(module: str) -> None:
    modules = imported(f"import app.wiring, {module}")
    unwanted = SIGNING | TOOLS | RARELY_USED | SANDBOX | (set() if module == "app.asgi" else PAGES)
    assert modules & unwanted == set()


def test_contracts_are_called_without_what_only_signing_needs() -> None:
    modules = imported(
        "from app.core import leaving_out; leaving_out.leave_out_signing_models();"
        "from app.networks import contract_abi;"
        "assert contract_abi.decode(['uint8'], contract_abi.encode(['uint8'], [7])) == (7,)"
    )
    assert "eth_abi" in modules
    assert modules & (SIGNING | TOOLS) == set()


def test_what_was_left_out_can_not_sign_by_halves() -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        printed("from app.core import leaving_out; leaving_out.leave_out_signing_models(); import eth_account")
    assert "this process doesn't sign" in failed.value.stderr


def test_an_app_is_made_without_what_no_request_needs(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    modules = imported("from app.asgi import create_app; create_app()")
    assert modules & (SIGNING | TOOLS | RARELY_USED | PUT_OFF | FIRST_USED) == set()


def test_an_app_is_made_without_what_a_process_must_have_for_itself(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    statements = """
import os, threading
import app.asgi
from app.core import ids
descriptors = os.listdir("/dev/fd")
app.asgi.create_app()
print(ids._request_ids, threading.active_count(), len(os.listdir("/dev/fd")) - len(descriptors))
"""
    assert printed(statements) == "[] 1 0"


def test_what_was_put_off_is_there_when_it_is_used() -> None:
    statements = """
import app
import configparser, httpx, yaml
from httpx import AsyncClient
print(httpx.AsyncClient is AsyncClient, httpx.URL("https://a.example/b").path, configparser.ConfigParser().sections())
"""
    assert printed(statements) == "True /b []"


def test_the_signer_imports_it_and_no_other_queue() -> None:
    modules = imported("from workers import queues; queues.queue('signer')")
    assert modules > SIGNING - {"app.networks.bitcoin.signing_with_bdk", "eth_account", "eth_keys", "py_ecc"}
    assert not modules & {f"workers.{name}" for name in queues.NAMES if name != "signer"}
