"""Mozilla's HTTP Observatory gives the checkout and the sign-in page 120 points or more, served behind TLS."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.core.settings import Settings
from app.sandbox import tls
from app.wiring import Services
from tests.api.serving import served
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

FOLDER = Path(__file__).parents[1] / "observatory"
WANTED = 120
"""A page starts with 100; extra protection adds points, missing protection removes points."""


async def test_checkout_and_sign_in_score_120(
    services: Services,
    chain_settings: Callable[..., Settings],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    body = await invoice(services, await terms(service_fee_bps=80))
    paths = ["/sign-in", urlsplit(body.payment_url).path]
    certificates = tls.ensure(tmp_path / "tls")
    with served(environment, tmp_path / "web.log", certificates) as server:
        for path in paths:
            judged = observe(f"localhost:{server.port}{path}", certificates.ca_path)
            assert judged["score"] >= WANTED, "\n".join(f"{path} {name}: {each}" for name, each in judged.items())


def observe(target: str, ca_path: Path) -> dict[str, Any]:
    """The Observatory's result for a page whose certificate is of our own authority."""
    done = subprocess.run(
        ["node", "scan.mjs", target],
        cwd=FOLDER,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(ca_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
