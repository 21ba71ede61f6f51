"""Metadata is stored and returned unchanged."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import metadata
from app.core.errors import ApiError

NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})\.[0-9]{1,30}([eE][+-]?[0-9]{1,2})?", fullmatch=True)
INTEGERS = st.from_regex(r"-?[1-9][0-9]{0,70}|0", fullmatch=True)


@given(st.lists(NUMBERS | INTEGERS, max_size=10))
def test_numbers_keep_their_text(numbers: list[str]) -> None:
    text = '{"numbers":[' + ",".join(numbers) + "]}"
    assert msgspec.json.encode(metadata.from_json(text)) == text.encode()


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.none() | st.booleans(), max_size=8))
def test_metadata_is_returned_unchanged(value: dict[str, Any]) -> None:
    kept = metadata.to_json(value).decode()
    assert json.loads(kept) == value
    assert list(json.loads(kept)) == list(value)
    assert metadata.from_json(kept) == value


def test_more_than_four_kibibytes_are_refused() -> None:
    metadata.to_json({"a": "x" * (metadata.MAX_BYTES - 8)})
    with pytest.raises(ApiError, match="metadata: must have at most 4096 bytes as JSON"):
        metadata.to_json({"a": "x" * (metadata.MAX_BYTES - 7)})
