"""The database guards money on its way out: what may change, what needs whose approval, and what never ends."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-24T19:44:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Guards of withdrawals"

LEDGER = [
    # An entry that takes nothing from `available`, such as a payout settled after a reversal, may find it below zero.
    "ALTER TABLE ledger_entries DROP CONSTRAINT available_covered",
    """
    ALTER TABLE ledger_entries ADD CONSTRAINT available_covered
        CHECK (available_after_raw >= 0 OR available_delta_raw >= 0 OR kind = 'deposit_reversal')
    """,
]

WITHDRAWALS = [
    """
    CREATE FUNCTION guard_withdrawal() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        approved integer;
    BEGIN
        IF (NEW.id, NEW.kind, NEW.merchant, NEW.mode, NEW.network, NEW.asset, NEW.source, NEW.amount_raw, NEW.fee_raw,
                NEW.destination, NEW.destination_memo, NEW.requested_by, NEW.digest, NEW.approvals_required,
                NEW.created_at)
            IS DISTINCT FROM
            (OLD.id, OLD.kind, OLD.merchant, OLD.mode, OLD.network, OLD.asset, OLD.source, OLD.amount_raw, OLD.fee_raw,
                OLD.destination, OLD.destination_memo, OLD.requested_by, OLD.digest, OLD.approvals_required,
                OLD.created_at)
        THEN
            RAISE EXCEPTION 'withdrawal %: what was asked for never changes', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.status = OLD.status THEN
            RETURN NEW;
        END IF;
        IF (OLD.status, NEW.status) NOT IN (
            ('pending_approval', 'approved'), ('pending_approval', 'rejected'), ('pending_approval', 'cancelled'),
            ('approved', 'submitted'), ('approved', 'rejected'), ('approved', 'failed'),
            ('submitted', 'confirmed'), ('submitted', 'failed'))
        THEN
            RAISE EXCEPTION 'withdrawal %: % does not become %', OLD.id, OLD.status, NEW.status
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.status = 'approved' THEN
            SELECT count(*) INTO approved FROM approvals WHERE withdrawal = NEW.id AND digest = NEW.digest;
            IF approved < NEW.approvals_required THEN
                RAISE EXCEPTION 'withdrawal %: % of % approvals', OLD.id, approved, NEW.approvals_required
                    USING ERRCODE = 'restrict_violation';
            END IF;
        END IF;
        IF NEW.status IN ('rejected', 'cancelled')
            AND EXISTS (SELECT 1 FROM outgoing_transactions WHERE withdrawal = NEW.id)
        THEN
            RAISE EXCEPTION 'withdrawal %: a transaction for it is signed', OLD.id USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER withdrawals_guarded BEFORE UPDATE ON withdrawals
        FOR EACH ROW EXECUTE FUNCTION guard_withdrawal()
    """,
    """
    CREATE TRIGGER withdrawals_kept BEFORE DELETE OR TRUNCATE ON withdrawals
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE FUNCTION withdrawal_starts_pending() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.status <> 'pending_approval' THEN
            RAISE EXCEPTION 'withdrawal %: starts pending approval', NEW.id USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER withdrawals_start_pending BEFORE INSERT ON withdrawals
        FOR EACH ROW EXECUTE FUNCTION withdrawal_starts_pending()
    """,
]

APPROVALS = [
    """
    CREATE TRIGGER approvals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE FUNCTION guard_approval() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        asked withdrawals;
    BEGIN
        SELECT * INTO STRICT asked FROM withdrawals WHERE id = NEW.withdrawal FOR UPDATE;
        IF asked.status <> 'pending_approval' OR asked.held OR asked.digest <> NEW.digest
            OR asked.requested_by = 'account:' || NEW.account
            OR NOT EXISTS (SELECT 1 FROM accounts WHERE id = NEW.account AND is_operator)
        THEN
            RAISE EXCEPTION 'withdrawal %: not to be approved by %', NEW.withdrawal, NEW.account
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER approvals_guarded BEFORE INSERT ON approvals
        FOR EACH ROW EXECUTE FUNCTION guard_approval()
    """,
]

OUTGOING = [
    # The withdrawal's row stays locked until the transaction is stored: nobody takes an approval back meanwhile.
    """
    CREATE FUNCTION guard_outgoing_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        asked withdrawals;
        approved integer;
    BEGIN
        IF NEW.purpose <> 'withdrawal' THEN
            RETURN NEW;
        END IF;
        SELECT * INTO STRICT asked FROM withdrawals WHERE id = NEW.withdrawal FOR UPDATE;
        SELECT count(*) INTO approved FROM approvals WHERE withdrawal = asked.id AND digest = asked.digest;
        IF asked.status NOT IN ('approved', 'submitted') OR asked.held OR approved < asked.approvals_required THEN
            RAISE EXCEPTION 'withdrawal % is %, held: %, with % of % approvals: nothing may be sent for it',
                asked.id, asked.status, asked.held, approved, asked.approvals_required
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_transactions_approved';
        END IF;
        IF (NEW.network, NEW.asset, NEW.amount_raw) IS DISTINCT FROM (asked.network, asked.asset, asked.amount_raw) THEN
            RAISE EXCEPTION 'withdrawal %: not what was approved', asked.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_transactions_as_approved';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER outgoing_transactions_approved BEFORE INSERT ON outgoing_transactions
        FOR EACH ROW EXECUTE FUNCTION guard_outgoing_transaction()
    """,
]

INDEXES = [
    "CREATE UNIQUE INDEX withdrawal_holds_open_once ON withdrawal_holds (source, network, asset)"
    " WHERE released_at IS NULL",
    "CREATE INDEX withdrawals_by_source ON withdrawals (source, network, asset, created_at)",
    "CREATE INDEX reviews_open ON reviews (opened_at, id) WHERE status = 'open'",
    "CREATE INDEX reviews_by_invoice ON reviews (invoice)",
    "CREATE INDEX totp_attempts_by_account ON totp_attempts (account, at)",
    "CREATE INDEX refunds_by_deposit ON refunds (deposit) WHERE deposit IS NOT NULL",
    "CREATE INDEX deposits_by_transaction ON deposits (network, txid) WHERE status = 'orphaned'",
    "CREATE INDEX deposits_by_height ON deposits (network, block_height)",
]


class RawTable(Table):
    """Carries raw SQL for the migration."""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)

    async def run() -> None:
        for statement in [*LEDGER, *WITHDRAWALS, *APPROVALS, *OUTGOING, *INDEXES]:
            await RawTable.raw(statement)

    manager.add_raw(run)
    return manager
