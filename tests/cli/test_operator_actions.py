"""Operators' commands: password and code are checked, and refusals are one line."""

import asyncio
import json

import pyotp
import pytest
from click.testing import CliRunner

from app.cli.main import main

PASSWORD = "a rather long phrase 7"
NOBODY = ("--operator", "nobody@example.test", "--password", PASSWORD, "--code", "000000")


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (("approvals", "approve", "PO-0000000000"), "there is no PO-0000000000"),
        (("approvals", "reject", "PO-0000000000", "--reason", "a test"), "there is no PO-0000000000"),
        (("holds", "release", "1", "--reason", "a test"), "there is no open hold 1"),
        (("reviews", "close", "DEP-0000000000", "--reason", "a test"), "there is no review of DEP-0000000000"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else None,
)
async def test_password_and_code_are_checked_and_refusals_are_one_line(
    environment: dict[str, str], command: tuple[str, ...], refusal: str
) -> None:
    def run(*arguments: str) -> str:
        return CliRunner(env=environment).invoke(main, arguments).output

    made = json.loads(
        await asyncio.to_thread(
            run,
            *("create-operator", "--email", "otto@example.test", "--name", "Otto", "--password", PASSWORD, "--json"),
        )
    )
    otto = ("--operator", "otto@example.test", "--password", PASSWORD, "--code", pyotp.TOTP(made["totp_secret"]).now())
    assert await asyncio.to_thread(run, command[0], "list") == ""
    stranger = await asyncio.to_thread(run, *command, *NOBODY)
    assert stranger.startswith("Error: ")
    assert stranger.count("\n") == 1
    assert refusal in await asyncio.to_thread(run, *command, *otto)
    again = await asyncio.to_thread(run, *command, *otto)
    assert again.startswith("Error: ")
    assert refusal not in again  # the code was accepted once
