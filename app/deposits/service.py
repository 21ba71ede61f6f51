"""From transfers to deposits, and from deposits to credit. It and `reviews.py` alone write `deposits`.

`record` and `unsee` run in the watcher's transaction, beside the rows of the blocks they come from, so that a
crash leaves both or neither.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

from app.alerts import service as alerts
from app.core import database, ids
from app.core.database import Row
from app.deposits import reviews
from app.deposits.bookings import DEPOSIT_KINDS, booking_reference, deposit_chains
from app.deposits.matching import Candidate, Match, Verdict, match
from app.invoices.pricing import share
from app.invoices.service import InvoiceService
from app.invoices.states import Status
from app.ledger import queries as ledger_queries
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import FEES, SUSPENSE, Posting
from app.networks.port import Transfer

MATCH_WINDOW = timedelta(days=30)
"""How far back an address's invoices are looked at (contract, section 3)."""

SETTLE_AT_ONCE = 500
"""Deposits looked at in one round of settling."""


PARKED_INDEX = -1_000_000_000
"""Below it are the indices of orphans whose place another transfer of their transaction has taken."""

PlaceHold = Callable[[ChainId, str, datetime], Awaitable[None]]
"""Keeps what a ledger pays from being sent until an operator has looked; runs in the caller's transaction."""


class DepositService:
    """The verbs of a deposit's life."""

    def __init__(self, invoices: InvoiceService, place_hold: PlaceHold) -> None:
        self._invoices = invoices
        self._place_hold = place_hold

    async def record(self, network: str, transfers: Iterable[Transfer], now: datetime) -> set[str]:
        """Store transfers of a range of new blocks and match each to an invoice; the ids of invoices touched.

        Needs the caller's transaction. A transfer that a reorganisation had taken away and that is back in
        another block is the same deposit again.
        """
        database.in_transaction()
        transfers = list(transfers)
        served = await _lock_served(network, {transfer.to_address for transfer in transfers}, now)
        orphans = await _orphans(network, {transfer.txid for transfer in transfers})
        touched: set[str] = set()
        for transfer in transfers:
            address_id, candidates = served[transfer.to_address]
            known = orphans.get((transfer.txid, address_id), [])
            paid_at = min([transfer.block.time, *(orphan["first_seen"] for orphan in known)])
            orphan = _same_transfer(transfer, known)
            if orphan is not None:
                known.remove(orphan)
            if orphan is not None and orphan["times_reversed"]:
                found = Match(orphan["invoice"], Verdict(orphan["verdict"]))  # its money: it was booked before
            else:
                found = match(transfer.asset_symbol, transfer.amount_raw, paid_at, candidates)
            if transfer.inferred and found.verdict is Verdict.EXACT:
                found = replace(found, verdict=Verdict.IN_REVIEW)
            deposit_id = await _store(network, transfer, address_id, found, orphan, now)
            if deposit_id is None:
                continue
            opened = found.verdict != Verdict.EXACT and await reviews.open_case(
                deposit_id, found.verdict, found.invoice_id, now
            )
            if found.invoice_id is not None:
                await self._tell_invoice(found, opened, now)
                candidates[:] = await _candidates(address_id, now)
                touched.add(found.invoice_id)
        return touched

    async def unsee(self, network: str, above_height: int, now: datetime) -> set[str]:
        """Take back the deposits of dead blocks; the ids of invoices touched. Needs the caller's transaction.

        What was booked is reversed in the ledgers, even below zero; a critical alert tells operators, and nothing
        that the ledger pays in the asset is sent until one of them releases the hold.
        """
        database.in_transaction()
        touched = set()
        for row in await _lock_dead(network, above_height):
            if row["status"] != "seen":
                await self._reverse(network, row, now)
            await database.execute(
                """
                UPDATE deposits SET status = 'orphaned', settled_at = NULL,
                    times_reversed = times_reversed + CASE WHEN status = 'seen' THEN 0 ELSE 1 END
                WHERE id = $1
                """,
                row["id"],
            )
            if row["invoice"] is not None:
                touched.add(row["invoice"])
                await self._take_back(row, now)
        return touched

    async def settle(self, network: str, head_height: int, confirmations: int, now: datetime) -> set[str]:
        """Book the deposits that have enough confirmations; the ids of invoices touched.

        Exact ones are credited and pay their invoice; the others are booked to suspense, where they wait for a
        human. `confirmations` is for deposits without an invoice. One transaction for each ledger's share.
        """
        due = await database.fetch_all(
            """
            SELECT d.id, d.asset, d.verdict, d.invoice, d.times_reversed, i.merchant
            FROM deposits d LEFT JOIN invoices i ON i.id = d.invoice
            WHERE d.network = $1 AND d.status = 'seen'
                AND d.block_height <= $2 + 1 - coalesce(i.confirmations_required, $3)
            ORDER BY d.asset, d.verdict = 'exact', i.merchant, d.invoice, d.id LIMIT $4
            """,
            network,
            head_height,
            confirmations,
            SETTLE_AT_ONCE,
        )
        touched: set[str] = set()
        for (asset, exact, merchant), group in groupby(
            due, key=lambda row: (row["asset"], row["verdict"] == Verdict.EXACT, row["merchant"])
        ):
            rows = list(group)
            async with database.transaction():
                if exact:
                    await self._credit(network, asset, merchant, rows, now)
                else:
                    await _suspend(network, asset, rows, now)
            touched.update(row["invoice"] for row in rows if row["invoice"])
        return touched

    async def _credit(self, network: str, asset: str, merchant: str, rows: Sequence[Row], now: datetime) -> None:
        """Credit exact deposits of one merchant in one asset, in the caller's transaction."""
        earnings = ChainId(owner=merchant, network=network, asset=asset)
        fees = ChainId(owner=FEES, network=network, asset=asset)
        await ledger.lock([earnings, fees])
        postings = []
        for row in rows:
            invoice = await _lock_invoice(row["invoice"])
            came_raw = await _mark(row["id"], "credited", now)
            if not came_raw:
                continue  # unseen or settled since
            due = share(came_raw, invoice["pay_in_raw"], invoice["service_fee_raw"])
            reference = booking_reference(row["id"], row["times_reversed"])
            postings.append(Posting(earnings, "invoice_credit", due.net_raw, 0, reference))
            if due.service_fee_raw:
                postings.append(Posting(fees, "service_fee", due.service_fee_raw, 0, reference))
            await self._invoices.pay(row["invoice"], Status(invoice["status"]), due.net_raw, now)
        await ledger.post(postings, now)

    async def _reverse(self, network: str, row: Row, now: datetime) -> None:
        """Reverse what is booked of a deposit, hold what its ledger pays, and raise the alarm."""
        reference = booking_reference(row["id"], row["times_reversed"])
        owner = row["merchant"] if row["status"] == "credited" else SUSPENSE
        payer = ChainId(owner=owner, network=network, asset=row["asset"])
        booked = await ledger_queries.booked(_chains_of(network, row), reference, DEPOSIT_KINDS)
        await ledger.post(
            [Posting(chain, "deposit_reversal", -booked_raw, 0, reference) for chain, booked_raw in booked.items()], now
        )
        if row["status"] == "credited":
            counted_raw = booked.get(payer, 0) if row["asset"] == row["invoice_asset"] else 0
            received_raw = await _received_raw(row["invoice"]) - row["counts_raw"]
            await self._invoices.reverse(row["invoice"], counted_raw, received_raw, now)
        message = f"{row['id']} was booked and is no longer on the chain: {row['asset']} of {payer.owner} are on hold"
        await self._place_hold(payer, message, now)
        await alerts.raise_alert(
            severity="critical",
            kind="deep_reorg",
            dedupe_key=f"deep_reorg:{reference.id}",
            message=message,
            details={
                "deposit": row["id"],
                "invoice": row["invoice"],
                "merchant": row["merchant"],
                "network": network,
                "asset": row["asset"],
                "amount_raw": str(row["amount_raw"]),
                "txid": row["txid"],
            },
            now=now,
        )

    async def _take_back(self, row: Row, now: datetime) -> None:
        """Tell a deposit's invoice that the deposit, which is `orphaned` by now, is gone."""
        status = await database.fetch_value("SELECT status FROM invoices WHERE id = $1", row["invoice"])
        received_raw = await _received_raw(row["invoice"])
        if row["status"] == "seen" and row["verdict"] == Verdict.EXACT and status == Status.CONFIRMING:
            await self._invoices.await_again(row["invoice"], received_raw, now)
        else:
            await self._invoices.note_received(row["invoice"], received_raw, now)

    async def _tell_invoice(self, found: Match, opened: bool, now: datetime) -> None:
        assert found.invoice_id is not None
        received_raw = await _received_raw(found.invoice_id)
        status = Status((await _lock_invoice(found.invoice_id))["status"])
        if opened:
            await self._invoices.review(found.invoice_id, status, received_raw, now)
        elif found.verdict == Verdict.EXACT and status == Status.AWAITING_DEPOSIT:
            await self._invoices.begin_confirming(found.invoice_id, received_raw, now)
        else:
            await self._invoices.note_received(found.invoice_id, received_raw, now)


async def ours(network: str, addresses: Collection[str]) -> Set[str]:
    """Which of these addresses belong to the network's pool: one index look-up each, however many are lent."""
    rows = await database.fetch_all(
        "SELECT address FROM deposit_addresses WHERE network = $1 AND address = ANY($2)", network, list(addresses)
    )
    return {row["address"] for row in rows}


async def _lock_served(
    network: str, addresses: Collection[str], now: datetime
) -> dict[str, tuple[int, list[Candidate]]]:
    """Lock every invoice that these addresses served lately, in order of id; id and invoices by address."""
    rows = await database.fetch_all(
        "SELECT id, address FROM deposit_addresses WHERE network = $1 AND address = ANY($2)",
        network,
        list(addresses),
    )
    locked = await database.fetch_all(
        f"{_CANDIDATES} ORDER BY i.id FOR UPDATE OF i", [row["id"] for row in rows], now - MATCH_WINDOW
    )
    served: defaultdict[int, list[Candidate]] = defaultdict(list)
    for invoice in sorted(locked, key=lambda row: row["created_at"], reverse=True):
        served[invoice["deposit_address"]].append(_candidate(invoice))
    return {row["address"]: (row["id"], served[row["id"]]) for row in rows}


async def _lock_dead(network: str, above_height: int) -> Sequence[Row]:
    """Lock the living deposits of dead blocks, after the ledgers that they are booked in and their invoices."""
    select = """
        SELECT d.id, d.status, d.verdict, d.invoice, d.txid, d.asset, d.amount_raw, d.times_reversed, i.merchant,
            i.asset AS invoice_asset, CASE WHEN d.asset = i.asset THEN d.amount_raw ELSE 0 END AS counts_raw
        FROM deposits d LEFT JOIN invoices i ON i.id = d.invoice
        WHERE d.network = $1 AND d.block_height > $2 AND d.status <> 'orphaned' ORDER BY d.invoice, d.id
        """
    rows = await database.fetch_all(select, network, above_height)
    booked = [row for row in rows if row["status"] != "seen"]
    await ledger.lock({chain for row in booked for chain in _chains_of(network, row)})
    await database.execute(
        "SELECT 1 FROM invoices WHERE id = ANY($1) ORDER BY id FOR UPDATE",
        [row["invoice"] for row in rows if row["invoice"] is not None],
    )
    # An operator may have credited one of them until its ledger was locked: read again.
    return await database.fetch_all(f"{select} FOR UPDATE OF d", network, above_height)


def _chains_of(network: str, row: Row) -> list[ChainId]:
    """The ledgers that a deposit's money can be in."""
    earnings, fees, suspense = deposit_chains(row["merchant"] or "", network, row["asset"])
    return [earnings, fees, suspense] if row["merchant"] is not None else [suspense]


async def _orphans(network: str, txids: Collection[str]) -> dict[tuple[str, int], list[Row]]:
    """Deposits of these transactions that a reorganisation has taken away, by (txid, address id).

    `first_seen`: a payment that was in a block in time was made in time, whichever block it ends up in.
    """
    rows = await database.fetch_all(
        """
        SELECT id, txid, log_index, deposit_address, asset, amount_raw, verdict, invoice, times_reversed,
            least(block_time, seen_at) AS first_seen
        FROM deposits WHERE network = $1 AND txid = ANY($2) AND status = 'orphaned' ORDER BY log_index
        """,
        network,
        list(txids),
    )
    found: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in rows:
        found[row["txid"], row["deposit_address"]].append(row)
    return found


def _same_transfer(transfer: Transfer, orphans: Sequence[Row]) -> Row | None:
    """The orphan that this transfer is. A log's index counts from its block's start, so in another block the same
    transfer may have another one: then it is the first of the same asset and amount in the transaction."""
    same = [
        orphan
        for orphan in orphans
        if (orphan["asset"], orphan["amount_raw"]) == (transfer.asset_symbol, transfer.amount_raw)
    ]
    exact = [orphan for orphan in same if orphan["log_index"] == transfer.index]
    return next(iter(exact or same), None)


async def _candidates(address_id: int, now: datetime) -> list[Candidate]:
    """The locked invoices of one address as they are now."""
    rows = await database.fetch_all(f"{_CANDIDATES} ORDER BY i.created_at DESC", [address_id], now - MATCH_WINDOW)
    return [_candidate(row) for row in rows]


_CANDIDATES = """
    SELECT i.id, i.status, i.asset, i.pay_in_raw, i.expires_at, i.created_at, i.deposit_address, m.tolerance_bps
    FROM invoices i JOIN merchants m ON m.id = i.merchant
    WHERE i.deposit_address = ANY($1) AND i.created_at > $2
    """


def _candidate(row: Row) -> Candidate:
    return Candidate(
        row["id"],
        Status(row["status"]),
        row["asset"],
        row["pay_in_raw"],
        row["expires_at"],
        row["tolerance_bps"],
    )


async def _store(
    network: str, transfer: Transfer, address_id: int, found: Match, orphan: Row | None, now: datetime
) -> str | None:
    """Insert the deposit, or bring `orphan` back; its id, or None if it is there and alive already."""
    place = (
        transfer.index,
        transfer.block.height,
        transfer.block.hash,
        transfer.block.time,
        found.verdict.value,
        found.invoice_id,
    )
    if orphan is not None:
        if not await _make_room(network, transfer, orphan["id"]):
            return None
        await database.execute(
            """
            UPDATE deposits SET log_index = $2, block_height = $3, block_hash = $4, block_time = $5,
                verdict = $6, invoice = $7, status = 'seen'
            WHERE id = $1 AND status = 'orphaned'
            """,
            orphan["id"],
            *place,
        )
        return str(orphan["id"])
    deposit_id: str | None = await database.fetch_value(
        """
        INSERT INTO deposits (log_index, block_height, block_hash, block_time, verdict, invoice,
            id, network, txid, asset, deposit_address, from_address, amount_raw, seen_at, status)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'seen')
        ON CONFLICT (network, txid, log_index) DO NOTHING
        RETURNING id
        """,
        *place,
        ids.new_id(ids.DEPOSIT),
        network,
        transfer.txid,
        transfer.asset_symbol,
        address_id,
        transfer.from_address,
        transfer.amount_raw,
        now,
    )
    return deposit_id


async def _make_room(network: str, transfer: Transfer, deposit_id: str) -> bool:
    """Free the transfer's index for an orphan that comes back to it; False if a living deposit has it.

    Another orphan of the transaction that has it steps aside, below all indices that a chain gives.
    """
    holder = await database.fetch_one(
        """
        SELECT id, status FROM deposits
        WHERE network = $1 AND txid = $2 AND log_index = $3 AND id <> $4 FOR UPDATE
        """,
        network,
        transfer.txid,
        transfer.index,
        deposit_id,
    )
    if holder is None:
        return True
    if holder["status"] != "orphaned":
        return False
    await database.execute(
        """
        UPDATE deposits SET log_index =
            (SELECT least(min(log_index), $2) - 1 FROM deposits WHERE network = $3 AND txid = $4)
        WHERE id = $1
        """,
        holder["id"],
        PARKED_INDEX,
        network,
        transfer.txid,
    )
    return True


async def _lock_invoice(invoice_id: str) -> Row:
    row = await database.fetch_one(
        "SELECT status, pay_in_raw, service_fee_raw FROM invoices WHERE id = $1 FOR UPDATE", invoice_id
    )
    assert row is not None, "deposits refer to invoices that are there"
    return row


async def _received_raw(invoice_id: str) -> int:
    """What has come in for an invoice, in its own asset, and is still on chain."""
    total: int = await database.fetch_value(
        """
        SELECT coalesce(sum(d.amount_raw), 0) FROM deposits d JOIN invoices i ON i.id = d.invoice
        WHERE i.id = $1 AND d.asset = i.asset AND d.status <> 'orphaned'
        """,
        invoice_id,
    )
    return total


async def _suspend(network: str, asset: str, rows: Sequence[Row], now: datetime) -> None:
    """Book deposits that are nobody's yet to suspense, in the caller's transaction."""
    suspense = ChainId(owner=SUSPENSE, network=network, asset=asset)
    await ledger.lock([suspense])
    postings = []
    for row in rows:
        amount_raw = await _mark(row["id"], "suspended", now)
        if amount_raw:
            reference = booking_reference(row["id"], row["times_reversed"])
            postings.append(Posting(suspense, "deposit_suspended", amount_raw, 0, reference))
    await ledger.post(postings, now)


async def _mark(deposit_id: str, status: str, now: datetime) -> int | None:
    """Settle a deposit that is still `seen`; its amount, or None if it is not."""
    amount_raw: int | None = await database.fetch_value(
        "UPDATE deposits SET status = $2, settled_at = $3 WHERE id = $1 AND status = 'seen' RETURNING amount_raw",
        deposit_id,
        status,
        now,
    )
    return amount_raw
