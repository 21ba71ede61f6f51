"""Check that every deposit is posted once, with the amount received, and nothing is posted without a deposit (I2).
A deposit in suspense has a reason: it is dust, waits for other parts of a payment, or has an open review.
"""

from app.reconciliation.findings import Finding, Result
from app.reconciliation.snapshot import rows

CHECK = "deposits"

MAX_FINDINGS = 100
"""Findings recorded of each kind; the figures count all of them."""


async def check() -> Result:
    """Compare the sum of the entries of each deposit's reference, over all owners, with the deposit's row.

    A posted deposit's entries sum to its amount: credit and fee, or suspense, or suspense and then credit. The
    entries of one that is not posted, or was reversed, sum to zero. A deposit posted again after a reversal has
    entries under `DEP-…#2`; they count with the others.
    """
    counted = await rows(
        """
        SELECT count(*) AS all, count(*) FILTER (WHERE settled_at IS NOT NULL) AS booked,
            count(*) FILTER (WHERE verdict = 'dust' AND status <> 'orphaned') AS dust
        FROM deposits
        """
    )
    found = await rows(
        """
        WITH booked AS (
            SELECT split_part(reference_id, '#', 1) AS deposit, h.network, h.asset,
                sum(available_delta_raw + locked_delta_raw) AS amount_raw,
                count(*) FILTER (WHERE kind = 'invoice_credit')
                    - count(*) FILTER (WHERE kind = 'deposit_reversal' AND h.owner LIKE 'MCH-%') AS credits
            FROM ledger_entries e JOIN ledger_heads h ON h.id = e.ledger
            WHERE reference_type = 'deposit' GROUP BY 1, 2, 3
        )
        SELECT coalesce(d.id, b.deposit) AS deposit, d.status, d.txid, d.network, d.asset,
            b.network AS booked_network, b.asset AS booked_asset, d.amount_raw,
            coalesce(b.amount_raw, 0) AS booked_raw, coalesce(b.credits, 0) AS credits, count(*) OVER () AS all_found
        FROM deposits d
        FULL JOIN booked b ON b.deposit = d.id AND b.network = d.network AND b.asset = d.asset
        WHERE d.id IS NULL
            OR coalesce(b.amount_raw, 0) <> CASE WHEN d.settled_at IS NULL THEN 0 ELSE d.amount_raw END
            OR coalesce(b.credits, 0) > 1
        ORDER BY 1 LIMIT $1
        """,
        MAX_FINDINGS,
    )
    findings = []
    for row in found:
        booked_raw, amount_raw = row["booked_raw"], row["amount_raw"]
        if row["status"] is None:
            problem = "is booked, and there is no such deposit"
        elif booked_raw == 0:
            problem = f"is {row['status']}, and nothing is booked for it"
        elif row["credits"] > 1:
            problem = "is credited more than once"
        elif row["status"] in ("credited", "suspended"):
            problem = "is booked with another amount than came"
        else:
            problem = f"is {row['status']}, and booked"
        figures = {
            "amount_raw": None if amount_raw is None else str(amount_raw),
            "booked_raw": str(booked_raw),
            "asset": row["asset"] or row["booked_asset"],
            "network": row["network"] or row["booked_network"],
            "txid": row["txid"],
        }
        findings.append(Finding(CHECK, row["deposit"], problem, figures))
    stray = await _misplaced()
    findings += stray
    figures = {
        "deposits": counted[0]["all"],
        "booked": counted[0]["booked"],
        "dust": counted[0]["dust"],
        "at_odds": found[0]["all_found"] if found else 0,
        "stray": len(stray),
    }
    return Result(CHECK, figures, findings)


async def _misplaced() -> list[Finding]:
    """Find deposits that are booked in a ledger that contradicts their verdict. Each transaction leaves both in step.

    Dust and parts are never credited (a credited part is `exact`), and a deposit for manual review has a review.
    """
    found = await rows(
        """
        SELECT d.id, d.verdict, d.status, d.network, d.asset, d.amount_raw, r.status AS review_status
        FROM deposits d LEFT JOIN reviews r ON r.deposit = d.id
        WHERE (d.verdict IN ('dust', 'part') AND d.status = 'credited')
            OR (d.verdict = 'dust' AND r.status IN ('open', 'returning'))
            OR (d.verdict = 'exact' AND d.status = 'suspended')
            OR (d.verdict NOT IN ('exact', 'part', 'dust') AND r.deposit IS NULL)
        ORDER BY d.id LIMIT $1
        """,
        MAX_FINDINGS,
    )
    findings = []
    for row in found:
        if row["status"] == "credited":
            problem = f"is {row['verdict']}, and credited"
        elif row["verdict"] == "exact":
            problem = "is exact, and in suspense"
        elif row["verdict"] == "dust":
            problem = f"is dust, and its review is {row['review_status']}"
        else:
            problem = f"is {row['verdict']}, and has no review"
        figures = {"amount_raw": str(row["amount_raw"]), "asset": row["asset"], "network": row["network"]}
        findings.append(Finding(CHECK, row["id"], problem, figures))
    return findings
