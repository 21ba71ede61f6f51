from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli.main import main
from app.core.webauthn import fingerprint, to_text
from app.signer import approvers
from tests.factories.networks import networks_toml
from tests.fakes.authenticator import Authenticator

ORIGIN = "https://pay.example.test"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    return ["--file", str(tmp_path / "approvers.toml"), "--journal", str(tmp_path / "journal")]


def run(*args: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, ["signer", "approvers", *args], input=typed)


def add(files: list[str], name: str, device: Authenticator, *, url: str = ORIGIN, read_out: str = "") -> Result:
    keys = ["--credential", to_text(device.credential_id), "--key", to_text(device.public_key)]
    return run("add", *files, "--public-url", url, "--name", name, *keys, typed=f"{read_out}\n")


def test_a_passkey_is_added_once_its_owner_has_read_its_fingerprint_out(files: list[str], tmp_path: Path) -> None:
    device = Authenticator(ORIGIN)
    shown = fingerprint(device.public_key)
    refused = add(files, "Ada", device, read_out=fingerprint(Authenticator(ORIGIN).public_key))
    assert (refused.exit_code, "another one" in refused.output) == (1, True)
    assert not (tmp_path / "approvers.toml").exists()
    assert add(files, "Ada", device, read_out=shown.upper()).exit_code == 0
    assert (tmp_path / "approvers.toml").stat().st_mode & 0o077 == 0
    found = approvers.read(tmp_path / "approvers.toml")
    assert [(each.name, each.fingerprint) for each in found.approvers] == [("Ada", shown)]
    listed = run("list", *files[:2])
    assert listed.output == f"Ada\n  {shown}\nmore than 0 of * on *: 1 person\n"
    assert run("check", *files).output == "1 people, 1 rules: sound\n"


def test_what_would_not_be_sound_leaves_the_file_as_it_was(files: list[str], tmp_path: Path) -> None:
    device = Authenticator(ORIGIN)
    shown = fingerprint(device.public_key)
    assert add(files, "Ada", device, read_out=shown).exit_code == 0
    before = (tmp_path / "approvers.toml").read_text()
    for refused, says in (
        (add(files, "Ada", device, read_out=shown), "twice"),
        (add(files, 'A"da', device, read_out=shown), "printable"),
        (add(files, "Ben", Authenticator(ORIGIN), url="https://other.test", read_out=shown), "another one"),
        (run("add", *files, "--public-url", ORIGIN, "--name", "x", "--credential", "!", "--key", "!"), "not whole"),
    ):
        assert refused.exit_code == 1
        assert says in refused.output
    assert (tmp_path / "approvers.toml").read_text() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["approvers.toml", "journal"]


def test_a_policy_or_a_rule_that_is_not_sound_is_named(files: list[str], tmp_path: Path) -> None:
    networks_file = tmp_path / "networks.toml"
    networks_file.write_text(networks_toml("http://127.0.0.1:1", "0xdAC17F958D2ee523a2206206994597C13D831ec7"))
    device = Authenticator(ORIGIN)
    add(files, "Ada", device, read_out=fingerprint(device.public_key))
    path = tmp_path / "approvers.toml"
    sound = path.read_text() + '\n[[policies]]\nnetwork = "tron:live"\nstake_up_to = "5"\n'
    path.write_text(sound)
    assert (
        "on tron:live: no consolidations, dear sweeps up to 0, stake up to 5 of the coin"
        in run("list", *files[:2]).output
    )
    refused = run("check", *files, "--networks-file", str(networks_file))
    assert (refused.exit_code, "a policy is about tron:live" in refused.output) == (1, True)
    for wrong, says in (("5", "two [[policies]]"), ("-5", "can't be read")):
        path.write_text(
            f'{sound}\n[[policies]]\nnetwork = "{"tron:live" if wrong == "5" else "x"}"\nstake_up_to = "{wrong}"\n'
        )
        assert says in run("list", *files[:2]).output
    path.write_text(sound.replace("tron:live", "ethereum:test").replace("approvals = 1", 'approvals = 1\nabove = "10"'))
    checked = run("check", *files, "--networks-file", str(networks_file))
    assert checked.exit_code == 1
    assert "USDT on ethereum:test" in checked.output
