"""What each way to deploy lets a process do: no root, no writing, no capabilities; the signer apart from all others."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli.web import STOP_TIMEOUT_S
from app.core.settings import DRAIN_S, load
from app.monitoring.routes import routes
from app.sandbox.home import ROOT
from app.web.stopping import Stopping
from tests.deploy.files import (
    DEPLOY,
    KUBERNETES,
    SYSTEMD,
    compose,
    dockerfile,
    every_process,
    manifests,
    of_compose,
    of_kubernetes,
    of_systemd,
    procfile,
    unit,
)
from tests.deploy.image import is_in_context

UID = 10001
MOST_EXPOSED = 20
"""`systemd-analyze security` counts to 100; below 20 it says OK."""


def test_the_image_runs_as_nobody_s_user_from_a_pinned_base_without_secrets() -> None:
    steps = dockerfile()
    assert [step for step in steps if step[0] in ("ADD", "SHELL", "VOLUME", "MAINTAINER")] == []
    base, lock = (arguments for instruction, arguments in steps if instruction == "ARG")
    assert lock == "LOCK=requirements.lock"
    assert re.fullmatch(r"PYTHON_IMAGE=docker\.io/library/python:3\.\d+\.\d+-slim-\w+", base)
    assert {arguments.split()[0] for instruction, arguments in steps if instruction == "FROM"} == {"${PYTHON_IMAGE}"}
    for instruction, arguments in steps:
        if instruction in ("RUN", "ENTRYPOINT", "CMD"):
            assert json.loads(arguments), "no shell"
        assert not re.search(r"secret|password|token|curl|wget|--trusted-host|sudo|chmod 777", arguments, re.IGNORECASE)
    last = max(number for number, step in enumerate(steps) if step[0] == "FROM")
    final = dict(steps[last + 1 :])
    assert final["USER"] == f"{UID}:{UID}"
    assert f'"--uid", "{UID}"' in next(arguments for name, arguments in steps[last:] if name == "RUN")
    assert json.loads(final["ENTRYPOINT"]) == ["swap-pay"]
    assert json.loads(final["HEALTHCHECK"].split(" CMD ")[1]) == ["python", "-m", "app.monitoring.probe"]
    assert is_in_context("app/asgi.py")
    for left_out in (
        ".git/config",
        "var/sandbox.env",
        "tests/conftest.py",
        "signer.env",
        "docs/pictures/desk-dark.png",
    ):
        assert not is_in_context(left_out), left_out


def test_packages_are_installed_by_hash_alone() -> None:
    script = (DEPLOY / "install.sh").read_text().replace("\\\n", "")
    installs = [line for line in script.splitlines() if "pip install" in line or 'pip" install' in line]
    assert len(installs) == 3
    for line in installs:
        assert "--require-hashes" in line or "--no-index" in line, line
    for lock in ("requirements.lock", "requirements-tracing.lock", "requirements-build.lock"):
        text = (ROOT / lock).read_text()
        pins = re.findall(r"^\S+==\S+", text, re.MULTILINE)
        hashed = re.findall(r"^\S+==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)
        assert 0 < len(pins) == len(hashed), lock
    # The tools of the image are those of the suite.
    dev = (ROOT / "requirements-dev.lock").read_text()
    tools = re.findall(r"^(?:hatchling|uv)==\S+", (ROOT / "requirements-build.lock").read_text(), re.MULTILINE)
    assert len(tools) == 2
    assert [tool for tool in tools if tool not in dev] == []


def test_compose_gives_a_process_no_more_than_it_needs(etc: Path) -> None:
    services = compose()["services"]
    for name, service in services.items():
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged"), name
        image = service["image"]
        assert re.search(r":\d+\.\d+[\w.-]*$", image) or image == "swap-pay:${SWAP_PAY_VERSION:-local}", image
    for one in of_compose(etc):
        service = one.sealed
        assert (service["user"], service["read_only"], service["cap_drop"]) == (f"{UID}:{UID}", True, ["ALL"]), str(one)
        assert "ports" not in service
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]


def test_each_way_waits_longer_than_a_process_may_take_to_stop(etc: Path) -> None:
    waits = {str(one): one.sealed["stop_grace_period"] for one in of_compose(etc)}
    waits |= {str(one): dict(one.sealed)["TimeoutStopSec"] for one in of_systemd(etc) if one.name != "migrate"}
    waits |= {
        str(one): one.sealed[0].get("terminationGracePeriodSeconds", 30)
        for one in of_kubernetes(etc)
        if one.name not in ("migrate", "metrics")
    }
    assert len(waits) >= 3 * len(procfile())
    most_s = DRAIN_S + STOP_TIMEOUT_S
    assert {name: wait for name, wait in waits.items() if int(str(wait).rstrip("s")) <= most_s} == {}
    assert not any("WEB_DRAIN_S" in one.environment for one in every_process(etc)), "then it counts here"


def test_in_compose_the_signer_shares_nothing_with_what_faces_the_internet() -> None:
    read = compose()
    services, networks = read["services"], read["networks"]
    assert networks["data"] == networks["signer-data"] == {"internal": True}

    def neighbours(name: str) -> set[str]:
        return {
            other
            for other, service in services.items()
            if other != name and set(service["networks"]) & set(services[name]["networks"])
        }

    assert neighbours("signer") == {"postgres", "valkey"}
    assert "proxy" in neighbours("web")
    assert [name for name, service in services.items() if "swap-pay-signer" in str(service)] == ["signer"]
    # The gateway trusts the proxy's address and no other one.
    address = services["proxy"]["networks"]["edge"]["ipv4_address"]
    assert services["web"]["environment"]["TRUSTED_PROXIES"] == f"{address}/32"


def test_compose_has_the_proxy_of_the_page() -> None:
    (page,) = re.findall(r"```caddyfile\n(.*?)```", (ROOT / "docs/proxy.md").read_text(), re.DOTALL)
    page = re.sub(r"^\ttls .*\n\n", "", page, flags=re.MULTILINE).replace("127.0.0.1:8000", "web:8000")
    ours = (DEPLOY / "Caddyfile").read_text().partition("\n")[2]
    assert ours == page.replace("pay.example.com {", "{$PUBLIC_HOST} {")


def test_the_units_are_correct_and_closed(tmp_path: Path, etc: Path) -> None:
    users = {one.name: dict(one.sealed)["User"] for one in of_systemd(etc)}
    assert {name for name, user in users.items() if user == "swap-pay-signer"} == {"signer"}
    created = re.findall(r"^u (\S+)", (SYSTEMD / "swap-pay.sysusers.conf").read_text(), re.MULTILINE)
    assert set(users.values()) == set(created)
    for path in SYSTEMD.glob("*.service"):
        lines = unit(path)
        for key, value in (
            ("ProtectSystem", "strict"),
            ("NoNewPrivileges", "yes"),
            ("PrivateTmp", "yes"),
            ("MemoryDenyWriteExecute", "yes"),
            ("CapabilityBoundingSet", ""),
            ("SystemCallFilter", "@system-service"),
        ):
            assert (key, value) in lines, f"{path.name}: {key}"
    if (analyze := shutil.which("systemd-analyze")) is None:
        assert not os.environ.get("CI"), "systemd-analyze is missing: apt-get install systemd"
        pytest.skip("no systemd here: its checks of the units did not run")
    for path in SYSTEMD.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/swap-pay/bin/swap-pay", "/bin/true"))
    units = sorted(tmp_path.glob("*.service"))
    whole = [*(path for path in units if "@" not in path.name), tmp_path / "swap-pay.target"]
    verified = subprocess.run(
        [analyze, "verify", "--man=no", *whole],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [line for line in verified.stderr.splitlines() if "swap-pay" in line] == []
    for path in units:
        done = subprocess.run(
            [analyze, "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", path],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-500:]


def test_kubernetes_gives_a_pod_no_more_than_it_needs(etc: Path) -> None:
    accounts = {each["metadata"]["name"]: each for each in manifests() if each["kind"] == "ServiceAccount"}
    assert not any(account["automountServiceAccountToken"] for account in accounts.values())
    pods = [pod for each in manifests() for pod in (pod_of(each),) if pod is not None]
    assert len(pods) == 7
    for pod in pods:
        context = pod["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, UID)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        assert pod["serviceAccountName"] in accounts
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
            }  # fmt: skip
            assert container["resources"]["limits"]["memory"]
    for one in of_kubernetes(etc):
        pod, container = one.sealed
        assert (pod["serviceAccountName"] == "signer") == (one.name == "signer"), str(one)
        if one.name not in ("migrate", "metrics"):
            assert {"startupProbe", "livenessProbe"} <= set(container), str(one)


def pod_of(manifest: dict[str, Any]) -> dict[str, Any] | None:
    """The specification of the pods that a manifest makes."""
    if manifest["kind"] == "Pod":
        return dict(manifest["spec"])
    pod: dict[str, Any] | None = manifest.get("spec", {}).get("template", {}).get("spec")
    return pod


def test_what_may_run_twice_is_kept_running_and_the_signer_runs_once() -> None:
    all_of_them = list(manifests())
    replicated = [each for each in all_of_them if "replicas" in each.get("spec", {})]
    replicas = {each["metadata"]["name"]: each["spec"]["replicas"] for each in replicated}
    assert replicas == {"web": 2, "chain": 2, "webhooks": 2, "default": 2, "signer": 1}
    assert {each["kind"] for each in all_of_them if each["metadata"]["name"] == "signer"} >= {"StatefulSet"}
    budgets = {each["metadata"]["name"] for each in all_of_them if each["kind"] == "PodDisruptionBudget"}
    assert budgets == {name for name, count in replicas.items() if count > 1}
    for each in all_of_them:
        if each["kind"] == "Deployment":
            assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
            assert (
                each["spec"]["selector"]["matchLabels"].items()
                <= each["spec"]["template"]["metadata"]["labels"].items()
            )


@pytest.mark.parametrize("where", ["gateway", "signer"])
def test_pods_reach_only_what_a_policy_names(where: str) -> None:
    policies = {
        each["metadata"]["name"]: each["spec"]
        for each in yaml.safe_load_all((KUBERNETES / where / "network-policies.yaml").read_text())
    }
    assert policies["nothing-else"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    inwards = {name for name, policy in policies.items() if "ingress" in policy}
    assert inwards == ({"customers", "prometheus"} if where == "gateway" else set())
    for name, policy in policies.items():
        for rule in policy.get("egress", []):
            assert rule["ports"], name
            for target in rule["to"]:
                if target.get("ipBlock", {}).get("cidr") == "0.0.0.0/0":
                    assert "10.0.0.0/8" in target["ipBlock"]["except"]
                    assert "169.254.0.0/16" in target["ipBlock"]["except"]


def test_probes_ask_for_pages_that_exist(etc: Path) -> None:
    env = {**of_compose(etc)[0].environment, "NETWORKS_FILE": str(etc / "networks.toml")}
    pages = {path for handler in routes(load(env), Stopping()) for path in handler.paths}
    assert pages >= {"/healthz", "/readyz", "/metrics"}
    asked = 0
    for one in every_process(etc):
        if one.way == "kubernetes":
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                probe = one.sealed[1].get(kind, {})
                asked += bool(probe)
                assert "httpGet" not in probe or probe["httpGet"]["path"] in pages
                # A database that is away restarts nothing.
                assert kind == "readinessProbe" or probe.get("httpGet", {}).get("path") in (None, "/healthz")
                assert "exec" not in probe or probe["exec"]["command"] == ["python", "-m", "app.monitoring.probe"]
    assert asked == 12
    scraped = [
        each["spec"]["template"]["metadata"].get("annotations", {}).get("prometheus.io/path")
        for each in manifests()
        if "template" in each.get("spec", {})
    ]
    assert set(filter(None, scraped)) <= pages
