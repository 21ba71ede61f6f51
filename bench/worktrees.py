"""Two commits side by side in temporary work trees, and a bench run in either.

Both run with the packages of the interpreter that compares. A commit's own bench runs where it writes JSON
(bench/report.py). Where it does not, the other commit's bench runs over this one's app: that works as long as what the
bench uses of the app had the same names, and fails with an ImportError or the like where it had not.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.report import Run

LONGEST_S = 30 * 60
"""A bench that takes longer is stopped."""

LINKED = ("node_modules", "tests/*/node_modules")
"""Folders that git does not have and benches need: those of this checkout are used."""

LOG_LINES = 8


class UnknownCommit(ValueError):
    """What was named is no commit here."""


@dataclass(frozen=True)
class Side:
    """One of the two commits, checked out. `borrowed` is a folder with the other's bench in it."""

    name: str
    commit: str
    root: Path
    borrowed: Path

    def has_own(self, bench: str) -> bool:
        """Whether this commit's bench writes JSON."""
        return writes_json(self.root, bench)


def resolved(commit: str) -> str:
    """The full hash of a commit. Raises UnknownCommit."""
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise UnknownCommit(f"There is no commit {commit!r} here")
    return found.stdout.strip()


def differ(base: str, head: str, *paths: str) -> bool:
    """Whether files differ between two commits."""
    return subprocess.run(["git", "diff", "--quiet", base, head, "--", *paths], check=False).returncode != 0


def is_clean() -> bool:
    """Whether this checkout's files are those of its commit."""
    return not _git("status", "--porcelain", "--untracked-files=no")


def writes_json(root: Path, bench: str) -> bool:
    """Whether the bench of a checkout reports figures."""
    path = root / "bench" / f"{bench}.py"
    return path.exists() and "bench.report" in path.read_text()


@contextmanager
def checked_out(base: str, head: str) -> Iterator[tuple[Side, Side]]:
    """Both commits, by their full hashes, in a temporary folder that is removed at the end."""
    checkout = Path(_git("rev-parse", "--show-toplevel"))
    folder = Path(tempfile.mkdtemp(prefix="swap-pay-compare-"))
    roots = {"base": folder / "base", "head": folder / "head"}
    try:
        for name, commit in (("base", base), ("head", head)):
            _git("worktree", "add", "--quiet", "--detach", str(roots[name]), commit)
            _link(checkout, roots[name])
            _compile(roots[name])
        sides = {}
        for name, other, commit in (("base", "head", base), ("head", "base", head)):
            borrowed = folder / f"{other}-bench-over-{name}"
            shutil.copytree(roots[other] / "bench", borrowed / "bench", ignore=shutil.ignore_patterns("__pycache__"))
            sides[name] = Side(name, commit, roots[name], borrowed)
        yield sides["base"], sides["head"]
    finally:
        for root in roots.values():
            subprocess.run(["git", "worktree", "remove", "--force", str(root)], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
        _git("worktree", "prune")


def run(side: Side, other: Side, bench: str, into: Path) -> tuple[Run | str, float]:
    """Run a bench of one side once; `into` gets its JSON and what it printed. Returns what it wrote, or why there is
    nothing, and how many seconds it took."""
    if side.has_own(bench):
        beside = side.root
    elif other.has_own(bench):
        beside = side.borrowed
    else:
        return f"neither commit has a bench {bench} that writes JSON", 0.0
    into.mkdir(parents=True, exist_ok=True)
    log, started = into / f"{bench}.log", time.monotonic()
    with log.open("w") as output:
        try:
            ended = subprocess.run(
                [sys.executable, "-m", f"bench.{bench}"],
                cwd=beside,
                env={**_environment(beside, side.root), "BENCH_JSON": str(into.resolve())},
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=LONGEST_S,
                check=False,
            )
            problem = f"it ended with {ended.returncode}" if ended.returncode else ""
        except subprocess.TimeoutExpired:
            problem = f"it took longer than {LONGEST_S // 60} minutes"
    took_s = time.monotonic() - started
    try:
        written = Run.read(into / f"{bench}.json")
        return replace(written, broken=written.broken or problem), took_s
    except (OSError, ValueError) as error:
        last = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        problem = problem or (f"it wrote no JSON ({error})" if isinstance(error, ValueError) else "it wrote no JSON")
        return "\n    ".join([problem, *last]), took_s


def _environment(*roots: Path) -> Mapping[str, str]:
    """The environment of a run: modules come from these folders, before those that the interpreter would take."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, dict.fromkeys(roots)))}


def _link(checkout: Path, root: Path) -> None:
    for pattern in LINKED:
        for there in checkout.glob(pattern):
            here = root / there.relative_to(checkout)
            if here.parent.is_dir() and not here.exists():
                here.symlink_to(there.resolve())


def _compile(root: Path) -> None:
    """Make the byte code now, so that no run has to, and see that the app which would run is the one of this folder."""
    folders = [name for name in ("app", "workers", "bench", "piccolo_migrations") if (root / name).is_dir()]
    subprocess.run([sys.executable, "-m", "compileall", "-q", *folders], cwd=root, check=False, capture_output=True)
    show = "import app.core; print(app.core.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", show], cwd="/", env=_environment(root), capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(found).is_relative_to(root):
        raise RuntimeError(f"Python would run the app of {found} instead of the one of {root}")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
