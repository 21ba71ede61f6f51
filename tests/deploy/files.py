"""What the files of docs/deploy and compose.yaml start: each process with its arguments and its environment."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.sandbox.home import ROOT

DEPLOY = ROOT / "docs/deploy"
SYSTEMD = DEPLOY / "systemd"
KUBERNETES = DEPLOY / "kubernetes"
IN_SECRET = {"swap-pay-secrets": "secrets.env", "swap-pay-owner": "owner.env"}
"""The secrets of Kubernetes are made of these files of docs/deploy/secrets.sh (docs/deploy.md)."""

Lines = list[tuple[str, str]]


@dataclass(frozen=True)
class Started:
    """A process as one of the ways to deploy starts it. `command`: what follows `swap-pay`."""

    way: str
    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    sealed: Any
    """Its part of the file: a service, a unit's lines, or the specs of a pod and its container."""

    def __str__(self) -> str:
        return f"{self.way}-{self.name}"


def procfile() -> dict[str, tuple[str, ...]]:
    """The processes of the Procfile, each with what follows `swap-pay`."""
    lines = re.findall(r"^([a-z]+): .*\bswap-pay ([a-z ]+)", (ROOT / "Procfile").read_text(), re.MULTILINE)
    return {name: tuple(command.split()) for name, command in lines}


def of_compose(folder: Path) -> list[Started]:
    """The processes of compose.yaml, with env files from `folder`."""
    services = compose()["services"]
    return [
        Started(
            "compose",
            name,
            tuple(service["command"]),
            {**_read_all(folder, service["env_file"]), **service.get("environment", {})},
            service,
        )
        for name, service in services.items()
        if service["image"].startswith("swap-pay:")
    ]


def compose() -> dict[str, Any]:
    """compose.yaml."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return read


def of_systemd(folder: Path) -> list[Started]:
    """The processes of the units, with env files from `folder`."""
    wanted = " ".join(value for key, value in unit(SYSTEMD / "swap-pay.target") if key == "Wants").split()
    started = []
    for path in sorted(SYSTEMD.glob("*.service")):
        instances = [name.partition("@")[2].removesuffix(".service") for name in wanted if "@" in name]
        for instance in instances if "@" in path.name else [""]:
            lines = [(key, value.replace("%i", instance)) for key, value in unit(path)]
            command = next(shlex.split(value) for key, value in lines if key == "ExecStart")
            environment = _read_all(folder, [value for key, value in lines if key == "EnvironmentFile"])
            for key, value in lines:
                if key == "Environment":
                    environment |= dict(pair.split("=", 1) for pair in shlex.split(value))
            if command[0].endswith("/swap-pay"):
                name = instance or path.stem.removeprefix("swap-pay-")
                started.append(Started("systemd", name, tuple(command[1:]), environment, lines))
    return started


def unit(path: Path) -> Lines:
    """A unit's lines as (key, value); a key may come again, so this is no dictionary."""
    lines = [line.partition("=") for line in path.read_text().splitlines() if line and line[0] not in "#["]
    return [(key, value) for key, _, value in lines]


def of_kubernetes(folder: Path) -> list[Started]:
    """The processes of the manifests, with settings and secrets from `folder`."""
    started = []
    for manifest in manifests():
        pod = manifest.get("spec", {}).get("template", {}).get("spec")
        for container in [] if pod is None else [*pod.get("initContainers", []), *pod["containers"]]:
            if container["image"] != "swap-pay":
                continue
            files = [
                "settings.env" if "configMapRef" in source else IN_SECRET[source["secretRef"]["name"]]
                for source in container["envFrom"]
            ]
            values = {each["name"]: each["value"] for each in container.get("env", [])}
            started.append(
                Started(
                    "kubernetes",
                    container["name"],
                    tuple(container["args"]),
                    {**_read_all(folder, files), **values},
                    (pod, container),
                )
            )
    return started


def manifests() -> Iterator[dict[str, Any]]:
    """Every object of the manifests, without the kustomizations."""
    for path in sorted(KUBERNETES.rglob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text())


def every_process(folder: Path) -> list[Started]:
    """The processes of all three ways."""
    return [*of_compose(folder), *of_systemd(folder), *of_kubernetes(folder)]


def read_env(path: Path) -> dict[str, str]:
    """An env file, as Docker and systemd read it: no quotes, no substitution."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def _read_all(folder: Path, names: list[str]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name in names:
        merged |= read_env(folder / Path(name).name)
    return merged


def dockerfile() -> list[tuple[str, str]]:
    """The Dockerfile's instructions as (instruction, arguments), with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]
