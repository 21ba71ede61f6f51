"""Manual review: a case for every deposit that neither pays nor is dust, and what an operator may do about it.

A case is opened with its deposit, told to the merchant in the invoice, and ends in one of three ways: what came is
credited, or sent back (refunds/returns.py makes the refund, which needs its own approval), or the case is closed
and the money stays in suspense. Each needs a reason and goes to the audit log. An operator who belongs to the merchant
decides none of its cases; Postgres refuses it too.

What a credit costs: the invoice's own service fee in the proportion of what came to what was asked for, so that a
late payment of the exact amount costs exactly the invoice's fee; for another asset than the invoice's, its rate in
basis points of what came. Both rounded up to the minor unit.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.audit import service as audit
from app.core import database
from app.core.clock import rfc3339
from app.core.database import Row
from app.core.errors import ApiError
from app.deposits.bookings import booking_reference, deposit_chains
from app.deposits.matching import Verdict
from app.invoices.pricing import Share, share, share_of_other_asset
from app.invoices.service import InvoiceService
from app.invoices.service import announce as announce_invoices
from app.ledger import service as ledger
from app.ledger.service import Posting
from app.merchants.members import belonged_since

Outcome = Literal["credited", "returned", "closed"]

GATEWAY = "gateway"
"""Who has decided a case that ended by itself."""


class ReviewRefused(Exception):
    """The case does not allow that; the message is for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case and its deposit, for operators. `deposit_status` is `suspended` once the money is booked."""

    deposit_id: str
    deposit_status: str
    network: str
    asset: str
    amount_raw: int
    from_address: str
    txid: str
    invoice_id: str | None
    merchant_id: str | None
    verdict: str
    facts: str
    status: str
    outcome: str | None
    reason: str | None
    refund_id: str | None
    opened_at: datetime
    decided_at: datetime | None
    decided_by: str | None


class ReviewService:
    """The verbs of a case. Whoever calls those with an operator has made sure who that is."""

    def __init__(self, invoices: InvoiceService) -> None:
        self._invoices = invoices

    async def credit(
        self, deposit_id: str, operator_id: str, reason: str, now: datetime, *, address: str | None = None
    ) -> None:
        """Credit what came to the invoice's merchant; the invoice becomes `paid` where its states allow.

        Raises ReviewRefused.
        """
        case = await _known(deposit_id)
        if case.invoice_id is None or case.merchant_id is None:
            raise ReviewRefused("the deposit has no invoice, so nobody to credit: return it, or close the case")
        await _refuse_insider(case, operator_id)
        earnings, fees, suspense = deposit_chains(case.merchant_id, case.network, case.asset)
        async with database.transaction():
            await ledger.lock([earnings, fees, suspense])
            invoice = await _lock_invoice(case.invoice_id)
            deposit = await _lock_open_case(deposit_id, reason)
            _refuse_unbooked(deposit)
            came_raw = deposit["amount_raw"]
            due = _share(case.asset, came_raw, invoice)
            reference = booking_reference(deposit_id, deposit["times_reversed"])
            postings = [Posting(suspense, "suspense_released", -came_raw, 0, reference)]
            if due.net_raw:
                postings.append(Posting(earnings, "invoice_credit", due.net_raw, 0, reference))
            if due.service_fee_raw:
                postings.append(Posting(fees, "service_fee", due.service_fee_raw, 0, reference))
            try:
                await ledger.post(postings, now)
            except ApiError:
                raise ReviewRefused("suspense holds too little: a reorganisation has left a hole in it") from None
            await database.execute("UPDATE deposits SET status = 'credited' WHERE id = $1", deposit_id)
            await _decide(deposit_id, "closed", "credited", reason, operator_id, now)
            counted_raw = due.net_raw if case.asset == invoice["asset"] else 0
            await self._invoices.credit_reviewed(case.invoice_id, counted_raw, await cases_left(case.invoice_id), now)
            await _audit(case, "credited", operator_id, reason, now, address)
        await announce_invoices(case.invoice_id)

    async def close(
        self, deposit_id: str, operator_id: str, reason: str, now: datetime, *, address: str | None = None
    ) -> None:
        """End a case without moving money: it stays in suspense. Raises ReviewRefused."""
        case = await _known(deposit_id)
        await _refuse_insider(case, operator_id)
        async with database.transaction():
            if case.invoice_id is not None:
                await _lock_invoice(case.invoice_id)
            await _lock_open_case(deposit_id, reason)
            await _decide(deposit_id, "closed", "closed", reason, operator_id, now)
            await self._end(case.invoice_id, now)
            await _audit(case, "closed", operator_id, reason, now, address)
        if case.invoice_id is not None:
            await announce_invoices(case.invoice_id)

    async def begin_return(
        self,
        deposit_id: str,
        refund_id: str,
        operator_id: str,
        reason: str,
        now: datetime,
        *,
        address: str | None = None,
    ) -> None:
        """A refund of the deposit is being made (refunds/returns.py), in the caller's transaction.

        The caller holds the locks of the suspense ledger's head and of the invoice. Raises ReviewRefused.
        """
        case = await _known(deposit_id)
        await _refuse_insider(case, operator_id)
        _refuse_unbooked(await _lock_open_case(deposit_id, reason))
        await _decide(deposit_id, "returning", "returned", reason, operator_id, now, refund_id)
        if case.invoice_id is not None:
            await self._invoices.note_review(case.invoice_id, await cases_left(case.invoice_id), now)
        await _audit(case, "returning", operator_id, reason, now, address)

    async def return_confirmed(self, deposit_id: str, refund_id: str, now: datetime) -> None:
        """The refund of the deposit is final. The caller holds the invoice's lock and the transaction."""
        invoice_id = await database.fetch_value(
            """
            UPDATE reviews SET status = 'closed' WHERE deposit = $1 AND refund_id = $2 AND status = 'returning'
            RETURNING invoice
            """,
            deposit_id,
            refund_id,
        )
        await self._end(invoice_id, now)

    async def return_failed(self, deposit_id: str, refund_id: str, now: datetime) -> None:
        """The deposit was not sent back: its case is open again. The caller holds the invoice's lock."""
        invoice_id = await database.fetch_value(
            """
            UPDATE reviews SET status = 'open', outcome = NULL, reason = NULL, refund_id = NULL,
                decided_at = NULL, decided_by = NULL
            WHERE deposit = $1 AND refund_id = $2 AND status = 'returning' RETURNING invoice
            """,
            deposit_id,
            refund_id,
        )
        if invoice_id is not None:
            await self._invoices.note_review(invoice_id, await cases_left(invoice_id), now)

    async def _end(self, invoice_id: str | None, now: datetime) -> None:
        if invoice_id is not None:
            await self._invoices.end_review(invoice_id, await cases_left(invoice_id), now)


async def open_case(deposit_id: str, verdict: Verdict, invoice_id: str | None, now: datetime) -> bool:
    """Open the case of a deposit in the transaction that stores it; whether it is open now.

    A deposit that is back after a deep reorganisation has its case opened anew; one that an operator has closed
    without moving money stays closed, unless it was closed while the deposit was away: then there was nothing to
    decide on.
    """
    database.in_transaction()
    facts = await database.fetch_one(
        """
        SELECT i.merchant, i.status, i.asset AS asked_asset, i.pay_in_raw, i.expires_at,
            d.asset, d.amount_raw, d.from_address, d.txid, d.block_time
        FROM deposits d LEFT JOIN invoices i ON i.id = $2 WHERE d.id = $1
        """,
        deposit_id,
        invoice_id,
    )
    assert facts is not None, "a case is opened after its deposit is stored"
    opened = await database.execute(
        """
        INSERT INTO reviews (deposit, invoice, merchant, verdict, facts, status, opened_at)
        VALUES ($1, $2, $3, $4, $5, 'open', $6)
        ON CONFLICT (deposit) DO UPDATE SET invoice = excluded.invoice, merchant = excluded.merchant,
            verdict = excluded.verdict, facts = excluded.facts, status = 'open', outcome = NULL, reason = NULL,
            refund_id = NULL, decided_at = NULL, decided_by = NULL
        WHERE reviews.status = 'open' OR (reviews.status = 'closed' AND (reviews.outcome <> 'closed'
            OR reviews.decided_at > (SELECT orphaned_at FROM deposits WHERE id = reviews.deposit)))
        """,
        deposit_id,
        invoice_id,
        facts["merchant"],
        verdict.value,
        _facts(facts),
        now,
    )
    return opened == 1


async def end_cases_of_payment(deposit_ids: Collection[str], now: datetime) -> None:
    """Close the open cases of deposits that pay their invoice after all, in the caller's transaction."""
    database.in_transaction()
    await database.execute(
        """
        UPDATE reviews SET status = 'closed', outcome = 'credited', decided_by = $2, decided_at = $3,
            reason = 'it is the exact payment, or a part of it, after all'
        WHERE deposit = ANY($1) AND status = 'open'
        """,
        list(deposit_ids),
        GATEWAY,
        now,
    )


async def cases_left(invoice_id: str) -> int:
    """Cases of an invoice that have not come to an end, returns under way among them."""
    count: int = await database.fetch_value(
        "SELECT count(*) FROM reviews WHERE invoice = $1 AND status <> 'closed'", invoice_id
    )
    return count


async def cases(*, open_only: bool = True, deposit_id: str | None = None) -> list[Case]:
    """Cases, oldest first: those that wait for a decision, or all."""
    rows = await database.fetch_all(
        """
        SELECT r.deposit AS deposit_id, d.status AS deposit_status, d.network, d.asset, d.amount_raw, d.from_address,
            d.txid, r.invoice AS invoice_id, r.merchant AS merchant_id, r.verdict, r.facts, r.status, r.outcome,
            r.reason, r.refund_id, r.opened_at, r.decided_at, r.decided_by
        FROM reviews r JOIN deposits d ON d.id = r.deposit
        WHERE (NOT $1 OR r.status = 'open') AND ($2::text IS NULL OR r.deposit = $2)
        ORDER BY r.opened_at, r.id
        """,
        open_only,
        deposit_id,
    )
    return [Case(**dict(row)) for row in rows]


async def why_not(case: Case, operator_id: str) -> str | None:
    """Why this operator may decide nothing about a case, in words for them; None where they may."""
    if await belonged_since(operator_id, case.merchant_id, case.opened_at):
        return "you belong to the merchant, or did when the deposit came: another operator must decide"
    return None


async def would_credit(deposit_id: str) -> Share | None:
    """How a credit would divide what came; None for a deposit that has no invoice."""
    row = await database.fetch_one(
        """
        SELECT d.asset AS came_asset, d.amount_raw AS came_raw, i.asset, i.pay_in_raw, i.service_fee_raw,
            i.service_fee_bps
        FROM reviews r JOIN deposits d ON d.id = r.deposit JOIN invoices i ON i.id = r.invoice WHERE r.deposit = $1
        """,
        deposit_id,
    )
    return None if row is None else _share(row["came_asset"], row["came_raw"], row)


async def _known(deposit_id: str) -> Case:
    found = await cases(open_only=False, deposit_id=deposit_id)
    if not found:
        raise ReviewRefused(f"there is no case of {deposit_id}")
    return found[0]


async def _refuse_insider(case: Case, operator_id: str) -> None:
    if (reason := await why_not(case, operator_id)) is not None:
        raise ReviewRefused(reason)


async def _lock_invoice(invoice_id: str) -> Row:
    row = await database.fetch_one(
        "SELECT asset, pay_in_raw, service_fee_raw, service_fee_bps FROM invoices WHERE id = $1 FOR UPDATE",
        invoice_id,
    )
    assert row is not None, "cases refer to invoices that are there"
    return row


async def _lock_open_case(deposit_id: str, reason: str) -> Row:
    """Lock a case and its deposit; the deposit. Raises ReviewRefused unless the case waits for a decision."""
    if not reason.strip():
        raise ReviewRefused("a reason is required")
    row = await database.fetch_one(
        """
        SELECT r.status AS case_status, r.outcome, d.status, d.amount_raw, d.times_reversed
        FROM reviews r JOIN deposits d ON d.id = r.deposit WHERE r.deposit = $1 FOR UPDATE
        """,
        deposit_id,
    )
    assert row is not None
    if row["case_status"] != "open":
        raise ReviewRefused(f"the case is {row['case_status']} already: {row['outcome']}")
    return row


def _refuse_unbooked(deposit: Row) -> None:
    if deposit["status"] == "orphaned":
        raise ReviewRefused("the deposit is not on the chain any more: there is nothing to credit or return")
    if deposit["status"] != "suspended":
        raise ReviewRefused("the deposit still lacks confirmations")


def _share(asset: str, came_raw: int, invoice: Row) -> Share:
    if asset == invoice["asset"]:
        return share(came_raw, invoice["pay_in_raw"], invoice["service_fee_raw"])
    return share_of_other_asset(came_raw, invoice["service_fee_bps"])


async def _decide(
    deposit_id: str,
    status: Literal["returning", "closed"],
    outcome: Outcome,
    reason: str,
    operator_id: str,
    now: datetime,
    refund_id: str | None = None,
) -> None:
    await database.execute(
        """
        UPDATE reviews SET status = $2, outcome = $3, reason = $4, decided_by = $5, decided_at = $6, refund_id = $7
        WHERE deposit = $1
        """,
        deposit_id,
        status,
        outcome,
        reason,
        f"account:{operator_id}",
        now,
        refund_id,
    )


async def _audit(case: Case, action: str, operator_id: str, reason: str, now: datetime, address: str | None) -> None:
    await audit.record(
        actor=f"account:{operator_id}",
        action=f"review.{action}",
        subject=case.deposit_id,
        merchant_id=case.merchant_id,
        address=address,
        details={
            "invoice": case.invoice_id,
            "verdict": case.verdict,
            "asset": case.asset,
            "network": case.network,
            "amount_raw": str(case.amount_raw),
            "reason": reason,
        },
        now=now,
    )


def _facts(row: Row) -> str:
    """What an operator wants to see side by side, as JSON: it stays as it was when the case was opened."""
    asked = None
    if row["merchant"] is not None:
        asked = {
            "asset": row["asked_asset"],
            "amount_raw": str(row["pay_in_raw"]),
            "before": rfc3339(row["expires_at"]),
            "invoice_status": row["status"],
        }
    came = {
        "asset": row["asset"],
        "amount_raw": str(row["amount_raw"]),
        "at": rfc3339(row["block_time"]),
        "from_address": row["from_address"],
        "txid": row["txid"],
    }
    return json.dumps({"asked": asked, "came": came}, sort_keys=True)
