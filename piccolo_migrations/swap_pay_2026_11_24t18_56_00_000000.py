"""The database defends itself: append-only books, chains that can't fork, and the indexes that reads rely on."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T18:56:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Guards and indexes"

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_heads_kept BEFORE DELETE OR TRUNCATE ON ledger_heads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

LEDGER_CHAIN = """
CREATE FUNCTION continue_ledger_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head ledger_heads;
BEGIN
    SELECT * INTO STRICT head FROM ledger_heads WHERE id = NEW.ledger FOR UPDATE;
    IF NEW.seq <> head.seq + 1
        OR NEW.prev_hash <> head.head_hash
        OR NEW.available_after_raw <> head.available_raw + NEW.available_delta_raw
        OR NEW.locked_after_raw <> head.locked_raw + NEW.locked_delta_raw
    THEN
        RAISE EXCEPTION 'the entry does not continue ledger % after seq %', NEW.ledger, head.seq
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_continues_chain';
    END IF;
    UPDATE ledger_heads
        SET seq = NEW.seq, available_raw = NEW.available_after_raw,
            locked_raw = NEW.locked_after_raw, head_hash = NEW.hash
        WHERE id = NEW.ledger;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_entry_continues_chain BEFORE INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION continue_ledger_chain();

-- Depth 1 is a statement aimed at the head itself; depth 2 comes from an entry.
CREATE FUNCTION head_follows_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'a ledger head changes by an entry alone' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_head_follows_entries BEFORE UPDATE ON ledger_heads
    FOR EACH ROW EXECUTE FUNCTION head_follows_entries();

CREATE FUNCTION head_starts_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq <> 0 OR NEW.available_raw <> 0 OR NEW.locked_raw <> 0 OR NEW.head_hash <> repeat('0', 64) THEN
        RAISE EXCEPTION 'a ledger starts empty' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_head_starts_empty BEFORE INSERT ON ledger_heads
    FOR EACH ROW EXECUTE FUNCTION head_starts_empty();
"""

ASSETS = """
ALTER TABLE ledger_heads ADD CONSTRAINT ledger_heads_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE merchant_assets ADD CONSTRAINT merchant_assets_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE invoices ADD CONSTRAINT invoices_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE deposits ADD CONSTRAINT deposits_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;
"""

INDEXES = """
CREATE UNIQUE INDEX invoices_order_id_once ON invoices (merchant, mode, order_id) WHERE holds_order_id;
CREATE INDEX invoices_newest ON invoices (merchant, mode, created_at DESC, id DESC);
CREATE INDEX invoices_by_status ON invoices (merchant, mode, status, created_at DESC, id DESC);
CREATE INDEX invoices_by_order_id ON invoices (merchant, mode, order_id, created_at DESC, id DESC)
    WHERE order_id IS NOT NULL;
CREATE INDEX invoices_by_customer_id ON invoices (merchant, mode, customer_id, created_at DESC, id DESC)
    WHERE customer_id IS NOT NULL;
CREATE INDEX invoices_by_customer_email ON invoices (merchant, mode, customer_email_hash, created_at DESC, id DESC)
    WHERE customer_email_hash IS NOT NULL;
CREATE INDEX invoices_by_address ON invoices (deposit_address, created_at DESC);
CREATE INDEX invoices_expiring ON invoices (network, expires_at) WHERE status = 'awaiting_deposit';

CREATE INDEX deposits_by_invoice ON deposits (invoice);
CREATE INDEX deposits_unsettled ON deposits (network, block_height) WHERE status = 'seen';

CREATE INDEX deposit_addresses_free ON deposit_addresses (network, available_at, id) WHERE invoice_id IS NULL;

CREATE INDEX events_unnumbered ON events (id) WHERE seq IS NULL;
CREATE INDEX events_by_age ON events (created_at);
CREATE INDEX webhook_endpoints_by_merchant ON webhook_endpoints (merchant, mode);
CREATE UNIQUE INDEX webhook_endpoints_implicit_once ON webhook_endpoints (merchant, mode, url)
    WHERE implicit AND status <> 'deleted';
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint, next_attempt_at, seq) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint, seq DESC);

CREATE INDEX api_keys_by_merchant ON api_keys (merchant);
CREATE INDEX idempotency_records_by_age ON idempotency_records (created_at);
CREATE INDEX audit_entries_by_merchant ON audit_entries (merchant_id, at DESC);
"""


class RawTable(Table):
    """Carries raw SQL for the migration."""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)

    async def run() -> None:
        for sql in (APPEND_ONLY, LEDGER_CHAIN, ASSETS, INDEXES):
            for statement in _statements(sql):
                await RawTable.raw(statement)

    manager.add_raw(run)
    return manager


def _statements(sql: str) -> list[str]:
    """Split at the semicolons that end a statement, not at those inside a `$$` body."""
    statements, inside_body, current = [], False, []
    for line in sql.splitlines():
        if line.count("$$") % 2:
            inside_body = not inside_body
        current.append(line)
        if line.rstrip().endswith(";") and not inside_body:
            statements.append("\n".join(current))
            current = []
    return statements
