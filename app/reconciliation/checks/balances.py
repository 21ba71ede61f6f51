"""Check that every balance is the sum of its entries (I1)."""

from app.reconciliation.findings import Finding, Result
from app.reconciliation.snapshot import rows

CHECK = "balances"


async def check() -> Result:
    """Compare each head with the sum of its entries' deltas. A balance is negative only after a reversal."""
    counted = await rows("SELECT count(*) AS ledgers FROM ledger_heads")
    found = await rows(
        """
        SELECT h.owner, h.network, h.asset, h.seq, h.available_raw, h.locked_raw,
            coalesce(e.entries, 0) AS entries, coalesce(e.available_raw, 0) AS available_sum,
            coalesce(e.locked_raw, 0) AS locked_sum, coalesce(e.reversed, false) AS reversed
        FROM ledger_heads h
        LEFT JOIN (
            SELECT ledger, count(*) AS entries, sum(available_delta_raw) AS available_raw,
                sum(locked_delta_raw) AS locked_raw, bool_or(kind = 'deposit_reversal') AS reversed
            FROM ledger_entries GROUP BY ledger
        ) e ON e.ledger = h.id
        WHERE (h.seq, h.available_raw, h.locked_raw)
                IS DISTINCT FROM (coalesce(e.entries, 0), coalesce(e.available_raw, 0), coalesce(e.locked_raw, 0))
            OR h.locked_raw < 0 OR (h.available_raw < 0 AND NOT coalesce(e.reversed, false))
        ORDER BY h.asset, h.network, h.owner
        """
    )
    findings = [
        Finding(
            CHECK,
            f"{row['owner']} {row['asset']} {row['network']}",
            "the balance is not the sum of the entries"
            if (row["available_raw"], row["locked_raw"]) != (row["available_sum"], row["locked_sum"])
            else "the head counts other entries than there are"
            if row["seq"] != row["entries"]
            else "the balance is below zero without a reversal",
            {
                "available_raw": str(row["available_raw"]),
                "available_sum_raw": str(row["available_sum"]),
                "locked_raw": str(row["locked_raw"]),
                "locked_sum_raw": str(row["locked_sum"]),
                "seq": row["seq"],
                "entries": row["entries"],
            },
        )
        for row in found
    ]
    return Result(CHECK, {"ledgers": counted[0]["ledgers"]}, findings)
