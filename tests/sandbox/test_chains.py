"""Which chains a sandbox starts with."""

from pathlib import Path

import pytest

from app.sandbox import bitcoind, bitcoind_package, chains
from app.sandbox.chains import NETWORKS_VARIABLE
from app.sandbox.home import Home
from app.sandbox.processes import ProcessError
from tests.services import bitcoind_or_skip


def names(tmp_path: Path, said: list[str]) -> list[str]:
    return [chain.name for chain in chains.wanted(Home(tmp_path), said.append)]


@pytest.mark.parametrize(
    ("wanted", "started"),
    [
        ("", ["ethereum", "bitcoin", "tron"]),
        ("ethereum", ["ethereum"]),
        ("bitcoin", ["bitcoin"]),
        (" bitcoin , ethereum", ["ethereum", "bitcoin"]),
        ("tron", ["tron"]),
    ],
)
def test_all_are_started_or_those_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, started: list[str]
) -> None:
    bitcoind_or_skip()
    said: list[str] = []
    monkeypatch.setenv(NETWORKS_VARIABLE, wanted)
    assert names(tmp_path, said) == started
    assert said == []


def test_a_name_that_is_no_chain_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NETWORKS_VARIABLE, "ethereum,dogecoin")
    with pytest.raises(ProcessError, match="names dogecoin; there are ethereum, bitcoin, tron"):
        names(tmp_path, [])


def test_without_a_bitcoind_it_goes_on_with_the_others_and_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bitcoind_package, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(bitcoind.BITCOIND_VARIABLE, raising=False)
    monkeypatch.delenv(NETWORKS_VARIABLE, raising=False)
    said: list[str] = []
    assert names(tmp_path, said) == ["ethereum", "tron"]
    assert said[-1].startswith("The sandbox goes on without bitcoin: ")
    assert said[-1].endswith("or name it in BITCOIND")
    monkeypatch.setenv(NETWORKS_VARIABLE, "bitcoin")
    with pytest.raises(ProcessError, match="at least one chain"):
        names(tmp_path, said)
