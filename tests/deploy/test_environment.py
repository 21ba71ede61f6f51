"""Each way to deploy starts every process, with the variables that the code reads: none unknown, none missing."""

import base64
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.core import settings
from app.core.settings import SettingsError
from app.sandbox.home import ROOT
from app.signer.environment import PREFIX, SignerSettingsError, refuse_secrets
from app.signer.settings import load_keys, load_safeguards
from tests.deploy.files import DEPLOY, KUBERNETES, Started, every_process, procfile, read_env

OF_PYTHON = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PATH"}
WAYS = ("compose", "systemd", "kubernetes")


class Asked(dict[str, str]):
    """An environment that remembers which variables were read."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override] # dict's own takes any default
        self.names.add(key)
        return super().get(key, default)


@pytest.fixture(scope="module")
def declared() -> tuple[set[str], set[str]]:
    """Every variable that `settings.py` reads, and those that it requires."""
    asked = Asked()
    with pytest.raises(SettingsError) as missing:
        settings.load(asked)
    return asked.names, {fault.split()[0] for fault in missing.value.faults}


@pytest.fixture(scope="module")
def of_the_signer() -> set[str]:
    """Every variable that only the signer reads."""
    asked = Asked()
    assert load_safeguards(asked) is None
    with pytest.raises(SignerSettingsError):
        load_keys(is_production=True, env=asked)
    return asked.names


@pytest.fixture(scope="module")
def started(etc: Path) -> list[Started]:
    return every_process(etc)


@pytest.mark.parametrize("way", WAYS)
def test_every_process_of_the_procfile_is_started(way: str, started: list[Started]) -> None:
    found = {one.name: one.command for one in started if one.way == way}
    helpers = {"migrate": ("migrate",)} | ({"metrics": ("web",)} if way == "kubernetes" else {})
    assert len(procfile()) == 5
    assert found == procfile() | helpers


def test_the_environment_is_what_the_settings_declare(
    started: list[Started], declared: tuple[set[str], set[str]], of_the_signer: set[str], etc: Path
) -> None:
    known, required = declared
    in_networks = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "settings/networks.toml").read_text()))
    assert len(known) > 40
    assert len(started) == 3 * 6 + 1
    for one in started:
        names = set(one.environment)
        assert names - known - in_networks - OF_PYTHON - of_the_signer == set(), f"{one}: nothing reads these"
        assert required - names == set(), f"{one}: these are required"
        loaded = settings.load({**one.environment, "NETWORKS_FILE": str(etc / "networks.toml")})
        assert loaded.is_production
        assert loaded.metrics_token
        assert loaded.checkpoint_keys


def test_only_the_signer_has_the_signer_s_settings(started: list[Started], of_the_signer: set[str]) -> None:
    assert all(name.startswith(PREFIX) for name in of_the_signer)
    for one in started:
        if one.name == "signer":
            assert set(one.environment) >= {"SIGNER_KEYSTORE_FILE", "SIGNER_KEYSTORE_PASSWORD_FILE"}, str(one)
            assert "SIGNER_MNEMONIC" not in one.environment
        else:
            refuse_secrets(one.environment)
    example = (DEPLOY / "settings/signer.env").read_text()
    assert set(re.findall(r"^#? ?(SIGNER_\w+)=", example, re.MULTILINE)) == of_the_signer - {"SIGNER_MNEMONIC"}


def test_only_the_migration_is_the_owner_of_the_tables(started: list[Started]) -> None:
    for one in started:
        owner = one.environment["DATABASE_URL"].startswith("postgresql://swap_pay_owner:")
        assert owner == (one.name == "migrate"), str(one)
        assert owner or one.environment["DATABASE_URL"].startswith("postgresql://swap_pay_app:"), str(one)


def test_no_file_holds_a_secret() -> None:
    """No value of a secret variable, and nothing that could be one, in any file of the repository to deploy with."""
    secret = re.compile(
        r"(?:SECRET|PEPPERS|DATA_KEYS|TOKEN|PASSWORD|CHECKPOINT_KEY|DATABASE\w*_URL|REDIS_URL|MAIL_URL)$"
    )
    files = [ROOT / "compose.yaml", ROOT / "Dockerfile", *(path for path in DEPLOY.rglob("*") if path.is_file())]
    assert len(files) > 20
    for path in files:
        text = path.read_text()
        for word in re.findall(r"[A-Za-z0-9+/]{43}=|\b[0-9a-f]{32,}\b", text):
            pytest.fail(f"{path.name}: {word} looks like a secret")
        if path.suffix == ".env":
            assert not [name for name in read_env(path) if secret.search(name)], path.name
        for name, value in _values(path):
            assert not secret.search(name), f"{path.name}: {name}={value}"


def _values(path: Path) -> Iterator[tuple[str, object]]:
    """Every name with a literal value that a container gets."""
    if path.suffix != ".yaml":
        return
    for document in yaml.safe_load_all(path.read_text()):
        waiting = [document]
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting += node
            if isinstance(node, dict):
                waiting += node.values()
                if isinstance(node.get("environment"), dict):
                    yield from node["environment"].items()
                if set(node) == {"name", "value"}:
                    yield node["name"], node["value"]


def test_secrets_are_fresh_private_and_never_overwritten(tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        command = ["sh", str(DEPLOY / "secrets.sh"), str(folder), "db.example.com", "valkey.example.com"]
        subprocess.run(command, check=True, capture_output=True)
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        made.append({name: value for path in folder.iterdir() for name, value in read_env(path).items() if value})
        again = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (again.returncode, "is not overwritten" in again.stderr) == (1, True)
        assert {k: v for path in folder.iterdir() for k, v in read_env(path).items() if v} == made[-1]
    same = {name for name, value in made[0].items() if made[1][name] == value}
    assert same == {"POSTGRES_DB", "POSTGRES_USER"}
    assert "@db.example.com/" in made[0]["DATABASE_URL"]
    assert "@valkey.example.com:6379" in made[0]["REDIS_URL"]
    assert len(base64.b64decode(made[0]["LINK_SECRET"])) == 32


def test_the_servers_of_compose_know_the_passwords_of_the_processes(etc: Path) -> None:
    secrets, owner = read_env(etc / "secrets.env"), read_env(etc / "owner.env")
    postgres, valkey = read_env(etc / "postgres.env"), read_env(etc / "valkey.env")
    assert owner["DATABASE_URL"] == (
        f"postgresql://{postgres['POSTGRES_USER']}:{postgres['POSTGRES_PASSWORD']}@postgres/{postgres['POSTGRES_DB']}"
    )
    assert secrets["DATABASE_URL"] == (
        f"postgresql://swap_pay_app:{postgres['SWAP_PAY_APP_PASSWORD']}@postgres/{postgres['POSTGRES_DB']}"
    )
    assert secrets["REDIS_URL"] == f"redis://:{valkey['VALKEY_PASSWORD']}@valkey:6379/0"


def test_every_file_that_a_kustomization_names_is_there() -> None:
    found = 0
    for path in [*KUBERNETES.rglob("kustomization.yaml"), *DEPLOY.glob("*/kustomization.yaml")]:
        read = yaml.safe_load(path.read_text())
        names = [*read.get("resources", [])]
        for each in read.get("configMapGenerator", []):
            names += [*each.get("envs", []), *each.get("files", [])]
        for name in names:
            there = Path(os.path.normpath(path.parent / name))
            assert (there / "kustomization.yaml" if there.is_dir() else there).is_file(), f"{path}: {name}"
            found += 1
    assert found >= 12
