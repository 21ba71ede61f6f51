"""The OpenAPI document as JSON, which the client libraries are generated from: `python -m tests.openapi_document`."""

import json
from typing import Any

from tests.api.contract import described


def openapi_document() -> dict[str, Any]:
    """The document of this checkout, as a gateway serves it; made without a server."""
    document: dict[str, Any] = json.loads(json.dumps(described()))
    return document


if __name__ == "__main__":
    print(json.dumps(openapi_document(), indent=1))
