"""The database guards what was signed: no nonce twice, one payout once, bytes that never change."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T19:49:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Guards of outgoing transactions"

STATEMENTS = [
    # The first transaction of a nonce; bumps form a line behind it, and one of them all is final.
    "CREATE UNIQUE INDEX outgoing_transactions_nonce_once ON outgoing_transactions (network, from_address, nonce)"
    " WHERE replaces IS NULL",
    "CREATE UNIQUE INDEX outgoing_transactions_replaced_once ON outgoing_transactions (replaces)"
    " WHERE replaces IS NOT NULL",
    "CREATE UNIQUE INDEX outgoing_transactions_final_once ON outgoing_transactions (network, from_address, nonce)"
    " WHERE status IN ('confirmed', 'reverted')",
    "CREATE UNIQUE INDEX outgoing_transactions_withdrawal_once ON outgoing_transactions (withdrawal)"
    " WHERE withdrawal IS NOT NULL AND replaces IS NULL",
    "ALTER TABLE outgoing_transactions ADD CONSTRAINT outgoing_transactions_replaces"
    " FOREIGN KEY (replaces) REFERENCES outgoing_transactions (id) ON DELETE RESTRICT ON UPDATE RESTRICT",
    """
    CREATE FUNCTION bump_keeps_nonce_and_payout() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before outgoing_transactions;
    BEGIN
        IF NEW.replaces IS NOT NULL THEN
            SELECT * INTO STRICT before FROM outgoing_transactions WHERE id = NEW.replaces;
            IF (NEW.network, NEW.purpose, NEW.withdrawal, NEW.from_address, NEW.to_address, NEW.asset, NEW.nonce)
                IS DISTINCT FROM (before.network, before.purpose, before.withdrawal, before.from_address,
                    before.to_address, before.asset, before.nonce)
            THEN
                RAISE EXCEPTION 'a bump of transaction % must keep its nonce and its payout', NEW.replaces
                    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_transactions_bump_keeps';
            END IF;
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER outgoing_transactions_bump_keeps BEFORE INSERT ON outgoing_transactions
        FOR EACH ROW EXECUTE FUNCTION bump_keeps_nonce_and_payout()
    """,
    """
    CREATE FUNCTION signed_stays_signed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.id, NEW.network, NEW.purpose, NEW.withdrawal, NEW.from_address, NEW.to_address, NEW.asset,
                NEW.amount_raw, NEW.nonce, NEW.replaces, NEW.txid, NEW.signed_bytes, NEW.gas_limit, NEW.max_fee_raw,
                NEW.priority_fee_raw, NEW.created_at)
            IS DISTINCT FROM
            (OLD.id, OLD.network, OLD.purpose, OLD.withdrawal, OLD.from_address, OLD.to_address, OLD.asset,
                OLD.amount_raw, OLD.nonce, OLD.replaces, OLD.txid, OLD.signed_bytes, OLD.gas_limit, OLD.max_fee_raw,
                OLD.priority_fee_raw, OLD.created_at)
        THEN
            RAISE EXCEPTION 'transaction %: what was signed never changes', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER outgoing_transactions_stay BEFORE UPDATE ON outgoing_transactions
        FOR EACH ROW EXECUTE FUNCTION signed_stays_signed()
    """,
    """
    CREATE TRIGGER outgoing_transactions_kept BEFORE DELETE OR TRUNCATE ON outgoing_transactions
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    "CREATE INDEX outgoing_transactions_unbooked ON outgoing_transactions (network, id)"
    " WHERE gas_cost_raw IS NOT NULL AND gas_cost_raw IS DISTINCT FROM gas_booked_raw",
    "CREATE INDEX outgoing_transactions_of_a_day ON outgoing_transactions (network, asset, created_at)"
    " WHERE purpose = 'withdrawal' AND replaces IS NULL",
    "CREATE INDEX outgoing_transactions_by_height ON outgoing_transactions (network, block_height)"
    " WHERE block_height IS NOT NULL",
    "CREATE UNIQUE INDEX hot_wallet_receipts_once ON hot_wallet_receipts (network, txid, log_index)"
    " WHERE status <> 'reversed'",
    "CREATE INDEX hot_wallet_receipts_by_height ON hot_wallet_receipts (network, block_height)"
    " WHERE status IN ('seen', 'booked')",
    "CREATE INDEX deposits_by_settlement ON deposits (network, settled_at) WHERE settled_at IS NOT NULL",
    "CREATE INDEX outgoing_transactions_by_recipient ON outgoing_transactions (to_address) WHERE purpose = 'gas'",
    "CREATE INDEX outgoing_transactions_by_sender ON outgoing_transactions (from_address)",
    "CREATE INDEX deposits_by_address ON deposits (deposit_address)",
    """
    ALTER TABLE outgoing_transactions ADD CONSTRAINT outgoing_transactions_asset
        FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT
    """,
    """
    ALTER TABLE hot_wallet_receipts ADD CONSTRAINT hot_wallet_receipts_asset
        FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT
    """,
]


class RawTable(Table):
    """Carries raw SQL for the migration."""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)

    async def run() -> None:
        for statement in STATEMENTS:
            await RawTable.raw(statement)

    manager.add_raw(run)
    return manager
