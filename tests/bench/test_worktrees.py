"""Two commits of a small project are checked out, and a bench runs over each one's own app."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench import report, worktrees
from bench.report import Run

BENCH = """
from app.speed import PER_SECOND
from bench.report import Report

with Report("api") as report:
    report.add("read", PER_SECOND, "/s")
    print("one figure")
    import app.later
"""


def git(*arguments: str) -> str:
    command = ["git", "-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """One without a bench that writes JSON, and the next one, which has one and is twice as fast."""
    monkeypatch.chdir(tmp_path)
    for folder in ("app", "app/core", "bench"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    git("init", "--quiet")
    hashes = []
    for per_second in (100, 200):
        (tmp_path / "app" / "speed.py").write_text(f"PER_SECOND = {per_second}\n")
        if per_second == 200:
            shutil.copy(Path(report.__file__), tmp_path / "bench")
            (tmp_path / "bench" / "api.py").write_text(BENCH)
            (tmp_path / "app" / "later.py").touch()
        git("add", ".")
        git("commit", "--quiet", "--message", f"{per_second}")
        hashes.append(git("rev-parse", "HEAD"))
    return hashes[0], hashes[1]


def test_each_commit_runs_its_own_app_and_what_is_left_is_removed(commits: tuple[str, str], tmp_path: Path) -> None:
    assert [worktrees.resolved("HEAD~1"), worktrees.resolved("HEAD")] == list(commits)
    with pytest.raises(worktrees.UnknownCommit, match="no commit 'v9'"):
        worktrees.resolved("v9")
    assert worktrees.is_clean()
    assert worktrees.differ(*commits, "bench/api.py")
    with worktrees.checked_out(*commits) as (base, head):
        (before, _), (after, _) = (
            worktrees.run(base, head, "api", tmp_path / "base"),
            worktrees.run(head, base, "api", tmp_path / "head"),
        )
        nothing, _ = worktrees.run(head, base, "rates", tmp_path / "head")
        roots = [base.root, head.root]
        assert all(root.exists() for root in roots)
    assert isinstance(before, Run)
    assert isinstance(after, Run)
    assert (before.figures["read"].value, after.figures["read"].value) == (100, 200)
    assert "later" in before.broken, "the newer bench over an app that lacks a name: its figures until then, and why"
    assert after.broken == ""
    assert (tmp_path / "head" / "api.log").read_text().endswith("one figure\n")
    assert nothing == "neither commit has a bench rates that writes JSON"
    assert not any(root.exists() for root in roots)
    assert git("worktree", "list").count("\n") == 0
