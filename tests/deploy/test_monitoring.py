"""The rules for Prometheus and the dashboard ask for what `/metrics` has; each rule has its runbook."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

from app.core import clock, metrics
from app.core.settings import CheckpointKeys, Settings
from app.ledger import checkpoints
from app.live import hub
from app.monitoring import gauges
from app.networks.tron import node as tron_node
from app.rates import repository as rates
from app.sandbox.home import ROOT
from app.web import connections
from app.webhooks import metrics as of_webhooks
from app.wiring import Services
from tests.deploy.files import DEPLOY
from tests.factories.api_keys import bearer
from tests.web.site import client, make_site

RULES = DEPLOY / "monitoring/alerts.yaml"
DASHBOARD = DEPLOY / "monitoring/dashboard.json"
TOKEN = "t" * 40
METRIC = re.compile(r"\b(swap_pay_[a-z_]+)(?:\{([^}]*)\})?")
OF_PROMETHEUS = {"le", "job", "instance"}
CONDITIONAL = {
    "swap_pay_reconciled_seconds": "app/monitoring/gauges.py",
    "swap_pay_redis_replicas": "app/monitoring/gauges.py",
    "swap_pay_redis_sentinels_missing": "app/monitoring/gauges.py",
    "swap_pay_wal_archived_seconds": "app/monitoring/gauges.py",
    "swap_pay_wal_archive_failing": "app/monitoring/gauges.py",
    "swap_pay_drill_finished_seconds": "app/drill/figures.py",
    "swap_pay_drill_complete": "app/drill/figures.py",
    "swap_pay_drill_rpo_seconds": "app/drill/figures.py",
    "swap_pay_drill_rto_seconds": "app/drill/figures.py",
    "swap_pay_drill_base_backup_seconds": "app/drill/figures.py",
}
"""Only there once it has happened, under Sentinel, where WAL is archived, or in the file that a drill writes; by where
it is named."""

Rule = dict[str, Any]


def rules() -> list[Rule]:
    read = yaml.safe_load(RULES.read_text())
    return [rule for group in read["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression, with the name of its rule or panel."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.fixture
async def shown(services: Services, settings: Settings) -> dict[str, set[str]]:
    """Every figure that `/metrics` shows, with the names of its labels."""
    now = clock.now()
    assert await rates.begin_round(1, now)
    await rates.finish_round(1, now - timedelta(seconds=7))
    await checkpoints.create(CheckpointKeys({"c1": bytes(range(32))}), now)
    assert all((tron_node.REQUESTS, connections.CUT, hub.OPENED, of_webhooks.attempts_total)), "of all processes"
    labels = {family.name: set(family._labelnames) for family in await gauges.gauges(now)}
    async with client(make_site(replace(settings, metrics_token=TOKEN))) as http:
        page = (await http.get("/metrics", headers=bearer(TOKEN))).text
    # Counts of deliveries are those of other processes, whose files a web process shows (METRICS_DIR).
    for registry in (metrics.REGISTRY, prometheus_client.REGISTRY):
        for collector, names in registry._collector_to_names.items():
            labels |= {name: set(getattr(collector, "_labelnames", ())) for name in names}
    page += prometheus_client.generate_latest().decode()
    typed = dict(re.findall(r"^# TYPE (swap_pay_\S+) (\w+)", page, re.MULTILINE))
    series = {
        name + ending: labels.get(name, set())
        for name, kind in typed.items()
        for ending in (("_bucket", "_count", "_sum") if kind == "histogram" else ("",))
    }
    return {name: found for name, found in series.items() if not name.endswith("_created")}


async def test_every_figure_and_label_that_is_asked_for_is_there(shown: dict[str, set[str]]) -> None:
    asked = set()
    for place, expression in expressions():
        here: set[str] = set()
        for name, matchers in METRIC.findall(expression):
            asked.add(name)
            assert name in shown or name in CONDITIONAL, f"{place}: /metrics has no {name}"
            here |= shown.get(name, set())
            for label in re.findall(r"(\w+)[!=]~?\"", matchers):
                assert label in shown[name], f"{place}: {name} has no label {label}"
        for label in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression):
            assert set(label.replace(",", " ").split()) <= here | OF_PROMETHEUS, f"{place}: {label}"
    assert all(f'"{name}"' in (ROOT / source).read_text() for name, source in CONDITIONAL.items())
    unseen = {name for name in shown if not name.endswith(("_count", "_sum"))} - asked
    assert unseen == set(), "on no panel and in no rule"


def test_every_rule_has_a_runbook_and_a_severity() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    section = page.partition("\n## Alert rules\n")[2].partition("\n## ")[0]
    paragraphs = dict(re.findall(r"^### (\w+)\n\n(.+?)(?=\n\n|\Z)", section, re.MULTILINE | re.DOTALL))
    names = [rule["alert"] for rule in rules()]
    assert len(names) >= 20
    assert list(paragraphs) == names, "in the same order"
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert len(paragraphs[rule["alert"]]) > 80
        # A summary names only labels that the expression leaves.
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert label in OF_PROMETHEUS or re.search(rf"by \([^)]*\b{label}\b", rule["expr"]), rule["alert"]
    for anchor in re.findall(r"\]\(#(swappay\w+)\)", section):
        assert anchor in {name.lower() for name in names}


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    (source,) = dashboard["templating"]["list"]
    assert (source["name"], source["type"]) == ("datasource", "datasource")
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert len(panels()) > 20
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not taken & cells, f"{panel['title']} lies on another panel"
        taken |= cells


if os.environ.get("SOAK"):  # it needs promtool: apt-get install prometheus

    def test_prometheus_itself_takes_the_rules_and_they_fire() -> None:
        promtool = shutil.which("promtool")
        assert promtool, "promtool is missing: apt-get install prometheus"
        plays = Path(__file__).with_name("alerts_test.yaml")
        for arguments in (["check", "rules", str(RULES)], ["test", "rules", str(plays)]):
            done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
