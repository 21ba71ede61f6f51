"""The one encoder of what is hashed or signed: RFC 8785, the JSON Canonicalization Scheme."""

import hashlib
from collections.abc import Mapping

import rfc8785

Scalar = str | int | bool | None


def canonical_json(value: Mapping[str, Scalar | Mapping[str, Scalar]]) -> bytes:
    """The canonical bytes of a JSON object. Amounts go in as strings: JSON numbers end at 2^53."""
    return rfc8785.dumps(value)


def sha256_hex(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()
