"""Rows of outgoing transactions as the signer writes them, for tests that sign nothing."""

from collections.abc import Sequence
from datetime import datetime

from app.core import clock, database

FORM = '{"nonce":%d,"gas_limit":21000,"max_fee_raw":1,"priority_fee_raw":1,"data_fee_raw":0}'

INSERT = """
    WITH next AS (SELECT nextval('outgoing_transactions_id_seq') AS id), added AS (
        INSERT INTO outgoing_transactions (id, lineage, replaces, network, purpose, from_address, nonce, txid,
            signed_bytes, fee_cap_raw, form, status, created_at)
        SELECT id, coalesce((SELECT lineage FROM outgoing_transactions WHERE id = $1::bigint), id), $1, $2, $3, $4, $5,
            $6, $7, 21000, $8, 'signed', $9
        FROM next RETURNING id
    ), paid AS (
        INSERT INTO outgoing_payments (transaction, network, position, withdrawal, to_address, asset, amount_raw)
        SELECT id, $2, 0, $10, $11, $12, $13 FROM added
    ), claimed AS (
        INSERT INTO outgoing_claims (network, claim, transaction)
        SELECT $2, claim, id FROM added CROSS JOIN unnest($14::text[]) AS claim
    )
    SELECT id FROM added
    """


async def store(
    *,
    network: str,
    to_address: str,
    asset: str,
    amount_raw: int,
    txid: str,
    purpose: str = "withdrawal",
    withdrawal: str | None = None,
    from_address: str = "0xhot",
    nonce: int = 0,
    coins: Sequence[str] = (),
    replaces: int | None = None,
    signed_bytes: bytes = b"\x00",
    created_at: datetime | None = None,
) -> int:
    """Insert a signed transaction of one payment, under a nonce, or with `coins` as its claims. Returns its id."""
    row: int = await database.fetch_value(
        INSERT,
        replaces,
        network,
        purpose,
        None if coins else from_address,
        None if coins else nonce,
        txid,
        signed_bytes,
        FORM % nonce,
        created_at or clock.now(),
        withdrawal,
        to_address,
        asset,
        amount_raw,
        list(coins) or [f"nonce:{from_address}:{nonce}"],
    )
    return row
