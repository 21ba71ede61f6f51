"""Every statement on `return_addresses`, and what a customer's page reads of the open cases of an invoice."""

from datetime import datetime
from typing import Literal

import msgspec

from app.core import database
from app.core.database import Row
from app.core.statement import Command, Param, Statement, insert, select
from app.merchants.repository import ReturnRule
from app.refunds.tables import ReturnAddress

Decision = Literal["confirmed", "rejected"]


class GivenAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address that a customer gave for the return of a deposit. `decision` is the merchant's, None before it."""

    id: int
    address: str
    given_at: datetime
    given_from: str
    decision: Decision | None
    decided_at: datetime | None
    decided_by: str | None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A review of an invoice's deposit that has not come to an end. `facts` is the review's JSON; `mode` and `network`
    are the invoice's mode and the deposit's network."""

    deposit_id: str
    invoice_id: str
    merchant_id: str
    mode: str
    network: str
    asset: str
    amount_raw: int
    verdict: str
    facts: str
    review_status: Literal["open", "returning"]
    deposit_status: str
    rule: ReturnRule
    given: GivenAddress | None


async def cases(invoice_id: str) -> list[Case]:
    """The reviews of an invoice that have not come to an end, oldest first, each with the newest address given."""
    return [_case(row) for row in await database.fetch_all(f"{_CASES} AND r.invoice = $1 {_IN_ORDER}", invoice_id)]


async def case(deposit_id: str) -> Case | None:
    """The review of a deposit that has an invoice, unless it has come to an end."""
    row = await database.fetch_one(f"{_CASES} AND r.deposit = $1", deposit_id)
    return None if row is None else _case(row)


# SQL, since LATERAL reads the newest address of each.
_CASES = """
    SELECT r.deposit, r.invoice, r.merchant, i.mode, d.network, d.asset, d.amount_raw, r.verdict, r.facts,
        r.status, d.status AS deposit_status, m.return_addresses,
        a.id, a.address, a.given_at, a.given_from, a.decision, a.decided_at, a.decided_by
    FROM reviews r JOIN deposits d ON d.id = r.deposit
    JOIN invoices i ON i.id = r.invoice JOIN merchants m ON m.id = r.merchant
    LEFT JOIN LATERAL (
        SELECT * FROM return_addresses WHERE deposit = r.deposit ORDER BY id DESC LIMIT 1
    ) a ON true
    WHERE r.status <> 'closed'
"""
_IN_ORDER = "ORDER BY r.opened_at, r.id"


def _case(row: Row) -> Case:
    given = {name: row[name] for name in GivenAddress.__struct_fields__}
    return Case(
        deposit_id=row["deposit"],
        invoice_id=row["invoice"],
        merchant_id=row["merchant"],
        mode=row["mode"],
        network=row["network"],
        asset=row["asset"],
        amount_raw=int(row["amount_raw"]),
        verdict=row["verdict"],
        facts=row["facts"],
        review_status=row["status"],
        deposit_status=row["deposit_status"],
        rule=row["return_addresses"],
        given=None if row["id"] is None else GivenAddress(**given),
    )


async def newest(deposit_id: str) -> GivenAddress | None:
    """The address that was given last for a deposit."""
    return await _NEWEST.first(deposit=deposit_id)


_OF_DEPOSIT = ReturnAddress.deposit == Param("deposit")
_NEWEST = Statement(
    select(ReturnAddress, GivenAddress).where(_OF_DEPOSIT).order_by(ReturnAddress.id, ascending=False).limit(1),
    GivenAddress,
)


async def count(deposit_id: str) -> int:
    """How many addresses were given for a deposit."""
    return await _COUNT.one(deposit=deposit_id)


_COUNT = Statement(ReturnAddress.count().where(_OF_DEPOSIT), int)


async def add(deposit_id: str, address: str, *, given_from: str, now: datetime) -> None:
    """Store a new address. The database refuses it where one is confirmed, or the review is not open."""
    await _ADD.run(deposit=deposit_id, address=address, given_at=now, given_from=given_from)


_ADD = Command(
    insert(
        ReturnAddress, ReturnAddress.deposit, ReturnAddress.address, ReturnAddress.given_at, ReturnAddress.given_from
    )
)


async def decide(address_id: int, decision: Decision, *, by: str, now: datetime) -> None:
    """Store the merchant's decision on an address."""
    await _DECIDE.run(id=address_id, decision=decision, by=by, now=now)


_DECIDE = Command(
    ReturnAddress.update(
        {
            ReturnAddress.decision: Param("decision"),
            ReturnAddress.decided_by: Param("by"),
            ReturnAddress.decided_at: Param("now"),
        }
    ).where(ReturnAddress.id == Param("id"))
)
