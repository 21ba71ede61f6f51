"""Rows of outgoing transactions as the signer writes them, for tests that sign nothing."""

from datetime import datetime

from app.core import clock, database

FORM = '{"nonce":%d,"gas_limit":21000,"max_fee_raw":1,"priority_fee_raw":1,"data_fee_raw":0}'

INSERT = """
    WITH next AS (SELECT nextval('outgoing_transactions_id_seq') AS id), added AS (
        INSERT INTO outgoing_transactions (id, lineage, network, purpose, from_address, nonce, txid, signed_bytes,
            fee_cap_raw, form, status, created_at)
        SELECT id, id, $1, $2, $3::text, $4::bigint, $5, $6, 21000, $7, 'signed', $8 FROM next RETURNING id
    ), paid AS (
        INSERT INTO outgoing_payments (transaction, network, position, withdrawal, to_address, asset, amount_raw)
        SELECT id, $1, 0, $9, $10, $11, $12 FROM added
    ), claimed AS (
        INSERT INTO outgoing_claims (network, claim, transaction)
        SELECT $1, 'nonce:' || $3::text || ':' || $4::bigint, id FROM added
    )
    SELECT id FROM added
    """


async def store(
    *,
    network: str,
    to_address: str,
    asset: str,
    amount_raw: int,
    purpose: str = "withdrawal",
    withdrawal: str | None = None,
    from_address: str = "0xhot",
    nonce: int = 0,
    txid: str,
    signed_bytes: bytes = b"\x00",
    created_at: datetime | None = None,
) -> int:
    """Insert a signed transaction of one payment under a nonce. Returns its id."""
    row: int = await database.fetch_value(
        INSERT,
        network,
        purpose,
        from_address,
        nonce,
        txid,
        signed_bytes,
        FORM % nonce,
        created_at or clock.now(),
        withdrawal,
        to_address,
        asset,
        amount_raw,
    )
    return row
