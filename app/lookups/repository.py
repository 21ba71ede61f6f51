"""Statements that read what the books have of a transaction, for the one who asks.

All are SQL, since they join tables that no foreign key connects, and compute what may be seen.
"""

from collections.abc import Collection, Sequence

from app.core import database
from app.deposits.matching import Verdict
from app.lookups.facts import HeldAddress, StoredDeposit, Viewer, Who

MOST_DEPOSITS = 200
"""Deposits of one transaction that are read."""

_MAY_SEE = """
    CASE $1 WHEN 'operator' THEN true WHEN 'customer' THEN coalesce({invoice}.id = $2, false)
    ELSE coalesce({invoice}.merchant = $3 AND {invoice}.mode = $4, false) END
    """
"""Whether a viewer, the first four parameters, may know of an invoice."""


async def deposits(networks: Collection[str], txid: str, viewer: Viewer) -> list[StoredDeposit]:
    """The deposits of a transaction on these networks, with whether the viewer may know of each."""
    rows = await database.fetch_all(
        f"""
        SELECT d.network, d.log_index, d.asset, d.amount_raw, a.address, d.invoice, d.status, d.verdict,
            d.block_height, d.block_hash, d.gone_because, d.replaced_by,
            coalesce(q.confirmations_required, i.confirmations_required), c.head_height,
            {_MAY_SEE.format(invoice="i")} AND (d.invoice IS NOT NULL OR $1 = 'operator')
        FROM deposits d JOIN deposit_addresses a ON a.id = d.deposit_address
        LEFT JOIN invoices i ON i.id = d.invoice
        LEFT JOIN quotes q ON q.invoice = d.invoice AND q.deposit_address = d.deposit_address
        LEFT JOIN network_cursors c ON c.network = d.network
        WHERE d.network = ANY($5) AND d.txid = $6 ORDER BY d.log_index LIMIT $7
        """,
        *_of(viewer),
        list(networks),
        txid,
        MOST_DEPOSITS,
    )
    return [
        StoredDeposit(
            network=network,
            index=index,
            asset=asset,
            amount_raw=int(amount_raw),
            to_address=to_address,
            invoice_id=invoice_id,
            status=status,
            verdict=Verdict(verdict),
            block_height=block_height,
            block_hash=block_hash,
            gone_because=gone_because,
            replaced_by=replaced_by,
            confirmations_required=confirmations_required,
            head_height=head_height,
            is_visible=is_visible,
        )
        for (
            network,
            index,
            asset,
            amount_raw,
            to_address,
            invoice_id,
            status,
            verdict,
            block_height,
            block_hash,
            gone_because,
            replaced_by,
            confirmations_required,
            head_height,
            is_visible,
        ) in rows
    ]


async def addresses(networks: Collection[str], texts: Collection[str], viewer: Viewer) -> list[HeldAddress]:
    """Which of these addresses are ours and the viewer may know of, on these networks: those of an invoice that they
    may see, while no other one holds them."""
    rows = await database.fetch_all(
        f"""
        SELECT a.network, a.address, held.id, held.asset, held.confirmations_required
        FROM deposit_addresses a
        LEFT JOIN invoices holder ON holder.id = a.invoice_id
        LEFT JOIN LATERAL (
            SELECT served.* FROM (
                SELECT i.id, i.merchant, i.mode, i.asset, i.confirmations_required, i.created_at
                FROM invoices i WHERE i.deposit_address = a.id
                UNION ALL
                SELECT i.id, i.merchant, i.mode, q.asset, q.confirmations_required, q.created_at
                FROM quotes q JOIN invoices i ON i.id = q.invoice WHERE q.deposit_address = a.id
            ) served
            WHERE {_MAY_SEE.format(invoice="served")}
            ORDER BY served.id = a.invoice_id DESC, served.created_at DESC LIMIT 1
        ) held ON true
        WHERE a.network = ANY($5) AND a.address = ANY($6) AND (held.id IS NOT NULL OR $1 = 'operator')
            AND (a.invoice_id IS NULL OR {_MAY_SEE.format(invoice="holder")})
        """,
        *_of(viewer),
        list(networks),
        list(texts),
    )
    return [
        HeldAddress(
            network=network, address=address, invoice_id=invoice_id, asset=asset, confirmations_required=confirmations
        )
        for network, address, invoice_id, asset, confirmations in rows
    ]


async def spends(network: str, txid: str) -> Sequence[str]:
    """What a transaction spends that was seen in the pool; empty where it was not."""
    row = await database.fetch_one(
        "SELECT spends FROM pool_transactions WHERE network = $1 AND txid = $2",  # SQL: the builder gives no arrays
        network,
        txid,
    )
    return () if row is None else tuple(row["spends"])


def _of(viewer: Viewer) -> tuple[str, str | None, str | None, str | None]:
    """The parameters of `_MAY_SEE`. A merchant sees all of its invoices, whichever it has named."""
    invoice_id = viewer.invoice_id if viewer.who is Who.CUSTOMER else None
    return viewer.who.value, invoice_id, viewer.merchant_id, viewer.mode
