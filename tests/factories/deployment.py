"""The environment of a test deployment."""

import base64
import os
from pathlib import Path

from app.core.settings import DataKeys

SECRET = base64.b64encode(os.urandom(32)).decode()
"""The secrets of all test deployments of this run, so that one process can decrypt what another has encrypted."""

DATA_KEYS = DataKeys({"k1": base64.b64decode(SECRET)})


def environment_of(database_url: str, redis_url: str, folder: Path) -> dict[str, str]:
    """Its variables, with secrets of its own and, in `folder`, a networks file without networks."""
    networks = folder / "networks.toml"
    networks.write_text("networks = []\n")
    return {
        "SWAP_PAY_ENV": "test",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PUBLIC_URL": "https://pay.example.test",
        "NETWORKS_FILE": str(networks),
        "API_KEY_PEPPERS": f"1:{SECRET}",
        "DATA_KEYS": f"k1:{SECRET}",
        "LINK_SECRET": SECRET,
        "EMAIL_HASH_SECRET": SECRET,
    }
