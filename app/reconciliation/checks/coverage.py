"""Check that every block that is kept is stored, up to the last scanned one, and is the child of the one below it.

The watcher has proven older ones before it deleted them.
"""

from app.reconciliation.findings import Finding, Result
from app.reconciliation.snapshot import rows

CHECK = "coverage"


async def check(since_heights: dict[str, int] | None = None) -> Result:
    """Check the stored blocks of every network, from `since_heights` (the last run's blocks) on, or all of them."""
    findings: list[Finding] = []
    blocks = 0
    for cursor in await rows(
        "SELECT network, start_height, kept_from, scanned_height FROM network_cursors ORDER BY network"
    ):
        network = cursor["network"]
        first = max(cursor["start_height"], cursor["kept_from"], (since_heights or {}).get(network, 0))
        (row,) = await rows(
            """
            SELECT count(*) AS blocks, min(height) AS lowest, max(height) AS highest,
                min(height) FILTER (WHERE height > $2 AND parent_hash IS DISTINCT FROM below) AS broken_at
            FROM (
                SELECT height, parent_hash, lag(hash) OVER (ORDER BY height) AS below FROM scanned_blocks
                WHERE network = $1 AND height >= $2
            ) b
            """,
            network,
            first,
        )
        expected = cursor["scanned_height"] - first + 1
        blocks += row["blocks"]
        if row["broken_at"] is not None or row["blocks"] != expected or (expected and row["lowest"] != first):
            findings.append(
                Finding(
                    CHECK,
                    network,
                    f"the scanned blocks from {first} to {cursor['scanned_height']} are not one chain",
                    {
                        "expected_blocks": expected,
                        "blocks": row["blocks"],
                        "lowest": row["lowest"],
                        "highest": row["highest"],
                        "first_broken_height": row["broken_at"],
                    },
                )
            )
    return Result(CHECK, {"blocks": blocks}, findings)
