"""A merchant's own JSON object, `metadata`: what was sent comes back.

Numbers keep their text. Read into a float and written again, `1e2` would come back as `100.0` and
`0.1000000000000000055` with fewer digits. Keys keep their order; a key that stands twice is refused
(app/web/bodies.py). White space between values is not kept.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.core.errors import invalid

Metadata = Annotated[dict[str, Any], Meta(title="Metadata")]
"""A field of a body that holds it."""

MAX_BYTES = 4 * 1024
"""As JSON without white space (contract, section 3)."""

KEEP_TEXT = msgspec.Raw
"""A decoder's `float_hook` for numbers with a fraction or an exponent. Integers need none: any length is exact."""

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=KEEP_TEXT).decode


def to_json(metadata: dict[str, Any] | None) -> bytes:
    """The JSON to keep. Raises INVALID_INPUT where it is too long."""
    encoded = msgspec.json.encode(metadata or {})
    if len(encoded) > MAX_BYTES:
        raise invalid("metadata", f"must have at most {MAX_BYTES} bytes as JSON")
    return encoded


def from_json(text: str) -> dict[str, Any]:
    """The object, to be encoded by msgspec again: its numbers are then the text that they were."""
    return _decode(text)
