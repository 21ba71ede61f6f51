"""Fetching bitcoind: from where, and what is said where there is none. The suite itself uses what it fetches."""

import subprocess
from pathlib import Path

import pytest

from app.sandbox import bitcoind, bitcoind_package
from app.sandbox.bitcoind_package import HOW_TO_INSTALL
from app.sandbox.processes import ProcessError
from tests.services import bitcoind_of_this_machine, bitcoind_or_skip

DEBIAN = "'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0"
DOCKER = "'https://download.example/linux/debian/dists/bookworm/stable/binary-amd64/Packages.xz' x 0"
SECURITY = "'http://mirror.example/debian-security/dists/bookworm-security/main/binary-amd64/Packages.xz' x 0"
UBUNTU = "'http://archive.example/ubuntu/dists/noble/main/binary-amd64/Packages.xz' x 0"


@pytest.fixture
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without bitcoind. Returns the directory that is its whole PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setattr(bitcoind_package, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(programs))
    for name in (bitcoind.BITCOIND_VARIABLE, bitcoind_package.MIRROR_VARIABLE, "CI"):
        monkeypatch.delenv(name, raising=False)
    return programs


def program(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def apt(directory: Path, *addresses: str) -> None:
    """An apt with these addresses in its configuration, and none of the mirrors reachable."""
    program(directory, "dpkg", "echo amd64")
    program(directory, "dpkg-deb", "exit 1")
    printed = "\n".join(addresses)
    listing = (
        f'case "$*" in *--print-uris*) echo "{printed}" ;; *) echo "E: no route to the mirror" >&2; exit 100 ;; esac'
    )
    program(directory, "apt-get", listing)


@pytest.mark.parametrize("others", [(), (DOCKER, SECURITY)], ids=["alone", "after others"])
def test_the_mirror_is_the_one_of_apts_own_configuration(nothing_fetched: Path, others: tuple[str, ...]) -> None:
    apt(nothing_fetched, *others, DEBIAN)
    assert bitcoind_package._mirror() == "http://mirror.example/debian"


def test_a_named_mirror_comes_first(nothing_fetched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt(nothing_fetched, DEBIAN)
    monkeypatch.setenv(bitcoind_package.MIRROR_VARIABLE, "http://near.example/debian/")
    assert bitcoind_package._mirror() == "http://near.example/debian"


def test_where_it_cant_be_fetched_the_reason_and_what_to_install_are_one_line(nothing_fetched: Path) -> None:
    assert bitcoind.find() is None
    with pytest.raises(ProcessError, match="without Debian's apt") as without_apt:
        bitcoind_package.fetch()
    apt(nothing_fetched, UBUNTU, DOCKER)
    with pytest.raises(ProcessError, match="apt has no Debian mirror here") as without_mirror:
        bitcoind_package.fetch()
    program(nothing_fetched, "dpkg", "echo s390x")
    with pytest.raises(ProcessError, match="no bitcoind is pinned for s390x") as other_machine:
        bitcoind_package.fetch()
    for failure in (without_apt, without_mirror, other_machine):
        assert str(failure.value).endswith(HOW_TO_INSTALL)
        assert "\n" not in str(failure.value)


def test_a_folder_that_cant_be_written_is_named_as_the_reason(nothing_fetched: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").write_text("in the way")
    with pytest.raises(ProcessError, match=r"could not be unpacked \(.*node_modules.*: install Bitcoin Core"):
        bitcoind_package.fetch()


@pytest.mark.skipif(
    not any((Path("/usr/share/keyrings") / name).exists() for name in bitcoind_package.KEYRINGS), reason="not on Debian"
)
def test_a_failed_download_leaves_nothing_behind(nothing_fetched: Path, tmp_path: Path) -> None:
    apt(nothing_fetched, DEBIAN)
    with pytest.raises(ProcessError, match="apt-get: E: no route to the mirror"):
        bitcoind_package.fetch()
    assert bitcoind_package.fetched() is None
    assert [path.name for path in (tmp_path / "node_modules").iterdir()] == [".bitcoind.lock"]


def test_a_package_with_another_checksum_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bitcoin-knots_29.5_amd64.deb"
    archive.write_bytes(b"something else")
    with pytest.raises(ProcessError, match="not the package that is pinned"):
        bitcoind_package._check(archive, bitcoind_package.SHA256["amd64"])


def test_a_test_that_needs_a_node_is_skipped_but_fails_on_a_build_server(
    nothing_fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bitcoind_of_this_machine.cache_clear()
    try:
        with pytest.raises(pytest.skip.Exception, match="install Bitcoin Core or Knots"):
            bitcoind_or_skip()
        monkeypatch.setenv("CI", "true")
        with pytest.raises(ProcessError, match="install Bitcoin Core or Knots"):
            bitcoind_or_skip()
    finally:
        bitcoind_of_this_machine.cache_clear()


def test_the_fetched_program_runs_wherever_the_checkout_is(tmp_path: Path) -> None:
    bitcoind_or_skip()
    if bitcoind_package.fetched() is None:
        pytest.skip("this machine has a bitcoind of its own")
    moved = tmp_path / "a checkout with spaces"
    moved.symlink_to(bitcoind_package.directory())
    said = subprocess.run([moved / "bin" / "bitcoind", "-version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("Bitcoin Knots daemon version v29.5")
