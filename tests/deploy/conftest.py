"""The settings of a deployment, as docs/deploy.md has them made: the example files, and fresh secrets."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY


@pytest.fixture(scope="package")
def etc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/etc/swap-pay after the steps of the page."""
    folder = tmp_path_factory.mktemp("etc")
    for path in (DEPLOY / "settings").iterdir():
        shutil.copy(path, folder)
    subprocess.run(["sh", DEPLOY / "secrets.sh", folder], check=True, capture_output=True)
    secrets = folder / "secrets.env"
    secrets.write_text(re.sub(r"^(ETH_\w+)=$", r"\1=filled-in", secrets.read_text(), flags=re.MULTILINE))
    return folder
