"""In which order the tests run, and which of them run in one process: hooks of pytest and pytest-xdist."""

from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

SLOWEST = (
    "resilience",
    "docs/test_guides.py",
    "install/test_wheel.py",
    "hosts",
    "integrators",
    "sandbox/test_demo.py",
    "sandbox/test_money_out.py",
    "forms/test_browser.py",
    "checkout/test_checkout_live.py",
    "checkout/test_pages.py",
    "gallery/test_gallery.py",
    "cabinet/over_chain",
    "cabinet/test_journey.py",
    "workers/test_redis_away.py",
    "workers/test_redis_failover.py",
    "api/test_schemathesis.py",
    "operator/test_layout.py",
    "operator/journeys",
    "operator/over_bitcoin",
    "web/test_every_route.py",
    "money/test_any_order.py",
    "webhooks/test_killed.py",
    "signer/test_signer_killed.py",
    "signer/test_bitcoin_signer_killed.py",
)
"""They start first, so that no worker runs a long file alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first; the rest in the order of the tree."""
    order = {Path(__file__).parent / name: number for number, name in enumerate(SLOWEST)}

    def place(item: pytest.Item) -> int:
        return min((order[path] for path in (item.path, *item.path.parents) if path in order), default=len(SLOWEST))

    items.sort(key=place)


TOGETHER = ("tests/resilience/", "tests/hosts/", "tests/integrators/", "tests/standby/")
"""Folders whose files share something expensive: one worker runs them all, as it does the tests of any one file."""


@pytest.hookimpl(optionalhook=True)  # only pytest-xdist has it
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """With `--dist loadscope`, keep the folders of TOGETHER together."""
    return _ByFileOrFolder(config, log) if config.getvalue("dist") == "loadscope" else None


class _ByFileOrFolder(LoadScopeScheduling):  # type: ignore[misc] # of a package without types
    def _split_scope(self, nodeid: str) -> str:
        folder = next((folder for folder in TOGETHER if nodeid.startswith(folder)), None)
        return folder or super()._split_scope(nodeid)
