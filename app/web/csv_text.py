"""Lines of CSV (RFC 4180) that a spreadsheet shows and never runs."""

import csv
import io
from collections.abc import Iterable

BOM = b"\xef\xbb\xbf"
"""In front of the first line: without it a spreadsheet takes UTF-8 for its own code page."""

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a cell for a formula (security.md, "Sessions and forms")."""


def line(cells: Iterable[object]) -> bytes:
    """One line. Nothing for None; a cell that could be a formula begins with `'`."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([_harmless(cell) for cell in cells])
    return buffer.getvalue().encode()


def _harmless(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_STARTS_A_FORMULA) else text
