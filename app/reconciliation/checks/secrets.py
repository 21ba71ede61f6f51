"""Search rows that people read for text in the format of our secrets (I6)."""

from datetime import datetime

from app.reconciliation.findings import Finding, Result
from app.reconciliation.snapshot import rows

CHECK = "secrets"

SHAPES = (
    r"sspay_sec_(live|test)_[0-9A-Za-z]+_[0-9A-Za-z_-]{20,}",  # an API key, whole
    r"whsec_[0-9A-Za-z+/=]{40,}",  # a webhook secret
    r"[xtyz]prv[1-9A-HJ-NP-Za-km-z]{70,}",  # an extended private key (BIP-32)
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
)

PLACES = (
    ("audit_entries", "details", "at"),
    ("alerts", "message || details", "last_at"),
    ("events", "data", "created_at"),
    ("deposits", "from_address || txid", "seen_at"),
    ("mail_outbox", "subject", "created_at"),
    ("reconciliation_runs", "figures", "started_at"),
)
"""Table, text, and the timestamp that selects rows since the last run. Answers of merchants' servers are left out."""


async def check(since: datetime | None) -> Result:
    """Search rows written since then, or all. A finding names the row, never the secret."""
    findings = []
    searched = 0
    for table, text, moment in PLACES:
        (row,) = await rows(
            f"""
            SELECT count(*) AS searched, min(id::text) FILTER (WHERE {text} ~ $1) AS found,
                count(*) FILTER (WHERE {text} ~ $1) AS hits
            FROM {table} WHERE $2::timestamptz IS NULL OR {moment} >= $2
            """,
            "|".join(f"(?:{shape})" for shape in SHAPES),
            since,
        )
        searched += row["searched"]
        if row["hits"]:
            figures = {"rows": row["hits"], "first_id": row["found"]}
            findings.append(Finding(CHECK, table, "a secret is stored in clear text: rotate it", figures))
    return Result(CHECK, {"rows": searched}, findings)
