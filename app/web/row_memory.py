"""Rows of tables that were rendered before: a list that is read again has mostly the same rows.

A row's markup depends on the row and on what its template names in `of`, and on nothing else. So a template that
remembers its rows names there all that it uses besides, such as the base of its links and the reader's time zone.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from markupsafe import Markup

MOST_ROWS = 4_000
"""Of one process; a row is about 1.5 kB."""

_rows: OrderedDict[Hashable, Markup] = OrderedDict()


def row_markup(render: Callable[[Any], Markup], row: Hashable, of: Hashable) -> Markup:
    """The markup of a row, from memory where it was rendered before. `of` is None for rows that are not remembered."""
    if of is None:
        return render(row)
    key = (of, row)
    known = _rows.get(key)
    if known is None:
        known = _rows[key] = render(row)
        if len(_rows) > MOST_ROWS:
            _rows.popitem(last=False)
    else:
        _rows.move_to_end(key)
    return known
