"""Check that every settled payout and refund is posted once and has exactly one transaction on chain (I3)."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core.database import Row
from app.networks.port import Chain, Settlement
from app.reconciliation.findings import Finding, Result
from app.reconciliation.snapshot import rows

CHECK = "withdrawals"

MAX_FINDINGS = 100
"""Findings recorded of each kind; the figures count all of them."""


class ConfirmedPayment(msgspec.Struct, frozen=True):
    """A confirmed withdrawal's payment and transaction, as our rows describe them."""

    network: str
    withdrawal: str
    txid: str
    asset: str
    to_address: str
    amount_raw: int
    height: int | None
    block_hash: str | None


async def check() -> Result:
    """Compare each withdrawal with its ledger entries and its transactions' rows. Reads only the database.

    A confirmed one whose transaction was removed by a deep reorganisation is no drift: it is pending again, which
    has its own alert, and checks/holdings.py counts it as money in flight.
    """
    counted = await rows(
        "SELECT count(*) AS all, count(*) FILTER (WHERE status = 'confirmed') AS settled FROM withdrawals"
    )
    found = await rows(
        """
        WITH booked AS (
            SELECT reference_id, sum(available_delta_raw + locked_delta_raw) AS amount_raw
            FROM ledger_entries WHERE reference_type IN ('payout', 'refund') GROUP BY 1
        ), sent AS (
            SELECT p.withdrawal, count(*) FILTER (WHERE t.status = 'confirmed') AS confirmed,
                sum(p.amount_raw) FILTER (WHERE t.status = 'confirmed') AS amount_raw,
                bool_or(t.status <> 'confirmed') AS under_way,
                bool_and((p.asset, p.to_address) = (w.asset, w.destination)) AS same
            FROM outgoing_payments p JOIN outgoing_transactions t ON t.id = p.transaction
            JOIN withdrawals w ON w.id = p.withdrawal
            WHERE t.status IN ('signed', 'submitted', 'confirmed') GROUP BY 1
        )
        SELECT coalesce(w.id, b.reference_id) AS id, w.status, w.network, w.asset, w.amount_raw,
            coalesce(b.amount_raw, 0) AS booked_raw, coalesce(s.confirmed, 0) AS confirmed,
            coalesce(s.amount_raw, 0) AS sent_raw, coalesce(s.same, true) AS same, count(*) OVER () AS all_found
        FROM withdrawals w
        FULL JOIN booked b ON b.reference_id = w.id
        LEFT JOIN sent s ON s.withdrawal = w.id
        WHERE w.id IS NULL
            OR coalesce(b.amount_raw, 0) <> CASE WHEN w.status = 'confirmed' THEN -w.amount_raw ELSE 0 END
            OR coalesce(s.confirmed, 0) <>
                CASE WHEN w.status = 'confirmed' AND s.under_way IS NOT TRUE THEN 1 ELSE 0 END
            OR NOT coalesce(s.same, true)
            OR (w.status = 'confirmed' AND s.amount_raw <> w.amount_raw)
        ORDER BY 1 LIMIT $1
        """,
        MAX_FINDINGS,
    )
    findings = [
        Finding(
            CHECK,
            row["id"],
            _problem(row),
            {
                "status": row["status"],
                "amount_raw": None if row["amount_raw"] is None else str(row["amount_raw"]),
                "booked_raw": str(row["booked_raw"]),
                "sent_raw": str(row["sent_raw"]),
                "confirmed_transactions": row["confirmed"],
            },
        )
        for row in found
    ]
    at_odds = found[0]["all_found"] if found else 0
    return Result(
        CHECK,
        {"withdrawals": counted[0]["all"], "settled": counted[0]["settled"], "at_odds": at_odds},
        findings,
    )


async def confirmed_payments(network: str, since: datetime | None) -> list[ConfirmedPayment]:
    """The confirmed transactions of a network's withdrawals settled since then, to be compared with the chain."""
    found = await rows(
        """
        SELECT t.network, p.withdrawal, t.txid, p.asset, p.to_address, p.amount_raw, t.block_height, t.block_hash
        FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
        WHERE t.network = $1 AND t.status = 'confirmed' AND p.withdrawal IS NOT NULL
            AND ($2::timestamptz IS NULL OR t.settled_at >= $2)
        ORDER BY t.id, p.position
        """,
        network,
        since,
    )
    return [ConfirmedPayment(*row) for row in found]


async def compare_with_chain(chain: Chain, confirmed: Sequence[ConfirmedPayment]) -> list[Finding]:
    """Compare each transaction with the chain. Calls a node: not in a transaction. Raises NetworkError."""
    settled = await chain.settlements(list({payment.txid for payment in confirmed}))
    alike = Counter(_transfer(payment) for payment in confirmed)
    findings = []
    for payment in confirmed:
        problem = _contradiction(payment, settled.get(payment.txid), alike[_transfer(payment)])
        if problem is not None:
            figures = {"txid": payment.txid, "amount_raw": str(payment.amount_raw), "to_address": payment.to_address}
            findings.append(Finding(CHECK, payment.withdrawal, problem, figures))
    return findings


def _transfer(payment: ConfirmedPayment) -> tuple[str, str, str, int]:
    return payment.txid, payment.asset, payment.to_address, payment.amount_raw


def _contradiction(payment: ConfirmedPayment, settlement: Settlement | None, alike: int) -> str | None:
    """`alike`: the number of confirmed withdrawals that were paid by an equal transfer of the same transaction."""
    if settlement is None:
        return "is confirmed, and the chain does not have its transaction"
    if not settlement.succeeded:
        return "is confirmed, and its transaction failed on chain"
    if (settlement.height, settlement.block_hash) != (payment.height, payment.block_hash):
        return "is confirmed in another block than the chain has its transaction in"
    moved = [
        transfer
        for transfer in settlement.transfers
        if (payment.txid, transfer.asset_symbol, transfer.to_address, transfer.amount_raw) == _transfer(payment)
    ]
    if not moved:
        return "is confirmed, and its transaction moved something else"
    return "shares its transfer with another withdrawal" if len(moved) < alike else None


def _problem(row: Row) -> str:
    if row["status"] is None:
        return "is booked, and there is no such withdrawal"
    if row["status"] != "confirmed":
        if row["confirmed"]:
            return f"is {row['status']}, and a transaction of it is confirmed"
        return f"is {row['status']}, and its entries do not add up to nothing"
    if not row["confirmed"]:
        return "is confirmed without a transfer"
    if row["confirmed"] != 1:
        return "was paid more than once"
    if not row["same"] or row["sent_raw"] != row["amount_raw"]:
        return "was not paid as requested"
    return "is confirmed, and not booked so"
