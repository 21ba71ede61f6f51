"""The OpenAPI document, made without a database or a server: what the client libraries are generated from.

`python -m tests.openapi_document` prints it.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from app.api.openapi import document
from app.api.v1.router import merchant_api
from app.api_keys.authentication import Authenticator
from app.core.settings import load
from app.web.rate_limits import RateLimiter
from app.wiring import wire
from tests.factories.deployment import environment_of

SERVER = "https://pay.example.com"


def openapi_document() -> dict[str, Any]:
    """The document of this checkout, as a gateway at SERVER would serve it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load(environment_of("postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1", Path(folder)))
        api = merchant_api(wire(settings), Authenticator(settings.api_key_peppers), RateLimiter())
        described: dict[str, Any] = json.loads(json.dumps(document(api, SERVER)))
        return described


if __name__ == "__main__":
    print(json.dumps(openapi_document(), indent=1))
