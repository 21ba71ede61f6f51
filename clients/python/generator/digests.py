"""What the client was made from, as digests: of the document's shape, and of the files that were made."""

import hashlib
import json
from pathlib import Path
from typing import Any

WORDS = ("description", "summary", "example", "examples", "title")
"""What the document says to people. It may change without a new client."""

BY_NAME = ("properties", "parameters", "headers", "schemas", "responses", "paths", "webhooks", "content")
"""Whose keys are names and no words of OpenAPI."""


def of_document(document: dict[str, Any]) -> str:
    """The digest of the operations and schemas, without what is said to people."""
    parts = {name: document.get(name, {}) for name in ("paths", "webhooks", "components")}
    return _digest(json.dumps(_shape(parts, by_name=False), sort_keys=True).encode())


def of_files(package: Path) -> str:
    """The digest of the hand-written asynchronous client and of what was made, all but the record itself."""
    folders = ("_async", "_sync", "_generated")
    paths = sorted(path for folder in folders for path in (package / folder).rglob("*.py"))
    return _digest(
        b"".join(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() for path in paths)
    )


def _shape(value: Any, *, by_name: bool) -> Any:
    if isinstance(value, list):
        return [_shape(each, by_name=False) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _shape(each, by_name=not by_name and key in BY_NAME)
        for key, each in value.items()
        if by_name or key not in WORDS
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
