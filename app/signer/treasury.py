"""The hot wallet in the books: operators' top-ups come in, gas goes out, both of `platform:treasury`.

Sweeps and gas for them move money between our own addresses and change no ledger but by their gas. So for each
asset, all ledgers together are what deposit addresses and hot wallet hold.
"""

from collections.abc import Collection, Sequence, Set
from datetime import datetime

from app.alerts.service import raise_alert
from app.core import database
from app.core.database import Row
from app.ledger import repository as ledger_queries
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId, Reference
from app.ledger.service import TREASURY, Posting
from app.networks.config import NetworkConfig
from app.networks.port import Transfer
from app.signer import transactions

SETTLE_AT_ONCE = 500


class Treasury:
    """One network's hot wallet, as the watcher and the signer see it."""

    def __init__(self, network: NetworkConfig) -> None:
        self._network = network
        self._told_short = False

    @property
    def address(self) -> str | None:
        """The hot wallet's address; None on a network that only receives."""
        return self._network.hot_wallet_address

    async def own_moves(self, transfers: Collection[Transfer]) -> Set[tuple[str, str, str]]:
        """Which of these are sweeps or gas of our own, as (txid, recipient, asset). Neither pays for anything.

        Every transaction of ours is stored before it is sent, so one that is seen on chain is known here.
        """
        rows = await database.fetch_all(
            """
            SELECT txid, to_address, asset FROM outgoing_transactions
            WHERE network = $1 AND txid = ANY($2) AND purpose IN ('sweep', 'gas')
            """,
            self._network.key,
            list({transfer.txid for transfer in transfers}),
        )
        return {(row["txid"], row["to_address"], row["asset"]) for row in rows}

    async def record(self, transfers: Sequence[Transfer], now: datetime) -> None:
        """Remember transfers to the hot wallet that are not our own. Needs the watcher's transaction.

        One that a reorganisation had taken away before it was booked is the same again; a booked one that was
        reversed has left its row, and comes in another.
        """
        database.in_transaction()
        for transfer in transfers:
            await database.execute(
                """
                INSERT INTO hot_wallet_receipts (network, txid, log_index, asset, from_address, amount_raw,
                    block_height, block_hash, seen_at, status)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'seen')
                ON CONFLICT (network, txid, log_index) WHERE status <> 'reversed' DO UPDATE SET
                    block_height = excluded.block_height, block_hash = excluded.block_hash, status = 'seen'
                WHERE hot_wallet_receipts.status = 'orphaned'
                """,
                self._network.key,
                transfer.txid,
                transfer.index,
                transfer.asset_symbol,
                transfer.from_address,
                transfer.amount_raw,
                transfer.block.height,
                transfer.block.hash,
                now,
            )

    async def unsee(self, above_height: int, now: datetime) -> None:
        """Take back the top-ups of dead blocks, in the watcher's transaction. A booked one is reversed, and a
        final transaction of ours is under way again: the signer sends its bytes until it is in a block."""
        database.in_transaction()
        if reopened := await transactions.reopen(self._network.key, above_height):
            await raise_alert(
                severity="critical",
                kind="sent_transaction_reorganised",
                dedupe_key=f"sent_transaction_reorganised:{self._network.key}:{above_height}",
                message=f"{self._network.key}: final transactions of ours are no longer on chain; they are sent again",
                details={"network": self._network.key, "transactions": reopened},
                now=now,
            )
        await database.execute(
            "UPDATE hot_wallet_receipts SET status = 'orphaned'"
            " WHERE network = $1 AND block_height > $2 AND status = 'seen'",
            self._network.key,
            above_height,
        )
        booked = await database.fetch_all(
            """
            UPDATE hot_wallet_receipts SET status = 'reversed'
            WHERE network = $1 AND block_height > $2 AND status = 'booked' RETURNING id, asset, amount_raw, txid
            """,
            self._network.key,
            above_height,
        )
        await ledger.post([self._top_up(row, "deposit_reversal", -row["amount_raw"]) for row in booked], now)
        for row in booked:
            await raise_alert(
                severity="critical",
                kind="top_up_reversed",
                dedupe_key=f"top_up_reversed:{row['id']}",
                message=f"{self._network.key}: a booked top-up of the hot wallet is no longer on chain",
                details={"network": self._network.key, "asset": row["asset"], "txid": row["txid"]},
                now=now,
            )

    async def settle(self, scanned_height: int, now: datetime) -> None:
        """Book the top-ups that have enough confirmations."""
        async with database.transaction():
            rows = await database.fetch_all(
                """
                UPDATE hot_wallet_receipts SET status = 'booked', settled_at = $3
                WHERE id IN (
                    SELECT id FROM hot_wallet_receipts WHERE network = $1 AND block_height <= $2 AND status = 'seen'
                    ORDER BY id LIMIT $4)
                RETURNING id, asset, amount_raw
                """,
                self._network.key,
                scanned_height + 1 - self._network.confirmations,
                now,
                SETTLE_AT_ONCE,
            )
            await ledger.post([self._top_up(row, "top_up", row["amount_raw"]) for row in rows], now)

    async def book_gas(self, now: datetime) -> None:
        """Book what the gas of final transactions has cost and the books don't have yet.

        In a transaction of its own for each: the native coin's ledger is no part of a withdrawal's facts. Where
        the treasury is short, as when a rollup's data has cost more than was set aside, it waits and alerts.
        """
        rows = await database.fetch_all(
            """
            SELECT id, gas_cost_raw, coalesce(gas_booked_raw, 0) AS booked_raw FROM outgoing_transactions
            WHERE network = $1 AND gas_cost_raw IS DISTINCT FROM gas_booked_raw AND gas_cost_raw IS NOT NULL
            ORDER BY id LIMIT $2
            """,
            self._network.key,
            SETTLE_AT_ONCE,
        )
        for row in rows:
            await self._book_one(row, now)

    async def gas_left_raw(self) -> int:
        """What of the treasury's native coin is neither spent nor promised to a transaction under way."""
        head = await ledger_queries.head(self._gas_ledger)
        promised_raw: int = await database.fetch_value(
            """
            SELECT coalesce(sum(budget), 0) FROM (
                SELECT max(coalesce(gas_cost_raw - coalesce(gas_booked_raw, 0),
                    gas_limit * max_fee_raw + data_fee_raw)) AS budget
                FROM outgoing_transactions
                WHERE network = $1 AND (status IN ('signed', 'submitted')
                    OR (gas_cost_raw IS NOT NULL AND gas_booked_raw IS NULL))
                GROUP BY from_address, nonce) AS open
            """,
            self._network.key,
        )
        return (head.state.available_raw if head is not None else 0) - promised_raw

    async def _book_one(self, row: Row, now: datetime) -> None:
        due_raw = row["gas_cost_raw"] - row["booked_raw"]
        async with database.transaction():
            await ledger.lock([self._gas_ledger])
            head = await ledger_queries.head(self._gas_ledger)
            assert head is not None
            short = due_raw > 0 and head.state.available_raw < due_raw
            if short and self._told_short:
                return
            self._told_short = short
            if short:
                await raise_alert(
                    severity="critical",
                    kind="treasury_short",
                    dedupe_key=f"treasury_short:{self._network.key}",
                    message=f"{self._network.key}: the treasury can't pay for gas that was used; top up the hot wallet",
                    details={"network": self._network.key, "transaction": row["id"], "due_raw": str(due_raw)},
                    now=now,
                )
                return
            booked = await database.execute(
                "UPDATE outgoing_transactions SET gas_booked_raw = $2"
                " WHERE id = $1 AND coalesce(gas_booked_raw, 0) = $3",
                row["id"],
                row["gas_cost_raw"],
                row["booked_raw"],
            )
            if booked and due_raw:
                reference = await self._gas_reference(head.ledger, row["id"])
                await ledger.post([Posting(self._gas_ledger, "network_fee", -due_raw, 0, reference)], now)

    async def _gas_reference(self, ledger_id: int, transaction_id: int) -> Reference:
        """`17` for the first booking of a transaction's gas; `17#2`, `17#3` for the differences that other blocks
        made after deep reorganisations: a ledger takes each reference once."""
        earlier: int = await database.fetch_value(
            """
            SELECT count(*) FROM ledger_entries WHERE ledger = $1 AND kind = 'network_fee'
                AND reference_type = 'transaction' AND split_part(reference_id, '#', 1) = $2
            """,
            ledger_id,
            str(transaction_id),
        )
        return Reference("transaction", f"{transaction_id}#{earlier + 1}" if earlier else f"{transaction_id}")

    @property
    def _gas_ledger(self) -> ChainId:
        assert self._network.native is not None, "a network with a hot wallet has its native coin"
        return ChainId(owner=TREASURY, network=self._network.key, asset=self._network.native.symbol)

    def _top_up(self, row: Row, kind: ledger.Kind, amount_raw: int) -> Posting:
        chain = ChainId(owner=TREASURY, network=self._network.key, asset=row["asset"])
        return Posting(chain, kind, amount_raw, 0, Reference("top_up", str(row["id"])))
