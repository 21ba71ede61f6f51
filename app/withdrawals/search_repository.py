"""The condition by which lists of payouts and refunds are searched: a query of its own for each kind of match."""

from collections.abc import Iterator, Mapping
from typing import Literal

from app.core.search_text import LEAST_PART
from app.core.searching import Places, Search, ends, is_among, starts

Kind = Literal["payout", "refund"]
PREFIXES: Mapping[Kind, str] = {"payout": "PO", "refund": "RF"}


def condition(search: Search, kind: Kind, place: Places) -> str:
    """The condition that a payout or refund `w` matches, of the merchant in $1 and the mode in $2."""
    mine = f"SELECT id FROM withdrawals WHERE merchant = $1 AND mode = $2 AND kind = '{kind}'"
    return is_among("w.id", [*_queries(search, kind, place, mine), *_by_amount(search, place, mine)])


def condition_everywhere(search: Search, kind: Kind, place: Places) -> str:
    """The condition that a payout or refund `w` of any merchant matches by an id, an address or a transaction."""
    return is_among("w.id", _queries(search, kind, place, f"SELECT id FROM withdrawals WHERE kind = '{kind}'"))


def _queries(search: Search, kind: Kind, place: Places, mine: str) -> Iterator[str]:
    text = search.text
    if text.email is not None or text.is_empty:
        return
    if (ids := text.id_range(PREFIXES[kind])) is not None:
        yield f"{mine} AND id BETWEEN {place(ids[0])} AND {place(ids[1])}"
    if (end := text.id_end(PREFIXES[kind])) is not None:
        yield f"{mine} AND {ends('id', end, place)}"
    if kind == "refund" and (ids := text.id_range("INV")) is not None:
        yield f"SELECT id FROM refunds WHERE invoice BETWEEN {place(ids[0])} AND {place(ids[1])}"
    yield from _by_destination(search, place, mine)
    yield from _by_transaction(search, place)


def _by_destination(search: Search, place: Places, mine: str) -> Iterator[str]:
    text = search.text
    if search.addresses:
        yield f"{mine} AND lower(destination) = ANY({place(list(search.addresses))}::text[])"
    elif len(text.head) >= LEAST_PART:
        begins = starts("lower(destination)", text.head, place)
        yield f"{mine} AND {begins} AND right(lower(destination), {len(text.tail):d}) = {place(text.tail)}"
    elif len(text.lower.removeprefix("0x")) >= LEAST_PART:
        yield f"{mine} AND {starts('lower(destination)', text.lower, place)}"
        yield f"{mine} AND {ends('lower(destination)', text.lower, place)}"


def _by_transaction(search: Search, place: Places) -> Iterator[str]:
    text = search.text
    for first, last in text.txid_ranges():
        yield f"""
            SELECT p.withdrawal FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
            WHERE t.network = ANY(ARRAY(SELECT DISTINCT network FROM assets))
                AND t.txid BETWEEN {place(first)} AND {place(last)} AND p.withdrawal IS NOT NULL"""
    if LEAST_PART <= len(text.hex_digits) < 64:
        is_end = ends("t.txid", text.hex_digits, place)
        yield f"""
            SELECT p.withdrawal FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
            WHERE {is_end} AND p.withdrawal IS NOT NULL"""


def _by_amount(search: Search, place: Places, mine: str) -> Iterator[str]:
    if not search.amounts:
        return
    units, raws = place(search.units), place(search.raws)
    yield f"""
        {mine} AND amount_raw = ANY({raws}::numeric[]) AND (network || ' ' || asset, amount_raw)
            IN (SELECT * FROM unnest({units}::text[], {raws}::numeric[])) ORDER BY created_at DESC"""
