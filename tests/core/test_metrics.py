"""Processes that share METRICS_DIR answer a scrape for each other, in containers with the same process ids too."""

import os
import re
import subprocess
import sys
from pathlib import Path

COUNTING = """
import os, socket
socket.gethostname = lambda: {host!r}
os.getpid = lambda: 7
from app.core import metrics
from app.webhooks import metrics as of_webhooks
of_webhooks.attempts_total.labels(result="delivered").inc({count})
of_webhooks.in_flight.inc()
print(metrics.render([]).decode())
"""


def test_two_containers_count_together(tmp_path: Path) -> None:
    def run(host: str, count: int) -> str:
        env = {**os.environ, "METRICS_DIR": str(tmp_path / "metrics")}
        command = [sys.executable, "-c", COUNTING.format(host=host, count=count)]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    run("webhooks_a", 2)
    page = run("webhooks_b", 3)
    assert re.findall(r'^swap_pay_webhook_attempts_total\{result="delivered"\} (\S+)', page, re.MULTILINE) == ["5.0"]
    assert re.findall(r"^swap_pay_webhook_in_flight (\S+)", page, re.MULTILINE) == ["2.0"]
