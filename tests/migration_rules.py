"""What a migration must keep to, so that the gateway serves while it runs: `python -m tests.migration_rules`.

No lock longer than a second on a table of ten million rows: indexes are built concurrently, constraints are added as
not valid and validated later, columns come without a rewrite and go only with a mark that no version in use reads them.
Squawk knows these rules. Here is which files it reads, and how they are run. Migrations before FIRST_CHECKED are older
than this check.
"""

import re
import subprocess
import sys
from pathlib import Path

from app.core import resources

FIRST_CHECKED = "swap_pay_2026_11_29t21_50_00_000000"
SQUAWK = Path(sys.executable).with_name("squawk")
CONFIG = resources.MIGRATIONS.parent / ".squawk.toml"

_SQL_FILE = re.compile(r'MIGRATIONS / "(\w+\.sql)"')
_OUTSIDE = re.compile(r"in_transaction=False")


def main() -> int:
    """Print what is wrong. 0 where nothing is."""
    faults = [fault for module in new_migrations() for fault in faults_of(module)]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


def new_migrations(folder: Path = resources.MIGRATIONS) -> list[Path]:
    """The migrations that are checked, oldest first."""
    return [path for path in sorted(folder.glob("swap_pay_*.py")) if path.stem >= FIRST_CHECKED]


def faults_of(module: Path) -> list[str]:
    """The faults of one migration; its SQL is beside it."""
    text = module.read_text()
    if "return sql_migration(" not in text and "migration = sql_migration(" not in text:
        return [f"{module.name}: must be a sql_migration: Piccolo's own changes wait for locks without an end"]
    in_transaction = _OUTSIDE.search(text) is None
    faults: list[str] = []
    for name in _SQL_FILE.findall(text):
        sql = module.with_name(name).read_text()
        faults += _squawk(module.with_name(name), in_transaction=in_transaction)
        if in_transaction and "CONCURRENTLY" in sql:
            faults.append(f"{name}: concurrently means outside of a transaction: in_transaction=False")
        if not in_transaction and re.search(r"INDEX CONCURRENTLY (?!IF )", sql):
            faults.append(f"{name}: outside of a transaction a statement can be run again: IF [NOT] EXISTS")
    return faults


def _squawk(path: Path, *, in_transaction: bool) -> list[str]:
    done = subprocess.run(
        [
            SQUAWK,
            f"--config={CONFIG}",
            "--reporter=gcc",
            *(["--assume-in-transaction"] if in_transaction else []),
            path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in done.stdout.splitlines() if line.strip()] if done.returncode else []


if __name__ == "__main__":
    sys.exit(main())
