"""docs/sad-paths.md: its commands run in the sandbox as they are written, in one folder."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.sandbox.chains import NETWORKS_VARIABLE
from app.sandbox.home import ROOT
from tests.curl import path_with_curl
from tests.docs.test_guides import DOCS, Snippet, run, snippets
from tests.sandbox.sandboxes import Sandbox

AT_ONCE = 3
"""Each path waits for blocks and for processes to start, and has an invoice of its own."""

TIMEOUT_S = 200


@pytest.mark.timeout(600)
def test_every_sad_path_happens_as_the_page_says(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {
        "PATH": f"{ROOT / '.venv' / 'bin'}:{path_with_curl(os.environ, tmp_path)}",
        "SWAP_PAY_URL": sandbox.interface.base_url,
        "SWAP_PAY_KEY": sandbox.interface.api_key,
        "SWAP_PAY_VAR": str(sandbox.home.directory),
        NETWORKS_VARIABLE: sandbox.networks,
    }

    def walk(path: Snippet) -> None:
        run("sad-paths", path, environment, TIMEOUT_S)

    helpers, *paths = snippets((DOCS / "sad-paths.md").read_text())
    walk(helpers)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert len(list(pool.map(walk, paths))) == 7
