"""What `swap-pay` imports: a command what it needs, and no process but the signer what can sign."""

import subprocess
import sys

import click
import pytest

from app.cli.main import COMMANDS, main
from app.sandbox.home import ROOT
from workers import queues

SIGNING = {"app.signer.keystore", "app.signer.signing", "app.signer.start", "bip_utils", "eth_account", "eth_keys"}


def imported(statement: str) -> set[str]:
    """The modules of a new process after a statement."""
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(done.stdout.split())


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
    }


@pytest.mark.parametrize("module", ["app.asgi", "workers.chain", "workers.webhooks", "workers.default"])
def test_what_can_sign_is_imported_by_the_signer_alone(module: str) -> None:
    assert imported(f"import app.wiring, {module}") & SIGNING == set()


def test_the_signer_imports_it_and_no_other_queue() -> None:
    modules = imported("from workers import queues; queues.queue('signer')")
    assert modules > SIGNING - {"eth_account", "eth_keys"}, "those at its first signature"
    assert not modules & {f"workers.{name}" for name in queues.NAMES if name != "signer"}
