"""Statements that settle, credit and orphan `deposits`, and those that other modules read with. New deposits are stored
by sightings_repository.py; statements on parts of a payment are in parts_repository.py."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

import msgspec
from piccolo.query.functions import Count, Sum
from piccolo.query.methods.select import Select
from piccolo.querystring import QueryString

from app.core import database
from app.core.statement import Command, Param, Statement
from app.deposits.tables import Deposit


class DueDeposit(msgspec.Struct, frozen=True):
    """A deposit that has enough confirmations. `merchant` is its invoice's."""

    id: str
    asset: str
    verdict: str
    invoice: str | None
    deposit_address: int
    times_reversed: int
    merchant: str | None


class DeadDeposit(msgspec.Struct, frozen=True):
    """A deposit whose block is no longer on the chain, with its invoice's merchant, and what that asks for now."""

    id: str
    status: str
    invoice: str | None
    txid: str
    asset: str
    amount_raw: int
    times_reversed: int
    merchant: str | None
    deposit_address: int
    invoice_asset: str | None
    invoice_address: int | None

    @property
    def is_asked(self) -> bool:
        """Whether it is in the asset that its invoice asks for, at the address that it asks for it."""
        return (self.asset, self.deposit_address) == (self.invoice_asset, self.invoice_address)

    @property
    def counts_raw(self) -> int:
        """What it counted towards its invoice, in minor units."""
        return self.amount_raw if self.is_asked else 0


class Sender(msgspec.Struct, frozen=True):
    """An address that has sent something to an invoice; `only_dust`: nothing but dust, as address poisoners do."""

    address: str
    only_dust: bool


GoneBecause = Literal["reorganised", "replaced", "dropped"]
"""Why a deposit is neither on the chain nor in the pool: its block is dead, another transaction that spends the same
took its place, or the nodes have forgotten it."""


class Dust(msgspec.Struct, frozen=True):
    """The dust of one asset: number of deposits, and their sum in minor units."""

    network: str
    asset: str
    count: int
    amount_raw: int


async def due(
    network: str,
    head_height: int,
    confirmations: int,
    final_height: int | None,
    limit: int,
    but: Collection[str] = (),
) -> list[DueDeposit]:
    """Mature deposits with enough confirmations at a height, those of one ledger together.

    `confirmations` is for deposits without an invoice; the others need what their invoice says. Those of blocks above
    `final_height`, where it is given, are left out, and those of `but`.
    """
    # SQL, since the builder can't order by a comparison, nor compute with a joined column.
    rows = await database.fetch_all(
        """
        SELECT d.id, d.asset, d.verdict, d.invoice, d.deposit_address, d.times_reversed, i.merchant
        FROM deposits d LEFT JOIN invoices i ON i.id = d.invoice
        LEFT JOIN quotes q ON q.invoice = d.invoice AND q.deposit_address = d.deposit_address
        WHERE d.network = $1 AND d.status = 'seen'
            AND d.block_height <= $2 + 1 - coalesce(q.confirmations_required, i.confirmations_required, $3)
            AND d.block_height <= coalesce($4, d.block_height) AND coalesce(d.matures_at, 0) <= $2
            AND d.id <> ALL($6)
        ORDER BY d.asset, d.verdict = 'exact', i.merchant, d.invoice, d.id LIMIT $5
        """,
        network,
        head_height,
        confirmations,
        final_height,
        limit,
        list(but),
    )
    return [DueDeposit(*row) for row in rows]


async def settle(deposit_ids: Collection[str], status: str, now: datetime) -> dict[str, int]:
    """Settle those of these deposits that are still `seen`; return their amounts in minor units, by id."""
    # SQL, since the builder knows no UPDATE ... FROM. With `= ANY` Postgres may compare each deposit that is `seen`
    # with each of these.
    rows = await database.fetch_all(
        """
        UPDATE deposits SET status = $2, settled_at = $3 FROM unnest($1::text[]) AS given (id)
        WHERE deposits.id = given.id AND deposits.status = 'seen'
        RETURNING deposits.id, deposits.amount_raw
        """,
        list(deposit_ids),
        status,
        now,
    )
    return {row["id"]: row["amount_raw"] for row in rows}


async def credit(deposit_id: str) -> None:
    """Mark a suspended deposit as credited."""
    await _CREDIT.run(id=deposit_id)


_CREDIT = Command(Deposit.update({Deposit.status: "credited"}).where(Deposit.id == Param("id")))


async def dead(network: str, above_height: int) -> list[DeadDeposit]:
    """The deposits of blocks above a height that are not orphaned yet, by invoice."""
    return await _DEAD.all(network=network, height=above_height)


async def lock_dead(network: str, above_height: int) -> list[DeadDeposit]:
    """Like `dead`, and lock the deposits in the caller's transaction."""
    return await _LOCK_DEAD.all(network=network, height=above_height)


def _dead() -> "Select[Any]":
    return (
        Deposit.select(
            Deposit.id,
            Deposit.status,
            Deposit.invoice,
            Deposit.txid,
            Deposit.asset,
            Deposit.amount_raw,
            Deposit.times_reversed,
            Deposit.invoice.merchant.as_alias("merchant"),
            Deposit.deposit_address,
            Deposit.invoice.asset.as_alias("invoice_asset"),
            Deposit.invoice.deposit_address.as_alias("invoice_address"),
        )
        .where(
            Deposit.network == Param("network"), Deposit.block_height > Param("height"), Deposit.status != "orphaned"
        )
        .order_by(Deposit.invoice, Deposit.id)
    )


_DEAD = Statement(_dead(), DeadDeposit)
_LOCK_DEAD = Statement(_dead().lock_rows("UPDATE", of=(Deposit,)), DeadDeposit)


async def orphan(deposit_id: str, because: GoneBecause, now: datetime, *, replaced_by: str | None = None) -> None:
    """Mark a deposit as orphaned; count a reversal if it was booked."""
    await _ORPHAN.run(id=deposit_id, because=because, replaced_by=replaced_by, now=now)


_ORPHAN = Command(
    Deposit.update(
        {
            Deposit.status: "orphaned",
            Deposit.orphaned_at: Param("now"),
            Deposit.gone_because: Param("because"),
            Deposit.replaced_by: Param("replaced_by"),
            Deposit.settled_at: None,
            Deposit.times_reversed: QueryString(
                "{} + CASE WHEN {} = 'seen' THEN 0 ELSE 1 END", Deposit.times_reversed, Deposit.status
            ),
        }
    ).where(Deposit.id == Param("id"))
)


async def invoices_with_seen(network: str) -> set[str]:
    """Invoices with a deposit that still lacks confirmations."""
    return set(await _INVOICES_WITH_SEEN.all(network=network))


_INVOICES_WITH_SEEN = Statement(
    Deposit.select(Deposit.invoice)
    .where(Deposit.network == Param("network"), Deposit.status == "seen", Deposit.invoice.is_not_null())
    .distinct(),
    str,
)


async def senders(invoice_id: str) -> list[Sender]:
    """The senders of what is on chain for an invoice."""
    # SQL, since the builder knows no bool_and.
    rows = await database.fetch_all(
        """
        SELECT from_address AS address, bool_and(verdict = 'dust') AS only_dust FROM deposits
        WHERE invoice = $1 AND status <> 'orphaned' AND from_address IS NOT NULL GROUP BY 1 ORDER BY 2, 1
        """,
        invoice_id,
    )
    return [Sender(*row) for row in rows]


async def dust() -> list[Dust]:
    """The dust on chain, one row for each asset."""
    return await _DUST.all()


_DUST = Statement(
    Deposit.select(Deposit.network, Deposit.asset, Count(alias="count"), Sum(Deposit.amount_raw, alias="amount_raw"))
    .where(Deposit.verdict == "dust", Deposit.status != "orphaned")
    .group_by(Deposit.network, Deposit.asset)
    .order_by(Deposit.network, Deposit.asset),
    Dust,
)
