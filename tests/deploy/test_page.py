"""docs/deploy.md is correct: its files, links, commands and settings exist."""

import re

import click

from app.cli.main import main
from app.sandbox.home import ROOT
from tests.deploy.files import compose, procfile

PAGE = (ROOT / "docs/deploy.md").read_text()


def test_every_file_and_link_leads_somewhere() -> None:
    paths = set(re.findall(r"\bdocs/deploy/[\w./-]*\w", PAGE))
    assert len(paths) > 8
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        file, _, anchor = target.partition("#")
        text = (ROOT / "docs" / file).read_text() if file.endswith(".md") else PAGE
        assert not file or (ROOT / "docs" / file).exists(), target
        titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors, target


def test_every_command_and_service_exists() -> None:
    commands = re.findall(r"\bswap-pay ((?:create-\w+|signer \w+|migrate\b))", PAGE)
    assert {"create-operator", "signer init", "signer show"} <= set(commands)
    for text in commands:
        command: click.Command = main
        for word in text.split():
            if not isinstance(command, click.Group):
                break
            found = command.get_command(click.Context(command), word)
            assert found is not None, text
            command = found
    services = compose()["services"]
    for name in re.findall(r"docker compose (?:run|exec)(?: --[\w-]+)* (\w+)", PAGE):
        assert name in services
    table = PAGE.partition("## Which process may run how often")[2].partition("\n## ")[0]
    rows = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))))
    assert rows == set(procfile()) | {"migrate"}
