"""Lines of CSV (RFC 4180) that a spreadsheet shows unchanged: it executes no cell and changes no digit.

CSV has no types, so a spreadsheet guesses them. A cell that it would guess wrong begins with an apostrophe, which means
"text". A program that reads the file removes one leading apostrophe from every cell that has one, and then has the
exact values (docs/exports.md).
"""

import csv
import io
import re
from collections.abc import Iterable

from app.core.text import harmless_page

BOM = b"\xef\xbb\xbf"
"""In front of the first line: without it a spreadsheet takes UTF-8 for its own code page."""

MEDIA_TYPE = "text/csv"
"""Litestar adds the charset to text."""

EXACT_DIGITS = 15
"""Significant digits that a spreadsheet keeps: its numbers are IEEE 754 doubles."""

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a cell for a formula (security.md, "Sessions and forms"), wide forms included."""

_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]*))?([eE][+-]?[0-9]+)?", re.ASCII)


class Figure(str):
    """A number that is written as it is, for programs that take no apostrophe. It must be one of ours."""


def line(cells: Iterable[object]) -> bytes:
    """One line. Nothing for None."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([_cell(cell) for cell in cells])
    return buffer.getvalue().encode()


def _cell(cell: object) -> str:
    if isinstance(cell, Figure):
        return cell
    text = "" if cell is None else harmless_page(str(cell))
    is_guessed_wrong = text.startswith((*_STARTS_A_FORMULA, "'")) or _would_change(text)
    return f"'{text}" if is_guessed_wrong else text


def _would_change(text: str) -> bool:
    """Whether a spreadsheet would read the text as a number and show another: `0012`, `1e5`, 16 digits or more."""
    number = _NUMBER.fullmatch(text)
    if number is None:
        return False
    whole, places, exponent = number[1], number[2] or "", number[3]
    significant = (whole + places).lstrip("0")
    return exponent is not None or len(significant) > EXACT_DIGITS or (len(whole) > 1 and whole[0] == "0")
