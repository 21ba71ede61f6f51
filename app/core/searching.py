"""What repositories look for in a search, and the conditions that they share."""

from collections.abc import Iterable, Sequence

import msgspec

from app.core.search_text import LAST_CHARACTER, SearchText

MOST = 200
"""Rows of one kind of match that a search looks at. A text that more rows match is too short to say which is meant."""

NEWEST = 5_000
"""The newest invoices in which a part is looked for anywhere, not only at the ends of an id."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A search text with what it means here.

    `addresses` are the forms, in small letters, in which it may be stored as an address; `amounts` are pairs of a unit
    and an amount in its minor units, as digits: a search is stored with an export, and JSON has no larger whole numbers
    than 64 bits. The unit is a currency, or a network and an asset such as `ethereum:test USDT`.
    """

    text: SearchText
    addresses: Sequence[str] = ()
    amounts: Sequence[tuple[str, str]] = ()
    email_hash: bytes | None = None

    @property
    def units(self) -> list[str]:
        """The units of `amounts`, in their order."""
        return [unit for unit, _ in self.amounts]

    @property
    def raws(self) -> list[int]:
        """The amounts of `amounts`, in their order."""
        return [int(raw) for _, raw in self.amounts]


class Places:
    """The arguments of a statement that is put together: each gets its place."""

    def __init__(self, args: list[object]) -> None:
        self.args = args

    def __call__(self, value: object) -> str:
        """The placeholder of a value, which is added to the arguments."""
        self.args.append(value)
        return f"${len(self.args)}"


def is_among(column: str, queries: Iterable[str]) -> str:
    """The condition that a column is among the first MOST values of one of these queries.

    They are an array, so that each runs once. Of `IN` Postgres makes a join, and ran them again for each row of a table
    that it had not analysed yet.
    """
    limited = [f"(SELECT id FROM ({query}) found (id) LIMIT {MOST})" for query in queries]
    return f"{column} = ANY(ARRAY({' UNION ALL '.join(limited)}))" if limited else "false"


def starts(expression: str, start: str, place: Places) -> str:
    """The condition that a text begins so, byte by byte, in the form that an index of text_pattern_ops serves. LIKE
    with a parameter is not: a plan that is kept for all values can't know where the pattern begins."""
    return f"{expression} ~>=~ {place(start)} AND {expression} ~<~ {place(start + LAST_CHARACTER)}"


def ends(expression: str, end: str, place: Places) -> str:
    """The condition that a text ends so, served by an index on its reverse."""
    return starts(f"reverse({expression})", end[::-1], place)
