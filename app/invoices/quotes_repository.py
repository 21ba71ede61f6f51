"""Every statement on `quotes`, except the one that writes a new invoice with its first quote
(creation_repository.py)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from app.core import database
from app.core.database import NamedStatement
from app.core.statement import Param, Statement, select
from app.invoices.pricing import FeePayer
from app.invoices.quoting import PriceOf
from app.invoices.reading_repository import Asked
from app.invoices.repository import payment_is_away
from app.invoices.states import Status
from app.invoices.tables import Quote
from app.merchants.roles import Standing
from app.merchants.terms import Mode


def address_is_free(of: str) -> str:
    """The condition that a row of `deposit_addresses` may be leased for an amount of an asset. `of` stands before the
    name of each value: a colon where they are parameters, else a table and a dot."""
    return f"""
    deposit_addresses.id = {of}deposit_address AND deposit_addresses.reserved_by = {of}holder
    AND deposit_addresses.reserved_until > {of}created_at AND deposit_addresses.invoice_id IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM invoices earlier
        WHERE earlier.deposit_address = {of}deposit_address AND earlier.created_at > {of}unique_since
            AND earlier.asset = {of}asset AND earlier.pay_in_raw = {of}pay_in_raw
    ) AND NOT EXISTS (
        SELECT 1 FROM quotes quoted
        WHERE quoted.deposit_address = {of}deposit_address AND quoted.created_at > {of}unique_since
            AND quoted.asset = {of}asset AND quoted.pay_in_raw = {of}pay_in_raw
    )"""


def asset_is_permitted(of: str) -> str:
    """The query of one row where the merchant takes this amount of an asset and nothing is paused. `of` as above."""
    return f"""
    SELECT 1 FROM merchant_assets permitted
    WHERE permitted.merchant = {of}merchant AND permitted.network = {of}network AND permitted.asset = {of}asset
        AND permitted.enabled AND {of}amount_raw >= coalesce(permitted.min_raw, 0)
        AND {of}amount_raw <= coalesce(permitted.max_raw, {of}amount_raw)
        AND NOT EXISTS (SELECT 1 FROM switches WHERE name = 'invoices')"""


class QuoteRow(Asked, frozen=True, kw_only=True):
    """A row of `quotes`. `rate` is the id of the used rate."""

    id: str
    invoice: str
    rate: int
    spread_bps: int
    created_at: datetime
    expires_at: datetime
    state: str

    @property
    def mirrored(self) -> Mapping[str, object]:
        """The columns that the invoice takes from its quote."""
        asked = {name: getattr(self, name) for name in Asked.__struct_fields__}
        return {**asked, "quote": self.id, "quote_expires_at": self.expires_at}


NOTHING_CHOSEN: Mapping[str, object] = dict.fromkeys((*Asked.__struct_fields__, "quote", "quote_expires_at"))
"""The same columns while nothing is chosen."""


class PricedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice with what a new quote depends on; `price_raw` is None where it names its asset."""

    id: str
    merchant: str
    mode: Mode
    status: Status
    price_raw: int | None
    price_currency: str | None
    pay_in_assets: list[str] | None
    service_fee_bps: int
    fee_payer: FeePayer
    quote: str | None
    expires_at: datetime
    merchant_standing: Standing
    spread_bps: int
    quote_minutes: int
    has_deposits: bool

    @property
    def price(self) -> PriceOf:
        """The price of an invoice that has one."""
        assert self.price_raw is not None, "asked of invoices with a price"
        assert self.price_currency is not None, "asked of invoices with a price"
        return PriceOf(self.price_raw, self.price_currency)


class Lapsed(msgspec.Struct, frozen=True):
    """An invoice whose quote was not paid in time."""

    id: str
    needs_review: bool
    quote: str
    network: str
    deposit_address: int


class Ended(msgspec.Struct, frozen=True):
    """A quote that has ended, and its address. `is_held`: its invoice still needs the address."""

    invoice: str
    network: str
    deposit_address: int
    is_held: bool


# SQL, since the module of deposits is above invoices, and the builder knows no EXISTS.
_PRICED = """
    SELECT i.id, i.merchant, i.mode, i.status, i.price_raw, i.price_currency, i.pay_in_assets, i.service_fee_bps,
        i.fee_payer, i.quote, i.expires_at, m.status AS merchant_standing, m.spread_bps, m.quote_minutes,
        EXISTS (SELECT 1 FROM deposits d
            WHERE d.invoice = i.id AND d.status <> 'orphaned' AND d.verdict <> 'dust') AS has_deposits
    FROM invoices i JOIN merchants m ON m.id = i.merchant WHERE i.id = $1
    """


async def find_priced(invoice_id: str) -> PricedInvoice | None:
    """One invoice of any merchant."""
    row = await database.fetch_one(_PRICED, invoice_id)
    return None if row is None else msgspec.convert(dict(row), PricedInvoice)


async def lock_priced(invoice_id: str) -> PricedInvoice:
    """An invoice that exists, locked in the caller's transaction."""
    await database.execute("SELECT 1 FROM invoices WHERE id = $1 FOR UPDATE", invoice_id)
    found = await find_priced(invoice_id)
    assert found is not None, invoice_id
    return found


async def get(quote_id: str) -> QuoteRow:
    """A quote that exists."""
    return await _GET.one(id=quote_id)


_GET = Statement(select(Quote, QuoteRow).where(Quote.id == Param("id")), QuoteRow)


class PricedQuote(msgspec.Struct, frozen=True):
    """A quote with its invoice's price, and the merchant's tolerance for late payments in 1/10,000."""

    rate: int
    asset: str
    decimals: int
    price_raw: int
    price_currency: str
    invoice_expires_at: datetime
    late_quote_bps: int


async def priced_quote(quote_id: str) -> PricedQuote:
    """A quote that exists, with its price."""
    # SQL, since no foreign key leads from a quote to its asset.
    row = await database.fetch_one(
        """
        SELECT q.rate, q.asset, a.decimals, i.price_raw, i.price_currency, i.expires_at, m.late_quote_bps
        FROM quotes q JOIN assets a ON a.network = q.network AND a.symbol = q.asset
        JOIN invoices i ON i.id = q.invoice JOIN merchants m ON m.id = i.merchant WHERE q.id = $1
        """,
        quote_id,
    )
    assert row is not None, quote_id
    return PricedQuote(*row)


async def living(invoice_id: str, after: datetime) -> list[QuoteRow]:
    """The quotes of an invoice that can be paid until a moment after this one; those that end last come first."""
    return await _LIVING.all(invoice=invoice_id, after=after)


_LIVING = Statement(
    select(Quote, QuoteRow)
    .where(Quote.invoice == Param("invoice"), Quote.state == "open", Quote.expires_at > Param("after"))
    .order_by(Quote.expires_at, Quote.created_at, ascending=False),
    QuoteRow,
)


class NewQuote(msgspec.Struct, frozen=True, kw_only=True):
    """A quote to write, and the process that has reserved its address."""

    row: QuoteRow
    merchant: str
    holder: str
    unique_since: datetime


async def add(new: NewQuote) -> bool:
    """Lease the address and write the quote, in the caller's transaction, which has the invoice's lock; False where the
    address can't be leased, or the asset isn't permitted."""
    database.in_transaction()
    values = msgspec.structs.asdict(new.row) | {
        "merchant": new.merchant,
        "holder": new.holder,
        "unique_since": new.unique_since,
    }
    return await database.fetch_value(_ADD.sql, *_ADD.args(values)) is not None


# SQL, since the builder knows no CTE.
_ADD = NamedStatement(
    f"""
    WITH permitted AS ({asset_is_permitted(":")}), lease AS (
        UPDATE deposit_addresses
        SET invoice_id = :invoice, lease_count = lease_count + 1, reserved_by = NULL, reserved_until = NULL
        WHERE {address_is_free(":")} AND EXISTS (SELECT 1 FROM permitted)
            AND NOT EXISTS (SELECT 1 FROM quotes same
                WHERE same.invoice = :invoice AND same.deposit_address = :deposit_address)
        RETURNING id
    )
    INSERT INTO quotes ({", ".join(QuoteRow.__struct_fields__)})
    SELECT {", ".join(f":{column}" for column in QuoteRow.__struct_fields__)} FROM lease
    RETURNING id
    """
)


async def received_raw(invoice_id: str, deposit_address: int) -> int:
    """The sum that has come to an address for an invoice, in the asset that is asked for there; in minor units."""
    return (await received_raw_of([(invoice_id, deposit_address)])).get(invoice_id, 0)


async def received_raw_of(asked: Sequence[tuple[str, int]]) -> dict[str, int]:
    """`received_raw` of invoices, each with one address of it, by invoice; none where nothing came."""
    # SQL, since the quote is joined by two columns of which neither is a foreign key to it.
    rows = await database.fetch_all(
        """
        SELECT d.invoice, sum(d.amount_raw) AS received_raw
        FROM unnest($1::text[], $2::bigint[]) AS asked (invoice, address)
        JOIN deposits d ON d.invoice = asked.invoice AND d.deposit_address = asked.address
        JOIN invoices i ON i.id = d.invoice
        LEFT JOIN quotes q ON q.invoice = i.id AND q.deposit_address = d.deposit_address
        WHERE d.asset = coalesce(q.asset, i.asset) AND d.status <> 'orphaned'
        GROUP BY d.invoice
        """,
        [invoice_id for invoice_id, _ in asked],
        [address for _, address in asked],
    )
    return {row["invoice"]: int(row["received_raw"]) for row in rows}


async def has_deposits_for(quote_id: str) -> bool:
    """Whether something other than dust is on chain, or in the pool, for a quote."""
    # SQL, since the module of deposits is above invoices.
    return bool(
        await database.fetch_value(
            """
            SELECT EXISTS (SELECT 1 FROM quotes q
                JOIN deposits d ON d.invoice = q.invoice AND d.deposit_address = q.deposit_address
                WHERE q.id = $1 AND d.status <> 'orphaned' AND d.verdict <> 'dust')
            """,
            quote_id,
        )
    )


async def lock_lapsed(network: str, covered_until: datetime, orphaned_since: datetime, limit: int) -> list[Lapsed]:
    """Lock invoices that wait for a payment of a quote of this network whose time is up at `covered_until`; rows locked
    by others are skipped. One whose payment has left the chain after `orphaned_since` still has time."""
    # SQL, since the condition on deposits is shared with deposits/parts_repository.py, whose tables lie above these.
    rows = await database.fetch_all(
        f"""
        SELECT id, needs_review, quote, network, deposit_address FROM invoices i
        WHERE network = $1 AND status = 'awaiting_deposit' AND quote IS NOT NULL AND quote_expires_at <= $2
            AND NOT {payment_is_away("i.id", "i.deposit_address", "i.quote_expires_at")}
        ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED
        """,
        network,
        covered_until,
        orphaned_since,
        limit,
    )
    return [Lapsed(*row) for row in rows]


async def end_due(network: str, covered_until: datetime, orphaned_since: datetime, limit: int) -> list[Ended]:
    """End the open quotes of a network whose time is up, in the caller's transaction; those of invoices that are locked
    by others are skipped. The quote of an invoice that still waits for its payment stays open."""
    # SQL, since the builder knows no UPDATE of what a subquery has locked.
    rows = await database.fetch_all(
        f"""
        WITH due AS (
            SELECT q.id, q.id IS NOT DISTINCT FROM i.quote AS is_current, i.status FROM quotes q
            JOIN invoices i ON i.id = q.invoice
            WHERE q.network = $1 AND q.state = 'open' AND q.expires_at <= $2
                AND NOT {payment_is_away("q.invoice", "q.deposit_address", "q.expires_at")}
                AND NOT (q.id IS NOT DISTINCT FROM i.quote AND i.status = 'awaiting_deposit')
            ORDER BY i.id LIMIT $4 FOR UPDATE OF i, q SKIP LOCKED
        )
        UPDATE quotes SET state = 'ended' FROM due WHERE quotes.id = due.id
        RETURNING quotes.invoice, quotes.network, quotes.deposit_address,
            due.is_current AND due.status IN ('confirming', 'manual_review')
        """,
        network,
        covered_until,
        orphaned_since,
        limit,
    )
    return [Ended(*row) for row in rows]


async def lock_unchosen(now: datetime, limit: int) -> list[str]:
    """Lock invoices that wait for a choice, whose time is up and that no open quote can pay any more; rows locked by
    others are skipped."""
    # SQL, since the builder knows no NOT EXISTS of another table's rows.
    rows = await database.fetch_all(
        """
        SELECT id FROM invoices i WHERE status = 'awaiting_choice' AND expires_at <= $1
            AND NOT EXISTS (SELECT 1 FROM quotes q WHERE q.invoice = i.id AND q.state = 'open')
        ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        now,
        limit,
    )
    return [row["id"] for row in rows]
