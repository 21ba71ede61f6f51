"""The environment of a test deployment."""

import base64
import os
from pathlib import Path


def environment_of(database_url: str, redis_url: str, folder: Path) -> dict[str, str]:
    """Its variables, with secrets of its own and, in `folder`, a networks file without networks."""
    networks = folder / "networks.toml"
    networks.write_text("networks = []\n")
    key = base64.b64encode(os.urandom(32)).decode()
    return {
        "SWAP_PAY_ENV": "test",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PUBLIC_URL": "https://pay.example.test",
        "NETWORKS_FILE": str(networks),
        "API_KEY_PEPPERS": f"1:{key}",
        "DATA_KEYS": f"k1:{key}",
        "LINK_SECRET": key,
        "EMAIL_HASH_SECRET": key,
    }
