"""Nobody approves what they asked for: not through a key whose secret they saw, and not as a member of the merchant."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.table import Table

ID = "2026-11-28T10:41:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "Guards against conflicts of interest, approvals counted by operator"

# What earlier versions know of holders and former members is in the audit log.
PEOPLE = [
    """
    INSERT INTO api_key_holders (api_key, account, since)
    SELECT k.id, a.id, min(e.at) FROM audit_entries e
    JOIN api_keys k ON k.id = e.subject JOIN accounts a ON 'account:' || a.id = e.actor
    WHERE e.action IN ('api_key.created', 'api_key.rotated') GROUP BY k.id, a.id
    """,
    """
    INSERT INTO former_members (merchant, account, left_at)
    SELECT m.id, a.id, e.at FROM audit_entries e
    JOIN merchants m ON m.id = e.merchant_id JOIN accounts a ON a.id = e.subject
    WHERE e.action IN ('team.removed', 'team.left')
    """,
    "CREATE INDEX former_members_by_account ON former_members (account, merchant)",
    """
    CREATE TRIGGER api_key_holders_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON api_key_holders
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER former_members_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON former_members
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE FUNCTION remember_former_member() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO former_members (merchant, account, left_at) VALUES (OLD.merchant, OLD.account, now());
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER memberships_remembered AFTER DELETE ON memberships
        FOR EACH ROW EXECUTE FUNCTION remember_former_member()
    """,
    # The hour is for clocks: `since` is written by a process of the gateway, `left_at` by Postgres.
    """
    CREATE FUNCTION belonged_since(of_merchant varchar, person varchar, since timestamptz) RETURNS boolean
        LANGUAGE sql STABLE AS $$
        SELECT EXISTS (SELECT 1 FROM memberships WHERE merchant = of_merchant AND account = person)
            OR EXISTS (SELECT 1 FROM former_members
                WHERE merchant = of_merchant AND account = person AND left_at > since - interval '1 hour')
    $$
    """,
    """
    CREATE FUNCTION withdrawal_conflict(asked withdrawals, person varchar) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT CASE
            WHEN asked.requested_by = 'account:' || person THEN 'asked'
            WHEN asked.requested_by LIKE 'api\\_key:%' AND EXISTS (
                SELECT 1 FROM api_key_holders
                WHERE api_key = substr(asked.requested_by, length('api_key:') + 1) AND account = person)
            THEN 'holds_key'
            WHEN belonged_since(asked.merchant, person, asked.created_at) THEN 'member'
        END
    $$
    """,
]

APPROVALS = [
    # What a suspended or banned merchant's own balance would pay waits; returns out of suspense go on.
    """
    CREATE OR REPLACE FUNCTION guard_approval() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        asked withdrawals;
    BEGIN
        SELECT * INTO STRICT asked FROM withdrawals WHERE id = NEW.withdrawal FOR UPDATE;
        IF asked.status <> 'pending_approval' OR asked.held OR asked.digest <> NEW.digest
            OR withdrawal_conflict(asked, NEW.account) IS NOT NULL
            OR EXISTS (SELECT 1 FROM merchants WHERE id = asked.source AND status IN ('suspended', 'banned'))
            OR NOT EXISTS (SELECT 1 FROM accounts WHERE id = NEW.account AND is_operator)
        THEN
            RAISE EXCEPTION 'withdrawal %: not to be approved by %', NEW.withdrawal, NEW.account
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION guard_withdrawal() RETURNS trigger LANGUAGE plpgsql AS $$
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
            SELECT count(DISTINCT account) INTO approved FROM approvals
                WHERE withdrawal = NEW.id AND digest = NEW.digest;
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
    # A fee bump pays nothing new: whoever joined the merchant since the first transaction does not block it.
    """
    CREATE OR REPLACE FUNCTION guard_outgoing_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        asked withdrawals;
        approved integer;
    BEGIN
        IF NEW.purpose <> 'withdrawal' THEN
            RETURN NEW;
        END IF;
        SELECT * INTO STRICT asked FROM withdrawals WHERE id = NEW.withdrawal FOR UPDATE;
        SELECT count(DISTINCT account) INTO approved FROM approvals
            WHERE withdrawal = asked.id AND digest = asked.digest
                AND (NEW.replaces IS NOT NULL OR withdrawal_conflict(asked, account) IS NULL);
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
]

REVIEWS = [
    """
    CREATE FUNCTION guard_review() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.decided_by LIKE 'account:%' AND NEW.decided_by IS DISTINCT FROM OLD.decided_by
            AND belonged_since(NEW.merchant, substr(NEW.decided_by, length('account:') + 1)::varchar, NEW.opened_at)
        THEN
            RAISE EXCEPTION 'the review of %: not to be decided by %', NEW.deposit, NEW.decided_by
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER reviews_guarded BEFORE UPDATE ON reviews
        FOR EACH ROW EXECUTE FUNCTION guard_review()
    """,
]

LETTERS = [
    # A letter that was given up may hold a link as well; nobody reads it any more.
    "UPDATE mail_outbox SET body = '' WHERE next_attempt_at IS NULL AND body <> ''",
]


class RawTable(Table):
    """Carries raw SQL for the migration."""


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="swap_pay", description=DESCRIPTION)

    async def run() -> None:
        for statement in [*PEOPLE, *APPROVALS, *REVIEWS, *LETTERS]:
            await RawTable.raw(statement)

    manager.add_raw(run)
    return manager
