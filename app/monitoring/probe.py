"""`python -m app.monitoring.probe`: exits with 0 if the process of this container works, else with 1 and the reason.

A worker serves nothing, so it touches `HEARTBEAT_FILE` while its loop turns; where no worker has, the web process is
asked for `/healthz`. It imports next to nothing: probes run every few seconds.
"""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from app.core import clock

SILENT_S = 60.0
"""A worker without a heartbeat for so long hangs. No single step of its loop takes more than a few seconds."""

ANSWER_S = 3.0


def fault(env: Mapping[str, str] = os.environ) -> str | None:
    """What is wrong with the process, None if it works."""
    heartbeat = env.get("HEARTBEAT_FILE", "").strip()
    if heartbeat and (age_s := _age_s(Path(heartbeat))) is not None:
        return f"no heartbeat for {age_s:.0f} s" if age_s > SILENT_S else None
    url = f"http://127.0.0.1:{env.get('WEB_PORT', '').strip() or 8000}/healthz"
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with ask.open(url, timeout=ANSWER_S):
            return None
    except (urllib.error.URLError, OSError) as error:
        return f"{url}: {error}"


def _age_s(file: Path) -> float | None:
    try:
        return clock.unshifted_now().timestamp() - file.stat().st_mtime
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(fault())
