"""Run the benches one after another, then draw their charts: `make bench`, or `python -m bench [NAME …]`.

A bench that breaks off does not keep the others from running; the exit code is 1 then.
"""

import argparse
import subprocess
import sys

from bench import BENCHES
from bench.charts import draw
from bench.report import FOLDER


def main() -> None:
    """Run all, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure beside the machine's raw limits.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHES)}")
    names = parser.parse_args().names or BENCHES
    if unknown := sorted(set(names) - set(BENCHES)):
        parser.error(f"there is no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    failed = []
    for name in names:
        print(f"\n== {name}", flush=True)
        (FOLDER / f"{name}.json").unlink(missing_ok=True)  # figures of an earlier run would pass for those of this one
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode:
            failed.append(name)
    draw(FOLDER, None, FOLDER / "charts")
    if failed:
        sys.exit(f"These broke off: {', '.join(failed)}. Their figures until then are in {FOLDER}, with the reason.")


if __name__ == "__main__":
    main()
