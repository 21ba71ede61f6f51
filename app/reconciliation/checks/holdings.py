"""Compare for each asset what the ledgers owe with our balances on chain at a fixed block (I7).

The ledgers are read at the moment of the snapshot, the chain at its confirmed block. The movements between the two
are known exactly, and are counted:

    expected = the ledgers, all together
             + deposits up to the block that are not booked yet
             - deposits booked that are above it (an invoice may ask for fewer confirmations)
             + and - the same with top-ups of the hot wallet
             - withdrawals sent up to the block and not booked yet (the chain says which are)
             + withdrawals booked that are above it, or under way again after a deep reorganisation
             - and + the same with the fees of all our transactions, in the network's coin

An attempt that no block could hold, and that is in one after all, counts as sent until its withdrawal is confirmed. If
another attempt confirms that, both were paid: the second payment is no ledger's, and is drift.

Nothing is rounded and there is no tolerance: any remaining difference is drift.

On chains of coins our own book of coins is compared too: at the block, each address must hold what the book's unspent
coins there add up to. So ledgers, book and chain agree, or there is a finding. The chain's answer is a scan of all
unspent outputs for our addresses (`scantxoutset`), not a question for each coin of the book (`gettxout`): that would
find coins which the book has and the chain has not, but never those which the book has missed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from app.core.database import Row
from app.networks.config import NATIVE, NetworkConfig
from app.networks.port import Chain, ChainMoved, Settlement
from app.reconciliation.findings import Figure, Finding, Result
from app.reconciliation.snapshot import NamedBlock, rows

CHECK = "holdings"

MAX_ADDRESSES = 20
"""Addresses listed in one finding."""

REST = timedelta(days=40)
"""An address that was not leased for this long, and is empty by the ledgers, is checked only in full runs."""


NEWEST_CHANGE = 1_000
"""Addresses of change that are checked in runs that are not full, beside those that have coins by the book."""


class Books(msgspec.Struct, frozen=True):
    """The data of one network in the snapshot, for the comparison with the chain."""

    network: NetworkConfig
    block: NamedBlock
    ledgers_raw: Mapping[str, int]
    received_raw: Mapping[str, int]
    sent: Sequence[Row]
    settled_at_raw: Mapping[tuple[str, str], int]
    addresses: Sequence[str]
    wallets: Sequence[str]
    coins_raw: Mapping[str, int] | None
    """On chains of coins, what the book's unspent coins of each address add up to at the block."""


class _Flight(msgspec.Struct):
    """What to add to the ledgers, by asset, and how transactions changed each address up to the block."""

    by_asset: defaultdict[str, int] = msgspec.field(default_factory=lambda: defaultdict(int))
    by_address: defaultdict[tuple[str, str], int] = msgspec.field(default_factory=lambda: defaultdict(int))


async def read_books(network: NetworkConfig, block: NamedBlock, now: datetime, *, full: bool) -> Books:
    """Read the data of one network in the caller's snapshot."""
    key, height = network.key, block.height
    ledgers = await rows(
        "SELECT asset, sum(available_raw + locked_raw) AS raw FROM ledger_heads WHERE network = $1 GROUP BY asset", key
    )
    deposits = await rows(
        """
        SELECT asset, coalesce(sum(amount_raw) FILTER (WHERE block_height <= $2 AND status = 'seen'), 0) AS unbooked,
            coalesce(sum(amount_raw) FILTER (WHERE block_height > $2 AND status <> 'seen'), 0) AS above
        FROM deposits WHERE network = $1 AND status <> 'orphaned' GROUP BY asset
        """,
        key,
        height,
    )
    top_ups = await rows(
        """
        SELECT asset, coalesce(sum(amount_raw) FILTER (WHERE block_height <= $2 AND status = 'seen'), 0) AS unbooked,
            coalesce(sum(amount_raw) FILTER (WHERE block_height > $2 AND status = 'booked'), 0) AS above
        FROM hot_wallet_receipts WHERE network = $1 GROUP BY asset
        """,
        key,
        height,
    )
    # Movements that may be in only one of ledgers and block; all others are in both.
    sent = await rows(
        """
        SELECT o.id, o.txid, o.from_address, o.status, o.block_height, o.fee_raw,
            coalesce(o.fee_booked_raw, 0) AS fee_booked_raw, p.asset, p.to_address, p.amount_raw,
            p.withdrawal, coalesce(w.status = 'confirmed', false) AS booked
        FROM outgoing_transactions o LEFT JOIN outgoing_payments p ON p.transaction = o.id
        LEFT JOIN withdrawals w ON w.id = p.withdrawal
        WHERE o.network = $1 AND (
            o.status IN ('signed', 'submitted')
            OR (o.status = 'replaced' AND w.status IN ('approved', 'submitted') AND EXISTS (
                SELECT 1 FROM account_transactions a WHERE a.network = o.network AND a.txid = o.txid))
            OR (o.status IN ('confirmed', 'reverted') AND (o.block_height > $2 OR w.status <> 'confirmed'))
            OR coalesce(o.fee_raw, 0) <> coalesce(o.fee_booked_raw, 0)
        )
        ORDER BY o.id, p.position
        """,
        key,
        height,
    )
    settled = {(row["address"], row["asset"]): row["raw"] for row in await _settled_at(network, height)}
    recent = await rows(
        """
        SELECT address FROM deposit_addresses
        WHERE network = $1 AND lease_count > 0 AND ($2 OR invoice_id IS NOT NULL OR available_at > $3) ORDER BY id
        """,
        key,
        full,
        now - REST,
    )
    senders = await rows(
        """
        SELECT s.address FROM (
            SELECT address FROM wallet_nonces WHERE network = $1
            UNION SELECT from_address FROM outgoing_transactions WHERE network = $1 AND from_address IS NOT NULL
        ) s WHERE NOT EXISTS (SELECT FROM deposit_addresses a WHERE a.network = $1 AND a.address = s.address)
        """,
        key,
    )
    hot = [] if network.hot_wallet_address is None else [network.hot_wallet_address]
    coins_raw = await _coins_raw(network, height) if network.has_coins else None
    change = await _change_addresses(network, full=full) if network.has_coins else []
    holders = [address for (address, _), raw in settled.items() if raw] if coins_raw is None else list(coins_raw)
    return Books(
        network=network,
        block=block,
        ledgers_raw={row["asset"]: row["raw"] for row in ledgers},
        received_raw=_received([*deposits, *top_ups]),
        sent=sent,
        settled_at_raw=settled,
        addresses=list(dict.fromkeys([*(row["address"] for row in recent), *holders, *change])),
        wallets=list(dict.fromkeys([*hot, *(row["address"] for row in senders)])),
        coins_raw=coins_raw,
    )


def _received(received: Sequence[Row]) -> dict[str, int]:
    """By asset: amounts received and not posted, less amounts posted and not received up to the block."""
    in_flight: defaultdict[str, int] = defaultdict(int)
    for row in received:
        in_flight[row["asset"]] += row["unbooked"] - row["above"]
    return dict(in_flight)


async def _coins_raw(network: NetworkConfig, height: int) -> dict[str, int]:
    """By address, what the coins that are unspent at the end of a block add up to."""
    coins = await rows(
        """
        SELECT address, sum(amount_raw) AS raw FROM coins
        WHERE network = $1 AND height <= $2 AND (spent_height IS NULL OR spent_height > $2) GROUP BY address
        """,
        network.key,
        height,
    )
    return {row["address"]: row["raw"] for row in coins}


async def _change_addresses(network: NetworkConfig, *, full: bool) -> list[str]:
    """Addresses of change: the newest NEWEST_CHANGE, all with `full`. Older ones rarely get another coin."""
    change = await rows(
        "SELECT address FROM change_addresses WHERE network = $1 ORDER BY index DESC LIMIT $2",
        network.key,
        None if full else NEWEST_CHANGE,
    )
    return [row["address"] for row in change]


async def _settled_at(network: NetworkConfig, height: int) -> Sequence[Row]:
    """The expected balance of each deposit address at the block: received, sent, transferred to it, and fees paid."""
    coin = next((asset.symbol for asset in network.assets if asset.kind == NATIVE), "")
    return await rows(
        """
        SELECT m.address, m.asset, sum(m.raw) AS raw FROM (
            SELECT a.address, d.asset, d.amount_raw AS raw
            FROM deposits d JOIN deposit_addresses a ON a.id = d.deposit_address
            WHERE d.network = $1 AND d.status <> 'orphaned' AND d.block_height <= $2
            UNION ALL
            SELECT t.from_address, p.asset, -p.amount_raw
            FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
            WHERE t.network = $1 AND t.status = 'confirmed' AND t.block_height <= $2
            UNION ALL
            SELECT p.to_address, p.asset, p.amount_raw
            FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
            WHERE t.network = $1 AND t.status = 'confirmed' AND t.block_height <= $2
            UNION ALL
            SELECT from_address, $3, -fee_raw FROM outgoing_transactions
            WHERE network = $1 AND status IN ('confirmed', 'reverted') AND block_height <= $2
        ) m JOIN deposit_addresses ours ON ours.network = $1 AND ours.address = m.address
        GROUP BY m.address, m.asset
        """,
        network.key,
        height,
        coin,
    )


async def compare_with_chain(chain: Chain, books: Books) -> Result:
    """Compare the ledgers with the chain at the block. Calls a node: not in a transaction. Raises NetworkError."""
    block, network = books.block, books.network
    await _check_still_there(chain, block)
    open_txids = list({row["txid"] for row in books.sent if row["status"] in ("signed", "submitted", "replaced")})
    settlements = await chain.settlements(open_txids) if open_txids else {}
    flight = _in_flight(books, settlements)
    figures: dict[str, Figure] = {"height": block.height, "block_hash": block.hash}
    findings = []
    addresses = list(dict.fromkeys([*books.addresses, *books.wallets]))
    for asset in network.assets:
        held = await chain.balances_raw(addresses, asset.symbol, block.height)
        held_raw = sum(held.values())
        ledgers_raw = books.ledgers_raw.get(asset.symbol, 0)
        expected_raw = ledgers_raw + flight.by_asset[asset.symbol]
        asset_figures: dict[str, Figure] = {
            "ledgers_raw": str(ledgers_raw),
            "in_flight_raw": str(flight.by_asset[asset.symbol]),
            "expected_raw": str(expected_raw),
            "held_raw": str(held_raw),
            "drift_raw": str(held_raw - expected_raw),
        }
        figures |= {f"{asset.symbol}.{name}": figure for name, figure in asset_figures.items()}
        figures[f"{asset.symbol}.addresses"] = len(addresses)
        if held_raw != expected_raw:
            findings.append(
                Finding(
                    CHECK,
                    f"{asset.symbol} {network.key}",
                    _message(held_raw - expected_raw, block),
                    {
                        "height": block.height,
                        "block_hash": block.hash,
                        **asset_figures,
                        "addresses_at_odds": _differing_addresses(books, flight, asset.symbol, held),
                    },
                )
            )
        if books.coins_raw is not None and asset.kind == NATIVE:
            figures[f"{asset.symbol}.coins_raw"] = str(sum(books.coins_raw.values()))
            findings += _differing_coins(books.coins_raw, held, asset.symbol, block)
    await _check_still_there(chain, block)
    return Result(CHECK, figures, findings)


async def _check_still_there(chain: Chain, block: NamedBlock) -> None:
    now = await chain.block_ref(block.height)
    if now is None or now.hash != block.hash:
        raise ChainMoved(f"{block.network}: block {block.height} is not {block.hash} on this node")


def _in_flight(books: Books, settlements: Mapping[str, Settlement]) -> _Flight:
    flight = _Flight()
    flight.by_asset.update(books.received_raw)
    flight.by_address.update(books.settled_at_raw)
    coin = next((asset.symbol for asset in books.network.assets if asset.kind == NATIVE), None)
    reopened: set[str] = set()
    fees_counted: set[int] = set()
    for row in books.sent:
        settlement = settlements.get(row["txid"])
        settled = row["status"] in ("confirmed", "reverted")
        height = row["block_height"] if settled else settlement.height if settlement else None
        on_chain = height is not None and height <= books.block.height
        succeeded = row["status"] == "confirmed" if settled else settlement is not None and settlement.succeeded
        if row["withdrawal"] is not None:
            if on_chain and succeeded:
                flight.by_asset[row["asset"]] -= row["amount_raw"]
            if row["booked"] and row["status"] == "confirmed":
                flight.by_asset[row["asset"]] += row["amount_raw"]
            if row["booked"] and not settled and row["status"] != "replaced" and row["withdrawal"] not in reopened:
                reopened.add(row["withdrawal"])  # a fee bump is another row of the same money
                flight.by_asset[row["asset"]] += row["amount_raw"]
        if on_chain and not settled and succeeded and row["asset"] is not None:  # staked coin moves nowhere
            flight.by_address[row["from_address"], row["asset"]] -= row["amount_raw"]
            flight.by_address[row["to_address"], row["asset"]] += row["amount_raw"]
        if coin is not None and row["id"] not in fees_counted:
            fees_counted.add(row["id"])  # a transaction has a row for each of its payments
            fee_raw = (row["fee_raw"] if settled else settlement.fee_raw if settlement else 0) or 0
            flight.by_asset[coin] += row["fee_booked_raw"] - (fee_raw if on_chain else 0)
            if on_chain and not settled:
                flight.by_address[row["from_address"], coin] -= fee_raw
    return flight


def _differing_addresses(books: Books, flight: _Flight, asset: str, held: Mapping[str, int]) -> list[str]:
    """The first MAX_ADDRESSES deposit addresses whose balance differs from the sum of their movements. Of coins that is
    not known: no movement says which address they come from."""
    if books.coins_raw is not None:
        return []
    odd = [
        f"{address}: holds {held[address]}, {flight.by_address[address, asset]} by the books"
        for address in books.addresses
        if held[address] != flight.by_address[address, asset]
    ]
    return odd[:MAX_ADDRESSES]


def _differing_coins(
    coins_raw: Mapping[str, int], held: Mapping[str, int], asset: str, block: NamedBlock
) -> list[Finding]:
    """A finding where the chain does not hold the coins of the book, address by address."""
    odd = [
        f"{address}: holds {held_raw}, {coins_raw.get(address, 0)} by the book of coins"
        for address, held_raw in held.items()
        if held_raw != coins_raw.get(address, 0)
    ]
    if not odd:
        return []
    figures: dict[str, Figure] = {
        "height": block.height,
        "block_hash": block.hash,
        "coins_raw": str(sum(coins_raw.values())),
        "held_raw": str(sum(held.values())),
        "addresses_at_odds": odd[:MAX_ADDRESSES],
    }
    where = f"at block {block.height} ({block.hash})"
    message = f"the book of coins is not what the chain holds at {len(odd)} addresses, {where}"
    return [Finding(CHECK, f"coins {asset} {block.network}", message, figures)]


def _message(drift_raw: int, block: NamedBlock) -> str:
    where = f"at block {block.height} ({block.hash})"
    if drift_raw < 0:
        return f"the chain holds {-drift_raw} minor units less than the ledgers owe, {where}"
    return f"the chain holds {drift_raw} minor units that no ledger owns, {where}"
