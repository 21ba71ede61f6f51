"""CSV that a spreadsheet neither runs nor changes, and that a program reads back exactly."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.text import HARMFUL_ON_A_PAGE
from app.web.csv_text import line


def written(cell: object) -> str:
    """The cell as a CSV reader parses it."""
    ((text,),) = csv.reader(io.StringIO(line([cell]).decode(), newline=""))
    return text


def as_documented(text: str) -> str:
    """Read a cell as docs/exports.md tells programs to."""
    return text.removeprefix("'")


def as_a_spreadsheet_shows(text: str) -> str:
    """A number becomes a double with 15 digits; everything else is text as it stands."""
    try:
        number = float(text)
    except ValueError:
        return text
    return text if text == "" else f"{number:.15g}"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'"])
def test_nothing_is_a_formula(start: str) -> None:
    assert written(f"{start}1+1") == f"'{start}1+1"
    assert written(f" {start}1") == f" {start}1"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("5.000073", "5.000073"),
        (123456789012345, "123456789012345"),
        ("1234567890123456", "'1234567890123456"),
        ("1.234567890123456789", "'1.234567890123456789"),
        ("1500000000000000000", "'1500000000000000000"),
        ("0.000000000000000001", "0.000000000000000001"),
        ("9" * 78, "'" + "9" * 78),
        ("0", "0"),
        ("0.10", "0.10"),
        ("0012", "'0012"),
        ("1e5", "'1e5"),
        ("12E-3", "'12E-3"),
        ("2026-01-31T10:00:00.000000Z", "2026-01-31T10:00:00.000000Z"),
        ("INV-0123456789", "INV-0123456789"),
        (-5, "'-5"),
        (None, ""),
    ],
)
def test_no_digit_is_lost(cell: object, expected: str) -> None:
    assert written(cell) == expected


@given(st.from_regex(r"[0-9]{1,40}(\.[0-9]{1,18})?([eE]-?[0-9]{1,2})?", fullmatch=True))
def test_a_spreadsheet_shows_every_digit_that_counts(text: str) -> None:
    shown = as_a_spreadsheet_shows(written(text))
    digits = as_documented(shown)
    assert digits == text or (float(digits) == float(text) and len(text.replace(".", "").lstrip("0")) <= 15)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0" + HARMFUL_ON_A_PAGE)))
@example("'=1")
@example("''")
def test_a_program_reads_back_what_was_written(text: str) -> None:
    assert as_documented(written(text)) == text


def test_stored_text_reverses_nothing() -> None:
    assert written("a\u202eb") == "ab"
