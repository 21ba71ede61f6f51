"""The version before and this one work side by side on one database, which this one's migrations have changed.

Two web processes, one of each version, behind a balancer, and of each worker one of each version; then the old ones are
replaced by new ones. `make soak` alone runs it, and it needs the repository's history: the version before is the commit
of the record in tests/upgrades, or that of `UPGRADE_FROM`. What every run asks of the version before, without running
it, is in tests/upgrades/test_version_before.py.
"""

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from app.sandbox.home import ROOT
from tests.resilience.fleet import Fleet, until
from tests.resilience.test_rolling_restart import load
from tests.resilience.world import Running
from tests.upgrades import record

BESIDE_S = 20
"""How much traffic both versions serve before the old one goes, in answers a second that one process gives easily."""

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif("SOAK" not in os.environ, reason="two versions take minutes: make soak"),
]


def test_the_version_before_works_beside_this_one(running: Running, tmp_path: Path) -> None:
    before = checked_out(os.environ.get("UPGRADE_FROM") or record.read().commit, tmp_path / "before")
    fleet = Fleet(running, tmp_path, second=before)
    with fleet.up(), load(running, fleet.base_url) as traffic:
        assert {os.readlink(f"/proc/{member.pid}/cwd") for member in fleet.numbered(2)} == {str(before)}
        until("traffic on both versions", lambda: traffic.answers > 10 * BESIDE_S and len(traffic.paid) > 5)
        for member in fleet.numbered(2):  # the upgrade: each old one is replaced
            member.code = ROOT
            fleet.replace(member)
        answers = traffic.answers
        until("traffic afterwards", lambda: traffic.answers > answers + 10 * BESIDE_S)
    assert {code for member in fleet.members for code in member.exits} == {0}
    assert fleet.balancer.refused == 0


def checked_out(commit: str, folder: Path) -> Path:
    """The code of a commit, without what is not under version control. Skips where there is no history."""
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if not commit or packed.returncode != 0 or shutil.which("git") is None:
        pytest.skip(f"the version before is not in this repository's history: {commit or 'no commit is recorded'}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder
