"""The condition by which a list of invoices is searched.

Each kind of match is a query of its own, with an index of its own and at most MOST rows; an OR over them would read all
of the merchant's invoices. What stands in the middle of an id, in a description, or is the exact amount of a payment is
looked for in the newest ones only: each index more is paid for by every creation.
"""

from collections.abc import Iterator

from app.core.search_text import LEAST_PART, LEAST_START
from app.core.searching import MOST, NEWEST, Places, Search, ends, is_among, starts

_OF_MERCHANT = "merchant = $1 AND mode = $2"
_OF_ANYBODY = "true"
_NETWORKS = "ANY(ARRAY(SELECT DISTINCT network FROM assets))"
"""Named, so that the unique indexes that begin with the network serve."""


def condition(search: Search, place: Places) -> str:
    """The condition that an invoice `i` matches, of the merchant in $1 and the mode in $2."""
    return is_among("i.id", _queries_of_merchant(search, place))


def condition_everywhere(search: Search, place: Places) -> str:
    """The condition that an invoice `i` of any merchant matches by its id, an address or a transaction."""
    return is_among("i.id", _queries_of_anybody(search, place))


def _queries_of_merchant(search: Search, place: Places) -> Iterator[str]:
    text = search.text
    if search.email_hash is not None:
        yield f"SELECT id FROM invoices WHERE {_OF_MERCHANT} AND customer_email_hash = {place(search.email_hash)}"
    if text.email is not None or text.is_empty:
        return
    yield from _by_own_id(search, place, _OF_MERCHANT)
    yield from _by_ids_of_the_merchant(search, place)
    yield from _by_address(search, place, _OF_MERCHANT)
    yield from _by_transaction(search, place)
    yield from _by_amount(search, place)
    yield from _among_the_newest(search, place)


def _queries_of_anybody(search: Search, place: Places) -> Iterator[str]:
    if search.text.email is not None or search.text.is_empty:
        return
    yield from _by_own_id(search, place, _OF_ANYBODY)
    yield from _by_address(search, place, _OF_ANYBODY)
    yield from _by_transaction(search, place)


def _by_own_id(search: Search, place: Places, own: str) -> Iterator[str]:
    text = search.text
    if (ids := text.id_range("INV")) is not None:
        yield f"SELECT id FROM invoices WHERE {own} AND id BETWEEN {place(ids[0])} AND {place(ids[1])}"
    if (end := text.id_end("INV")) is not None:
        yield f"SELECT id FROM invoices WHERE {own} AND {ends('id', end, place)}"
    if text.id_kind in ("DEP", "QT") and (ids := text.id_range(text.id_kind)) is not None:
        table = "deposits" if text.id_kind == "DEP" else "quotes"
        between = f"found.id BETWEEN {place(ids[0])} AND {place(ids[1])}"
        yield f"SELECT found.invoice FROM {table} found WHERE {between} AND found.invoice IS NOT NULL"


def _by_ids_of_the_merchant(search: Search, place: Places) -> Iterator[str]:
    lower = search.text.lower
    if len(lower) < LEAST_START:
        return
    for column in ("order_id", "customer_id"):  # the last ones first: numbers of orders usually grow
        begins = starts(f"lower({column})", lower, place)
        yield f"""
            SELECT id FROM invoices WHERE {_OF_MERCHANT} AND {column} IS NOT NULL AND {begins}
            ORDER BY lower({column}) USING ~>~"""


def _by_address(search: Search, place: Places, own: str) -> Iterator[str]:
    text = search.text
    if search.addresses:
        conditions = [f"lower(address) = ANY({place(list(search.addresses))}::text[])"]
    elif len(text.head) >= LEAST_PART:
        begins = starts("lower(address)", text.head, place)
        conditions = [f"{begins} AND right(lower(address), {len(text.tail):d}) = {place(text.tail)}"]
    elif len(text.lower.removeprefix("0x")) >= LEAST_PART:
        conditions = [starts("lower(address)", text.lower, place), ends("lower(address)", text.lower, place)]
    else:
        return
    for one in conditions:
        found = f"(SELECT id FROM deposit_addresses WHERE {one} LIMIT {MOST * 10})"
        yield f"SELECT v.id FROM {found} a JOIN (SELECT * FROM invoices WHERE {own}) v ON v.deposit_address = a.id"
        yield f"SELECT q.invoice FROM {found} a JOIN quotes q ON q.deposit_address = a.id"


def _by_transaction(search: Search, place: Places) -> Iterator[str]:
    text = search.text
    for first, last in text.txid_ranges():
        between = f"d.network = {_NETWORKS} AND d.txid BETWEEN {place(first)} AND {place(last)}"
        yield f"SELECT d.invoice FROM deposits d WHERE {between} AND d.invoice IS NOT NULL"
    if len(text.head) >= LEAST_PART:
        is_end, head = ends("d.txid", text.tail, place), place(text.head)
        yield f"SELECT d.invoice FROM deposits d WHERE {is_end} AND left(d.txid, {len(text.head):d}) = {head}"
    if LEAST_PART <= len(text.hex_digits) < 64:
        is_end = ends("d.txid", text.hex_digits, place)
        yield f"SELECT d.invoice FROM deposits d WHERE {is_end} AND d.invoice IS NOT NULL"


def _by_amount(search: Search, place: Places) -> Iterator[str]:
    """By what is asked for. Each amount is read in the order of its index: many invoices may have the same one, and the
    newest are meant."""
    if not search.amounts:
        return
    given = f"unnest({place(search.units)}::text[], {place(search.raws)}::numeric[]) AS given (unit, raw)"
    yield f"""
        SELECT same.id FROM (SELECT raw, array_agg(unit) AS units FROM {given} GROUP BY raw) given, LATERAL (
            SELECT id FROM invoices WHERE {_OF_MERCHANT} AND coalesce(price_raw, amount_raw) = given.raw
                AND coalesce(price_currency, network || ' ' || asset) = ANY(given.units)
            ORDER BY created_at DESC LIMIT {MOST}
        ) same"""


def _among_the_newest(search: Search, place: Places) -> Iterator[str]:
    """By a part that stands anywhere, and by the exact amount of the payment."""
    conditions = []
    if search.text.has_part:
        words = "concat_ws(' ', id, order_id, customer_id, address, description)"
        conditions.append(f"strpos(lower({words}), {place(search.text.lower)}) > 0")
    if search.amounts:
        pairs = f"SELECT * FROM unnest({place(search.units)}::text[], {place(search.raws)}::numeric[])"
        conditions.append(f"(network || ' ' || asset, pay_in_raw) IN ({pairs})")
    if conditions:
        yield f"""
            SELECT id FROM (
                SELECT * FROM invoices WHERE {_OF_MERCHANT} ORDER BY created_at DESC, id DESC LIMIT {NEWEST}
            ) newest WHERE {" OR ".join(conditions)}"""
