"""Reading deposits."""

from collections.abc import Collection, Set

from app.core import database


async def ours(network: str, addresses: Collection[str]) -> Set[str]:
    """Which of these addresses belong to the network's pool: one index look-up each, however many are lent."""
    rows = await database.fetch_all(
        "SELECT address FROM deposit_addresses WHERE network = $1 AND address = ANY($2)", network, list(addresses)
    )
    return {row["address"] for row in rows}


async def received_raw(invoice_id: str) -> int:
    """What has come in for an invoice, in its own asset, and is still on chain."""
    total: int = await database.fetch_value(
        """
        SELECT coalesce(sum(d.amount_raw), 0) FROM deposits d JOIN invoices i ON i.id = d.invoice
        WHERE i.id = $1 AND d.asset = i.asset AND d.status <> 'orphaned'
        """,
        invoice_id,
    )
    return total
