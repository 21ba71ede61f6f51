"""Check for each asset that the sum of all ledgers is all that was received less all that was sent (I7, first half)."""

from app.reconciliation.findings import Finding, Result
from app.reconciliation.snapshot import rows

CHECK = "conservation"


async def check() -> Result:
    """Compare sums of the ledgers with sums of deposits, withdrawals, top-ups and network fees.

    Reads only the database; checks/holdings.py compares it with the chain.
    """
    sums = await rows(
        """
        WITH owed AS (
            SELECT network, asset, sum(available_raw + locked_raw) AS raw FROM ledger_heads GROUP BY 1, 2
        ), deposited AS (
            SELECT network, asset, sum(amount_raw) AS raw FROM deposits WHERE settled_at IS NOT NULL GROUP BY 1, 2
        ), withdrawn AS (
            SELECT network, asset, sum(amount_raw) AS raw FROM withdrawals WHERE status = 'confirmed' GROUP BY 1, 2
        ), topped_up AS (
            SELECT network, asset, sum(amount_raw) AS raw FROM hot_wallet_receipts WHERE status = 'booked' GROUP BY 1, 2
        ), burnt AS (
            SELECT t.network, a.symbol AS asset, sum(t.fee_booked_raw) AS raw FROM outgoing_transactions t
            JOIN assets a ON a.network = t.network AND a.contract IS NULL
            WHERE t.fee_booked_raw IS NOT NULL GROUP BY 1, 2
        )
        SELECT network, asset, coalesce(o.raw, 0) AS owed, coalesce(d.raw, 0) AS deposited,
            coalesce(w.raw, 0) AS withdrawn, coalesce(t.raw, 0) AS topped_up, coalesce(b.raw, 0) AS burnt
        FROM owed o FULL JOIN deposited d USING (network, asset) FULL JOIN withdrawn w USING (network, asset)
            FULL JOIN topped_up t USING (network, asset) FULL JOIN burnt b USING (network, asset)
        ORDER BY asset, network
        """
    )
    findings = []
    for row in sums:
        expected_raw = row["deposited"] + row["topped_up"] - row["withdrawn"] - row["burnt"]
        if row["owed"] != expected_raw:
            findings.append(
                Finding(
                    CHECK,
                    f"{row['asset']} {row['network']}",
                    "the ledgers together are not what came in less what went out",
                    {
                        "ledgers_raw": str(row["owed"]),
                        "expected_raw": str(expected_raw),
                        "deposited_raw": str(row["deposited"]),
                        "withdrawn_raw": str(row["withdrawn"]),
                        "topped_up_raw": str(row["topped_up"]),
                        "network_fees_raw": str(row["burnt"]),
                        "drift_raw": str(row["owed"] - expected_raw),
                    },
                )
            )
    return Result(CHECK, {"assets": len(sums)}, findings)
