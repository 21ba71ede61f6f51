-- The schema, table by table: each with its constraints, and below it the indexes, keys and triggers that Piccolo's
-- models can't say. Piccolo reads its own picture of the tables from these CREATE TABLE statements
-- (app/core/sql_migration.py), so a column is a name, a type and its marks, and the model's name stands behind the
-- bracket. What changes later is a migration of its own beside this one.


-- For tables whose rows are never changed or deleted.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

-- -------- Networks --------------------------------------------------------------------------------------------------

-- A symbol on a network. `contract` is null for the native coin. `decimals` never changes once used.
CREATE TABLE assets ( -- Asset
    id serial PRIMARY KEY,
    network varchar(40) NOT NULL,
    symbol varchar(20) NOT NULL,
    contract varchar(64),
    decimals integer NOT NULL,
    CONSTRAINT assets_symbol_once UNIQUE (network, symbol),
    CONSTRAINT assets_contract_once UNIQUE (network, contract),
    CONSTRAINT decimals_sane CHECK (decimals BETWEEN 0 AND 30)
);


-- -------- Accounts --------------------------------------------------------------------------------------------------

-- A person. The e-mail is kept in lower case; the TOTP secret is sealed with a data key.
CREATE TABLE accounts ( -- Account
    id varchar(20) PRIMARY KEY,
    email varchar(254) NOT NULL UNIQUE,
    name varchar(100) NOT NULL,
    password_hash text NOT NULL,
    is_operator boolean NOT NULL,
    totp_secret_sealed text,
    totp_last_counter bigint NOT NULL,
    created_at timestamptz NOT NULL,
    credentials_version integer NOT NULL DEFAULT 0
);

-- A code that was tried and was not right, or is being looked at just now (accounts/totp.py).
CREATE TABLE totp_attempts ( -- TotpAttempt
    id bigserial PRIMARY KEY,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    at timestamptz NOT NULL
);
-- How many wrong codes an account has had lately.
CREATE INDEX totp_attempts_by_account ON totp_attempts (account, at);

-- Somebody who is signed in, in one browser. The browser holds the token, we its SHA-256
-- (accounts/sessions.py).
CREATE TABLE sessions ( -- Session
    id varchar(20) PRIMARY KEY,
    token_hash bytea NOT NULL,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    code_given_at timestamptz,
    address varchar(45) NOT NULL,
    user_agent varchar(200) NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    credentials_version integer NOT NULL DEFAULT 0,
    CONSTRAINT sessions_token_once UNIQUE (token_hash)
);
-- Every session of an account ends with its credentials; what has expired is deleted.
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- A right password, and no code yet. It opens nothing but the question for the code (accounts/sign_in.py).
CREATE TABLE half_sign_ins ( -- HalfSignIn
    token_hash bytea PRIMARY KEY,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    credentials_version integer NOT NULL DEFAULT 0
);
CREATE INDEX half_sign_ins_by_account ON half_sign_ins (account);
CREATE INDEX half_sign_ins_by_end ON half_sign_ins (expires_at);

-- What the link in a letter will do, once (accounts/links.py). A sign-up has no account yet.
CREATE TABLE mailed_links ( -- MailedLink
    token_hash bytea PRIMARY KEY,
    purpose varchar(20) NOT NULL,
    account varchar(20) REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    email varchar(254) NOT NULL,
    name varchar(100),
    password_hash text,
    next_path text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    credentials_version integer NOT NULL DEFAULT 0,
    CONSTRAINT mailed_links_purpose_known CHECK ("purpose" IN ('sign_up', 'password_reset', 'email_change')),
    CONSTRAINT mailed_links_whole CHECK
        ((purpose = 'sign_up') = (account IS NULL) AND (purpose = 'sign_up') = (password_hash IS NOT NULL) AND
        (purpose = 'sign_up') = (name IS NOT NULL))
);
CREATE INDEX mailed_links_by_account ON mailed_links (account) WHERE account IS NOT NULL;
CREATE INDEX mailed_links_by_end ON mailed_links (expires_at);

-- A code that stands in for the authenticator once; used ones are deleted (accounts/recovery_codes.py).
CREATE TABLE recovery_codes ( -- RecoveryCode
    id bigserial PRIMARY KEY,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    code_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT recovery_codes_once UNIQUE (account, code_hash)
);

-- Tries used within a window. `bucket` is a keyed hash: whom it is about isn't kept (accounts/throttle.py).
CREATE TABLE throttles ( -- Throttle
    bucket bytea PRIMARY KEY,
    used integer NOT NULL,
    ends_at timestamptz NOT NULL
);
CREATE INDEX throttles_by_end ON throttles (ends_at);

-- One sending of a form of a page, and where its answer led (accounts/form_uses.py).
CREATE TABLE form_uses ( -- FormUse
    id bytea PRIMARY KEY,
    session_id varchar(20) NOT NULL,
    led_to text,
    secret_sealed text,
    created_at timestamptz NOT NULL,
    CONSTRAINT form_uses_secret_of_an_answer CHECK (secret_sealed IS NULL OR led_to IS NOT NULL)
);
-- The secret that waits for the page that shows it once.
CREATE INDEX form_uses_with_a_secret ON form_uses (session_id) WHERE secret_sealed IS NOT NULL;
CREATE INDEX form_uses_by_age ON form_uses (created_at);


-- -------- Audit log -------------------------------------------------------------------------------------------------

-- One deed. `actor` is `account:ACC-…`, `api_key:…`, `cli` or `system`; `details` is JSON, free of secrets.
CREATE TABLE audit_entries ( -- AuditEntry
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL,
    actor varchar(64) NOT NULL,
    action varchar(64) NOT NULL,
    subject varchar(64) NOT NULL,
    merchant_id varchar(20),
    address varchar(45),
    details text NOT NULL
);
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- The filters of the activity logs: of a merchant, and of the desk.
CREATE INDEX audit_entries_by_merchant ON audit_entries (merchant_id, at DESC);
CREATE INDEX audit_entries_of_merchant ON audit_entries (merchant_id, id DESC);
CREATE INDEX audit_entries_by_actor ON audit_entries (actor, id DESC);
CREATE INDEX audit_entries_by_subject ON audit_entries (subject, id DESC);
CREATE INDEX audit_entries_by_action ON audit_entries (action text_pattern_ops, id DESC);


-- -------- Letters ---------------------------------------------------------------------------------------------------

-- One letter to one person. `next_attempt_at` is null once it was sent or given up (`sent_at` tells which).
CREATE TABLE mail_outbox ( -- OutgoingMail
    id bigserial PRIMARY KEY,
    recipient varchar(254) NOT NULL,
    subject varchar(200) NOT NULL,
    body text NOT NULL,
    attempts integer NOT NULL,
    next_attempt_at timestamptz,
    last_error varchar(300),
    sent_at timestamptz,
    created_at timestamptz NOT NULL,
    body_sealed text,
    kind varchar(30),
    CONSTRAINT mail_attempts_counted CHECK (attempts >= 0)
);
CREATE INDEX mail_outbox_due ON mail_outbox (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
-- How many letters of a kind a recipient has had lately (mail/letters.py).
CREATE INDEX mail_outbox_allowance ON mail_outbox (recipient, kind, created_at) WHERE kind IS NOT NULL;


-- -------- Alerts ----------------------------------------------------------------------------------------------------

-- One thing that is wrong. `dedupe_key` names it: while an alert with it is open, it is counted, not repeated.
CREATE TABLE alerts ( -- Alert
    id bigserial PRIMARY KEY,
    severity varchar(10) NOT NULL,
    kind varchar(40) NOT NULL,
    dedupe_key varchar(200) NOT NULL,
    message text NOT NULL,
    details text NOT NULL,
    occurrences integer NOT NULL,
    raised_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by varchar(64),
    note text,
    told_at timestamptz,
    CONSTRAINT alerts_severity_known CHECK ("severity" IN ('info', 'warning', 'critical')),
    CONSTRAINT alerts_acknowledged_whole CHECK
        ((acknowledged_at IS NULL) = (acknowledged_by IS NULL) AND (acknowledged_at IS NULL) = (note IS NULL))
);
-- While an alert is open it is counted, not repeated.
CREATE UNIQUE INDEX alerts_open_once ON alerts (dedupe_key) WHERE acknowledged_at IS NULL;
CREATE INDEX alerts_open ON alerts (raised_at) WHERE acknowledged_at IS NULL;

-- An alert on its way to the operator's hook. `body` is what is posted, the same bytes at each attempt.
CREATE TABLE alert_notifications ( -- AlertNotification
    id bigserial PRIMARY KEY,
    alert bigint NOT NULL REFERENCES alerts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    notification_id uuid NOT NULL UNIQUE,
    body text NOT NULL,
    attempts integer NOT NULL,
    next_attempt_at timestamptz,
    last_error varchar(300),
    delivered_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT alert_attempts_counted CHECK (attempts >= 0)
);
CREATE INDEX alert_notifications_due ON alert_notifications (next_attempt_at) WHERE next_attempt_at IS NOT NULL;


-- -------- Merchants -------------------------------------------------------------------------------------------------

-- A business that takes payments. `service_fee_bps` is what the platform earns, in 1/10,000.
CREATE TABLE merchants ( -- Merchant
    id varchar(20) PRIMARY KEY,
    name varchar(100) NOT NULL,
    status varchar(10) NOT NULL,
    service_fee_bps integer NOT NULL,
    fee_payer varchar(10) NOT NULL,
    created_at timestamptz NOT NULL,
    tolerance_bps integer NOT NULL DEFAULT 0,
    accept_parts boolean NOT NULL DEFAULT false,
    CONSTRAINT status_known CHECK ("status" IN ('pending', 'rejected', 'approved', 'suspended', 'banned')),
    CONSTRAINT fee_payer_known CHECK ("fee_payer" IN ('merchant', 'customer')),
    CONSTRAINT fee_sane CHECK (service_fee_bps BETWEEN 0 AND 5000),
    CONSTRAINT tolerance_sane CHECK (tolerance_bps BETWEEN 0 AND 1000)
);
CREATE INDEX merchants_newest ON merchants (created_at DESC, id DESC);

-- An asset that a merchant takes, and the least and most that one invoice may ask for.
CREATE TABLE merchant_assets ( -- MerchantAsset
    id bigserial PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    enabled boolean NOT NULL,
    min_raw numeric(78,0),
    max_raw numeric(78,0),
    daily_cap_raw numeric(78,0),
    CONSTRAINT merchant_assets_asset_once UNIQUE (merchant, network, asset)
);
ALTER TABLE merchant_assets ADD CONSTRAINT merchant_assets_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;

-- An account's role at a merchant.
CREATE TABLE memberships ( -- Membership
    id bigserial PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    role varchar(10) NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT memberships_member_once UNIQUE (merchant, account),
    CONSTRAINT role_known CHECK ("role" IN ('owner', 'admin', 'developer', 'viewer'))
);
CREATE INDEX memberships_by_account ON memberships (account);

-- A membership that has ended. A trigger adds the row when the membership is deleted.
CREATE TABLE former_members ( -- FormerMember
    id bigserial PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    left_at timestamptz NOT NULL
);
CREATE TRIGGER former_members_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON former_members
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE INDEX former_members_by_account ON former_members (account, merchant);

-- Whoever leaves a merchant still has a conflict of interest in what was requested before.
CREATE FUNCTION remember_former_member() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO former_members (merchant, account, left_at) VALUES (OLD.merchant, OLD.account, now());
        RETURN NULL;
    END $$;
CREATE TRIGGER memberships_remembered AFTER DELETE ON memberships
    FOR EACH ROW EXECUTE FUNCTION remember_former_member();

-- Whether a person belonged to the merchant at or after `since`. The hour allows for clocks: `since` is written by a
-- process of the gateway, `left_at` by Postgres.
CREATE FUNCTION belonged_since(of_merchant varchar, person varchar, since timestamptz) RETURNS boolean
        LANGUAGE sql STABLE AS $$
        SELECT EXISTS (SELECT 1 FROM memberships WHERE merchant = of_merchant AND account = person)
            OR EXISTS (SELECT 1 FROM former_members
                WHERE merchant = of_merchant AND account = person AND left_at > since - interval '1 hour')
    $$;

-- What a business told of itself to be let in, and what operators said to it. At most one is pending.
CREATE TABLE merchant_applications ( -- MerchantApplication
    id bigserial PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    legal_name varchar(200) NOT NULL,
    country varchar(2) NOT NULL,
    website varchar(200) NOT NULL,
    business varchar(1000) NOT NULL,
    monthly_volume varchar(20) NOT NULL,
    status varchar(10) NOT NULL,
    submitted_by varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    submitted_at timestamptz NOT NULL,
    decided_by varchar(64),
    decided_at timestamptz,
    reason varchar(500),
    CONSTRAINT merchant_applications_status_known CHECK ("status" IN ('pending', 'approved', 'rejected')),
    CONSTRAINT merchant_applications_decided_whole CHECK
        ((status = 'pending') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT merchant_applications_rejected_why CHECK (status <> 'rejected' OR reason IS NOT NULL)
);
CREATE UNIQUE INDEX merchant_applications_pending_once ON merchant_applications (merchant) WHERE status = 'pending';
CREATE INDEX merchant_applications_by_merchant ON merchant_applications (merchant, id DESC);
-- How many applications an account has waiting is bounded (merchants/applications.py).
CREATE INDEX merchant_applications_by_account ON merchant_applications (submitted_by) WHERE status = 'pending';

-- An offer of a role to whoever reads mail at an address. The letter has the token; here is its SHA-256.
CREATE TABLE merchant_invitations ( -- Invitation
    id bigserial PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    email varchar(254) NOT NULL,
    role varchar(10) NOT NULL,
    token_hash bytea NOT NULL,
    invited_by varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by varchar(20) REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    withdrawn_at timestamptz,
    CONSTRAINT merchant_invitations_token_once UNIQUE (token_hash),
    CONSTRAINT merchant_invitations_role_known CHECK ("role" IN ('owner', 'admin', 'developer', 'viewer')),
    CONSTRAINT merchant_invitations_accepted_whole CHECK ((accepted_at IS NULL) = (accepted_by IS NULL)),
    CONSTRAINT merchant_invitations_ended_once CHECK (accepted_at IS NULL OR withdrawn_at IS NULL)
);
CREATE UNIQUE INDEX merchant_invitations_open_once ON merchant_invitations (merchant, email)
    WHERE accepted_at IS NULL AND withdrawn_at IS NULL;

-- How a merchant's pages for customers look (merchants/branding.py). No row, or a null, is our own look.
CREATE TABLE merchant_branding ( -- MerchantBranding
    merchant varchar(20) PRIMARY KEY REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    display_name varchar(60),
    accent varchar(7),
    logo bytea,
    logo_type varchar(10),
    logo_digest bytea,
    updated_at timestamptz NOT NULL,
    CONSTRAINT merchant_branding_accent_is_a_colour CHECK (accent ~ '^#[0-9a-f]{6}$'),
    CONSTRAINT merchant_branding_logo_whole CHECK
        ((logo IS NULL) = (logo_type IS NULL) AND (logo IS NULL) = (logo_digest IS NULL)),
    CONSTRAINT merchant_branding_logo_known CHECK (logo_type IN ('image/png', 'image/jpeg', 'image/webp')),
    CONSTRAINT merchant_branding_logo_small CHECK (octet_length(logo) <= 100000)
);

-- Something that operators have paused for all merchants. No row means that it runs.
CREATE TABLE switches ( -- Switch
    name varchar(20) PRIMARY KEY,
    paused_at timestamptz NOT NULL,
    reason text NOT NULL,
    CONSTRAINT name_known CHECK ("name" IN ('invoices', 'payouts', 'refunds'))
);


-- -------- API keys --------------------------------------------------------------------------------------------------

-- One key of a merchant in one mode. After a rotation the previous secret holds until its grace ends.
CREATE TABLE api_keys ( -- ApiKey
    id varchar(20) PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    mode varchar(4) NOT NULL,
    name varchar(100) NOT NULL,
    scopes varchar(20)[] NOT NULL,
    allowlist varchar(43)[] NOT NULL,
    rate_limit_per_minute integer NOT NULL,
    secret_hash bytea NOT NULL,
    pepper_version integer NOT NULL,
    previous_secret_hash bytea,
    previous_pepper_version integer,
    previous_valid_until timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    failed_attempts integer NOT NULL,
    attempt_series integer NOT NULL DEFAULT 0,
    locked_until timestamptz,
    last_used_at timestamptz,
    last_used_address varchar(45),
    created_at timestamptz NOT NULL,
    CONSTRAINT mode_known CHECK ("mode" IN ('live', 'test')),
    CONSTRAINT rate_positive CHECK (rate_limit_per_minute > 0),
    CONSTRAINT attempts_counted CHECK (failed_attempts >= 0)
);
CREATE INDEX api_keys_by_merchant ON api_keys (merchant);

-- A person to whom a secret of the key was shown: who made or rotated it. Rows are only ever added.
CREATE TABLE api_key_holders ( -- KeyHolder
    id bigserial PRIMARY KEY,
    api_key varchar(20) NOT NULL REFERENCES api_keys (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    since timestamptz NOT NULL,
    CONSTRAINT api_key_holders_once UNIQUE (api_key, account)
);
CREATE TRIGGER api_key_holders_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON api_key_holders
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Rows that an attempt on an unknown key id writes to, so that it costs what one on a known id costs.
CREATE TABLE api_key_decoys ( -- KeyDecoy
    id integer PRIMARY KEY,
    attempts bigint NOT NULL
);


-- -------- What faces share ------------------------------------------------------------------------------------------

-- The answer to a creation, written in the transaction that made the resource.
CREATE TABLE idempotency_records ( -- IdempotencyRecord
    id bytea PRIMARY KEY,
    merchant_id varchar(20) NOT NULL,
    request_hash bytea NOT NULL,
    status smallint NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX idempotency_records_by_age ON idempotency_records (created_at);


-- -------- Ledger ----------------------------------------------------------------------------------------------------

-- Where a chain stands. `owner` is a merchant's id or `platform:fees|treasury|suspense`.
CREATE TABLE ledger_heads ( -- LedgerHead
    id bigserial PRIMARY KEY,
    owner varchar(20) NOT NULL,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    seq bigint NOT NULL,
    available_raw numeric(78,0) NOT NULL,
    locked_raw numeric(78,0) NOT NULL,
    head_hash varchar(64) NOT NULL,
    CONSTRAINT ledger_heads_chain_once UNIQUE (owner, network, asset),
    CONSTRAINT seq_counts CHECK (seq >= 0),
    CONSTRAINT locked_not_negative CHECK (locked_raw >= 0)
);
ALTER TABLE ledger_heads ADD CONSTRAINT ledger_heads_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;
CREATE TRIGGER ledger_heads_kept BEFORE DELETE OR TRUNCATE ON ledger_heads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION head_starts_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.seq <> 0 OR NEW.available_raw <> 0 OR NEW.locked_raw <> 0 OR NEW.head_hash <> repeat('0', 64) THEN
        RAISE EXCEPTION 'a ledger starts empty' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_head_starts_empty BEFORE INSERT ON ledger_heads
    FOR EACH ROW EXECUTE FUNCTION head_starts_empty();

-- A head changes by an entry alone. Depth 1 is a statement aimed at the head itself; depth 2 comes from an entry.
CREATE FUNCTION head_follows_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'a ledger head changes by an entry alone' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_head_follows_entries BEFORE UPDATE ON ledger_heads
    FOR EACH ROW EXECUTE FUNCTION head_follows_entries();

-- One movement. Everything but `id` and `ledger` is hashed (docs/ledger.md).
CREATE TABLE ledger_entries ( -- LedgerEntry
    id bigserial PRIMARY KEY,
    ledger bigint NOT NULL REFERENCES ledger_heads (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    seq bigint NOT NULL,
    kind varchar(30) NOT NULL,
    available_delta_raw numeric(78,0) NOT NULL,
    locked_delta_raw numeric(78,0) NOT NULL,
    available_after_raw numeric(78,0) NOT NULL,
    locked_after_raw numeric(78,0) NOT NULL,
    reference_type varchar(20) NOT NULL,
    reference_id varchar(40) NOT NULL,
    created_at timestamptz NOT NULL,
    prev_hash varchar(64) NOT NULL,
    hash varchar(64) NOT NULL,
    CONSTRAINT ledger_entries_seq_once UNIQUE (ledger, seq),
    CONSTRAINT ledger_entries_fact_once UNIQUE (ledger, kind, reference_type, reference_id),
    CONSTRAINT moves_something CHECK (available_delta_raw <> 0 OR locked_delta_raw <> 0),
    CONSTRAINT locked_covered CHECK (locked_after_raw >= 0),
    CONSTRAINT available_covered CHECK
        (available_after_raw >= 0 OR available_delta_raw >= 0 OR kind = 'deposit_reversal')
);
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE INDEX ledger_entries_by_reference ON ledger_entries (reference_id, reference_type);

-- An entry continues its chain and moves its head; two writers of one ledger take turns at the head's row.
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

-- A public key that has signed checkpoints. It stays published after its seed has left the settings.
CREATE TABLE checkpoint_keys ( -- CheckpointKey
    id varchar(20) PRIMARY KEY,
    public_key bytea NOT NULL,
    first_used_at timestamptz NOT NULL
);
CREATE TRIGGER checkpoint_keys_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoint_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A signed Merkle root over the heads of all ledgers. `document` is the canonical JSON that was signed.
CREATE TABLE ledger_checkpoints ( -- LedgerCheckpoint
    number bigint NOT NULL,
    key varchar(20) NOT NULL REFERENCES checkpoint_keys (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    created_at timestamptz NOT NULL,
    ledgers integer NOT NULL,
    root varchar(64) NOT NULL,
    hash varchar(64) NOT NULL,
    document text NOT NULL,
    signature bytea NOT NULL,
    id bigserial PRIMARY KEY,
    CONSTRAINT ledger_checkpoints_number_once UNIQUE (number)
);
CREATE TRIGGER ledger_checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Where a ledger stood in a checkpoint. Only where it had moved since the one before: a checkpoint's leaf of a
-- ledger is the newest row whose `checkpoint` is not above its number.
CREATE TABLE ledger_checkpoint_leaves ( -- CheckpointLeaf
    id bigserial PRIMARY KEY,
    checkpoint bigint NOT NULL,
    ledger bigint NOT NULL REFERENCES ledger_heads (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    seq bigint NOT NULL,
    available_raw numeric(78,0) NOT NULL,
    locked_raw numeric(78,0) NOT NULL,
    head_hash varchar(64) NOT NULL,
    CONSTRAINT ledger_checkpoint_leaves_once UNIQUE (ledger, checkpoint)
);
CREATE TRIGGER ledger_checkpoint_leaves_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoint_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();


-- -------- Events ----------------------------------------------------------------------------------------------------

-- Something that happened to a merchant.
CREATE TABLE events ( -- Event
    id bigserial PRIMARY KEY,
    event_id uuid NOT NULL UNIQUE,
    merchant_id varchar(20) NOT NULL,
    mode varchar(4) NOT NULL,
    type varchar(40) NOT NULL,
    subject_id varchar(20) NOT NULL,
    data text NOT NULL,
    override_url varchar(2048),
    only_endpoint varchar(20),
    created_at timestamptz NOT NULL,
    seq bigint,
    body text,
    CONSTRAINT events_seq_once UNIQUE (merchant_id, mode, seq),
    CONSTRAINT addressed_once CHECK (override_url IS NULL OR only_endpoint IS NULL),
    CONSTRAINT numbered_whole CHECK ((seq IS NULL) = (body IS NULL))
);
CREATE INDEX events_unnumbered ON events (id) WHERE seq IS NULL;
CREATE INDEX events_by_age ON events (created_at);
-- The timeline of an invoice or a payout.
CREATE INDEX events_by_subject ON events (subject_id);
CREATE INDEX events_only_endpoint ON events (only_endpoint) WHERE only_endpoint IS NOT NULL;

-- The last number given to an event of a merchant in a mode.
CREATE TABLE event_heads ( -- EventHead
    id bigserial PRIMARY KEY,
    merchant_id varchar(20) NOT NULL,
    mode varchar(4) NOT NULL,
    last_seq bigint NOT NULL,
    CONSTRAINT event_heads_once UNIQUE (merchant_id, mode)
);


-- -------- Webhooks --------------------------------------------------------------------------------------------------

-- A URL of a merchant in a mode. `implicit` ones were made by an invoice's `webhook_url`.
CREATE TABLE webhook_endpoints ( -- WebhookEndpoint
    id varchar(20) PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    mode varchar(4) NOT NULL,
    url varchar(2048) NOT NULL,
    description varchar(500) NOT NULL,
    event_types varchar(40)[] NOT NULL,
    implicit boolean NOT NULL,
    status varchar(10) NOT NULL,
    secret_sealed text NOT NULL,
    previous_secret_sealed text,
    previous_secret_until timestamptz,
    status_reason varchar(10),
    status_since timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT mode_known CHECK ("mode" IN ('live', 'test')),
    CONSTRAINT status_known CHECK ("status" IN ('enabled', 'paused', 'disabled', 'deleted'))
);
-- `events` is a noun below this one, so its model has no such key.
ALTER TABLE events ADD CONSTRAINT events_only_endpoint
    FOREIGN KEY (only_endpoint) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT ON UPDATE RESTRICT;
-- Explicit endpoints are few; implicit ones may be one an invoice, and are found by their URL alone.
CREATE INDEX webhook_endpoints_explicit ON webhook_endpoints (merchant, mode, created_at, id)
    WHERE NOT implicit AND status <> 'deleted';
CREATE INDEX webhook_endpoints_implicit ON webhook_endpoints (merchant, mode, created_at, id)
    WHERE implicit AND status <> 'deleted';
CREATE UNIQUE INDEX webhook_endpoints_implicit_once ON webhook_endpoints (merchant, mode, url)
    WHERE implicit AND status <> 'deleted';

-- What one endpoint has waiting, in one narrow row that everybody locks who moves its deliveries.
CREATE TABLE webhook_queues ( -- WebhookQueue
    endpoint varchar(20) PRIMARY KEY,
    last_seq bigint NOT NULL,
    due_at timestamptz,
    consecutive_failures integer NOT NULL,
    ordered_through_seq bigint NOT NULL,
    CONSTRAINT failures_counted CHECK (consecutive_failures >= 0)
);
ALTER TABLE webhook_queues ADD CONSTRAINT webhook_queues_endpoint
    FOREIGN KEY (endpoint) REFERENCES webhook_endpoints (id) ON DELETE RESTRICT ON UPDATE RESTRICT;
-- Due endpoints, the healthy and the failing apart, so that neither is read to find the other.
CREATE INDEX webhook_queues_due ON webhook_queues (due_at) WHERE consecutive_failures = 0;
CREATE INDEX webhook_queues_due_failing ON webhook_queues (due_at) WHERE consecutive_failures > 0;
-- Each delivery moves its queue's row: clean up after every few thousand, however large the table.
ALTER TABLE webhook_queues SET
    (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, fillfactor = 70);

-- One event for one endpoint. `claimed_until` is a worker's lease; past it another may take the row.
CREATE TABLE webhook_deliveries ( -- WebhookDelivery
    id bigserial PRIMARY KEY,
    event bigint NOT NULL REFERENCES events (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    endpoint varchar(20) NOT NULL REFERENCES webhook_endpoints (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    merchant_id varchar(20) NOT NULL,
    seq bigint NOT NULL,
    previous_seq bigint NOT NULL,
    status varchar(10) NOT NULL,
    attempts integer NOT NULL,
    step integer NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    claimed_until timestamptz,
    delivered_at timestamptz,
    created_at timestamptz NOT NULL,
    CONSTRAINT status_known CHECK ("status" IN ('pending', 'delivered', 'dead')),
    CONSTRAINT webhook_deliveries_once UNIQUE (event, endpoint)
);
-- What an endpoint has due, what is being sent to it, and its log.
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint, next_attempt_at, seq)
    WHERE status = 'pending' AND claimed_until IS NULL;
CREATE INDEX webhook_deliveries_claimed ON webhook_deliveries (endpoint, claimed_until)
    WHERE status = 'pending' AND claimed_until IS NOT NULL;
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint, seq DESC);

-- What came of one attempt. `response_excerpt` is at most 4 KiB of the answer.
CREATE TABLE webhook_attempts ( -- WebhookAttempt
    id bigserial PRIMARY KEY,
    delivery bigint NOT NULL REFERENCES webhook_deliveries (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    number integer NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    response_status integer,
    error varchar(30),
    detail varchar(300) NOT NULL,
    response_excerpt bytea NOT NULL,
    next_attempt_at timestamptz,
    CONSTRAINT webhook_attempts_number_once UNIQUE (delivery, number)
);


-- -------- Addresses -------------------------------------------------------------------------------------------------

-- One address of a network's pool.
CREATE TABLE deposit_addresses ( -- DepositAddress
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    derivation_index integer NOT NULL,
    address varchar(100) NOT NULL,
    lease_count integer NOT NULL,
    invoice_id varchar(20),
    reserved_by varchar(32),
    reserved_until timestamptz,
    available_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT deposit_addresses_address_once UNIQUE (network, address),
    CONSTRAINT deposit_addresses_index_once UNIQUE (network, derivation_index),
    CONSTRAINT index_sane CHECK (derivation_index >= 0)
);
CREATE INDEX deposit_addresses_free ON deposit_addresses (network, available_at, id) WHERE invoice_id IS NULL;


-- -------- Invoices --------------------------------------------------------------------------------------------------

-- A request for one exact payment.
CREATE TABLE invoices ( -- Invoice
    id varchar(20) PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    mode varchar(4) NOT NULL,
    status varchar(20) NOT NULL,
    needs_review boolean NOT NULL,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    service_fee_bps integer NOT NULL,
    service_fee_raw numeric(78,0) NOT NULL,
    fee_payer varchar(10) NOT NULL,
    cent_tail integer NOT NULL,
    pay_in_raw numeric(78,0) NOT NULL,
    net_raw numeric(78,0) NOT NULL,
    deposit_address bigint NOT NULL REFERENCES deposit_addresses (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    address varchar(100) NOT NULL,
    confirmations_required integer NOT NULL,
    received_raw numeric(78,0) NOT NULL,
    credited_raw numeric(78,0),
    refunded_raw numeric(78,0) NOT NULL DEFAULT 0,
    description varchar(500),
    order_id varchar(100),
    holds_order_id boolean NOT NULL,
    customer_id varchar(100),
    customer_email_hash bytea,
    success_url varchar(2048),
    fail_url varchar(2048),
    webhook_url varchar(2048),
    metadata text NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    paid_at timestamptz,
    accept_parts boolean NOT NULL DEFAULT false,
    CONSTRAINT status_known CHECK
        ("status" IN ('awaiting_deposit', 'confirming', 'paid', 'partially_refunded', 'refunded', 'expired',
        'cancelled', 'manual_review', 'closed')),
    CONSTRAINT fee_payer_known CHECK ("fee_payer" IN ('merchant', 'customer')),
    CONSTRAINT amounts_add_up CHECK
        (amount_raw > 0 AND service_fee_raw >= 0 AND net_raw = pay_in_raw - service_fee_raw),
    CONSTRAINT tail_in_range CHECK (cent_tail BETWEEN 0 AND 99),
    CONSTRAINT received_not_negative CHECK (received_raw >= 0),
    CONSTRAINT refunded_not_negative CHECK (refunded_raw >= 0)
);
ALTER TABLE invoices ADD CONSTRAINT invoices_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;
-- The merchant's own number pays once: a second invoice with it is refused while the first can still be paid.
CREATE UNIQUE INDEX invoices_order_id_once ON invoices (merchant, mode, order_id) WHERE holds_order_id;
-- The filters of the list, each in the list's order.
CREATE INDEX invoices_newest ON invoices (merchant, mode, created_at DESC, id DESC);
CREATE INDEX invoices_by_status ON invoices (merchant, mode, status, created_at DESC, id DESC);
CREATE INDEX invoices_by_order_id ON invoices (merchant, mode, order_id, created_at DESC, id DESC)
    WHERE order_id IS NOT NULL;
CREATE INDEX invoices_by_customer_id ON invoices (merchant, mode, customer_id, created_at DESC, id DESC)
    WHERE customer_id IS NOT NULL;
CREATE INDEX invoices_by_customer_email ON invoices (merchant, mode, customer_email_hash, created_at DESC, id DESC)
    WHERE customer_email_hash IS NOT NULL;
-- Whose invoice a deposit is, and what expires next.
CREATE INDEX invoices_by_address ON invoices (deposit_address, created_at DESC);
CREATE INDEX invoices_expiring ON invoices (network, expires_at) WHERE status = 'awaiting_deposit';


-- -------- Deposits --------------------------------------------------------------------------------------------------

-- How far a network has been read. `covered_until`: every block older than this has been scanned.
CREATE TABLE network_cursors ( -- NetworkCursor
    network varchar(40) PRIMARY KEY,
    chain_id bigint NOT NULL,
    start_height bigint NOT NULL,
    scanned_height bigint NOT NULL,
    head_height bigint NOT NULL,
    covered_until timestamptz NOT NULL,
    checked_at timestamptz NOT NULL,
    halted_reason text,
    proven_height bigint NOT NULL DEFAULT -1
);

-- Proof of coverage: one row per block read on the present chain, each the child of the one below.
CREATE TABLE scanned_blocks ( -- ScannedBlock
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    height bigint NOT NULL,
    hash varchar(80) NOT NULL,
    parent_hash varchar(80) NOT NULL,
    block_time timestamptz NOT NULL,
    CONSTRAINT scanned_blocks_height_once UNIQUE (network, height)
);

-- One transfer to one of our addresses, identified by (network, txid, log_index).
CREATE TABLE deposits ( -- Deposit
    id varchar(20) PRIMARY KEY,
    network varchar(40) NOT NULL,
    txid varchar(80) NOT NULL,
    log_index integer NOT NULL,
    asset varchar(20) NOT NULL,
    deposit_address bigint NOT NULL REFERENCES deposit_addresses (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    from_address varchar(100) NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    block_height bigint NOT NULL,
    block_hash varchar(80) NOT NULL,
    block_time timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    status varchar(10) NOT NULL,
    verdict varchar(20) NOT NULL,
    invoice varchar(20) REFERENCES invoices (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    settled_at timestamptz,
    times_reversed integer NOT NULL DEFAULT 0,
    orphaned_at timestamptz,
    made_at timestamptz,
    CONSTRAINT deposits_identity_once UNIQUE (network, txid, log_index),
    CONSTRAINT status_known CHECK ("status" IN ('seen', 'orphaned', 'credited', 'suspended')),
    CONSTRAINT verdict_known CHECK
        ("verdict" IN ('exact', 'part', 'dust', 'underpaid', 'overpaid', 'late', 'cancelled', 'second', 'wrong_asset',
        'in_review', 'unknown')),
    CONSTRAINT settled_known CHECK ((settled_at IS NOT NULL) = (status IN ('credited', 'suspended'))),
    CONSTRAINT amount_positive CHECK (amount_raw > 0)
);
ALTER TABLE deposits ADD CONSTRAINT deposits_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;
CREATE INDEX deposits_by_invoice ON deposits (invoice);
CREATE INDEX deposits_by_address ON deposits (deposit_address);
-- What the watcher asks at each block: not booked yet, at a height that was reorganised, come back from an orphan.
CREATE INDEX deposits_unsettled ON deposits (network, block_height) WHERE status = 'seen';
CREATE INDEX deposits_by_height ON deposits (network, block_height);
CREATE INDEX deposits_by_transaction ON deposits (network, txid) WHERE status = 'orphaned';
CREATE INDEX deposits_by_settlement ON deposits (network, settled_at) WHERE settled_at IS NOT NULL;
-- The parts that wait for the rest are few, and the watcher looks at them at each tick. A credited part is `exact`.
CREATE INDEX deposits_parts ON deposits (network, invoice) WHERE verdict = 'part';
-- The desk counts and sums dust by asset; there may be much of it.
CREATE INDEX deposits_dust ON deposits (network, asset) INCLUDE (amount_raw)
    WHERE verdict = 'dust' AND status <> 'orphaned';

-- A case for an operator: a deposit that did not simply pay its invoice, or that has none.
CREATE TABLE reviews ( -- Review
    id bigserial PRIMARY KEY,
    deposit varchar(20) NOT NULL REFERENCES deposits (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    invoice varchar(20) REFERENCES invoices (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    merchant varchar(20) REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    verdict varchar(20) NOT NULL,
    facts text NOT NULL,
    status varchar(10) NOT NULL,
    outcome varchar(10),
    reason text,
    refund_id varchar(20),
    opened_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by varchar(64),
    CONSTRAINT reviews_deposit_once UNIQUE (deposit),
    CONSTRAINT reviews_status_known CHECK ("status" IN ('open', 'returning', 'closed')),
    CONSTRAINT reviews_outcome_known CHECK ("outcome" IN ('credited', 'returned', 'closed')),
    CONSTRAINT reviews_decided_whole CHECK
        ((status = 'open') = (outcome IS NULL) AND (status = 'open') = (reason IS NULL) AND (status = 'open') =
        (decided_at IS NULL) AND (status = 'open') = (decided_by IS NULL)),
    CONSTRAINT reviews_returning_what CHECK (status <> 'returning' OR refund_id IS NOT NULL)
);
CREATE INDEX reviews_open ON reviews (opened_at, id) WHERE status = 'open';
CREATE INDEX reviews_by_invoice ON reviews (invoice);
CREATE INDEX reviews_newest ON reviews (opened_at DESC, id DESC);

-- An operator who belongs to the merchant, or did when the review was opened, decides nothing about its money.
CREATE FUNCTION guard_review() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.decided_by LIKE 'account:%' AND NEW.decided_by IS DISTINCT FROM OLD.decided_by
            AND belonged_since(NEW.merchant, substr(NEW.decided_by, length('account:') + 1)::varchar, NEW.opened_at)
        THEN
            RAISE EXCEPTION 'the review of %: not to be decided by %', NEW.deposit, NEW.decided_by
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER reviews_guarded BEFORE UPDATE ON reviews FOR EACH ROW EXECUTE FUNCTION guard_review();


-- -------- Withdrawals and the signer --------------------------------------------------------------------------------

-- A payout or a refund: `id` is its public id. Amount, fee and destination never change once it is there.
CREATE TABLE withdrawals ( -- Withdrawal
    id varchar(20) PRIMARY KEY,
    kind varchar(10) NOT NULL,
    merchant varchar(20) REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    mode varchar(4) NOT NULL,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    source varchar(20) NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    fee_raw numeric(78,0) NOT NULL,
    destination varchar(100) NOT NULL,
    destination_memo varchar(100),
    status varchar(20) NOT NULL,
    held boolean NOT NULL,
    waiting_reason varchar(200),
    requested_by varchar(64) NOT NULL,
    digest bytea NOT NULL,
    approvals_required integer NOT NULL,
    decision_reason text,
    created_at timestamptz NOT NULL,
    approved_at timestamptz,
    submitted_at timestamptz,
    settled_at timestamptz,
    CONSTRAINT withdrawals_kind_known CHECK ("kind" IN ('payout', 'refund')),
    CONSTRAINT withdrawals_status_known CHECK
        ("status" IN ('pending_approval', 'approved', 'submitted', 'confirmed', 'rejected', 'failed', 'cancelled')),
    CONSTRAINT withdrawals_amounts_sane CHECK (amount_raw > 0 AND fee_raw >= 0),
    CONSTRAINT withdrawals_approvals_sane CHECK (approvals_required BETWEEN 1 AND 2),
    CONSTRAINT withdrawals_merchant_known CHECK (merchant IS NOT NULL OR source = 'platform:suspense')
);
CREATE INDEX withdrawals_newest ON withdrawals (merchant, mode, kind, created_at DESC, id DESC);
CREATE INDEX withdrawals_all_newest ON withdrawals (created_at DESC, id DESC);
CREATE INDEX withdrawals_open ON withdrawals (network, status, created_at)
    WHERE status IN ('pending_approval', 'approved', 'submitted');
CREATE INDEX withdrawals_by_source ON withdrawals (source, network, asset, created_at);
CREATE INDEX withdrawals_by_destination ON withdrawals (network, destination, created_at);

CREATE TRIGGER withdrawals_kept BEFORE DELETE OR TRUNCATE ON withdrawals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE FUNCTION withdrawal_starts_pending() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.status <> 'pending_approval' THEN
            RAISE EXCEPTION 'withdrawal %: starts pending approval', NEW.id USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER withdrawals_start_pending BEFORE INSERT ON withdrawals
    FOR EACH ROW EXECUTE FUNCTION withdrawal_starts_pending();

-- What was requested never changes; the status follows the table of transitions (withdrawals/states.py), is approved
-- only with enough approvals of this digest by different people, and is not taken back once something is signed.
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
    END $$;
CREATE TRIGGER withdrawals_guarded BEFORE UPDATE ON withdrawals FOR EACH ROW EXECUTE FUNCTION guard_withdrawal();

-- Why a person may not approve a withdrawal, or NULL: requested it, was shown the secret of the key that did, or
-- belongs or has belonged to the merchant. The desk, the guard of approvals and the signer ask this one function.
CREATE FUNCTION withdrawal_conflict(asked withdrawals, person varchar) RETURNS text LANGUAGE sql STABLE AS $$
        SELECT CASE
            WHEN asked.requested_by = 'account:' || person THEN 'asked'
            WHEN asked.requested_by LIKE 'api\_key:%' AND EXISTS (
                SELECT 1 FROM api_key_holders
                WHERE api_key = substr(asked.requested_by, length('api_key:') + 1) AND account = person)
            THEN 'holds_key'
            WHEN belonged_since(asked.merchant, person, asked.created_at) THEN 'member'
        END
    $$;

-- Nothing that this ledger pays in this asset is sent, until an operator releases the hold.
CREATE TABLE withdrawal_holds ( -- WithdrawalHold
    id bigserial PRIMARY KEY,
    source varchar(20) NOT NULL,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    reason text NOT NULL,
    placed_at timestamptz NOT NULL,
    released_at timestamptz,
    released_by varchar(64),
    release_reason text,
    CONSTRAINT withdrawal_holds_released_whole CHECK
        ((released_at IS NULL) = (released_by IS NULL) AND (released_at IS NULL) = (release_reason IS NULL))
);
CREATE UNIQUE INDEX withdrawal_holds_open_once ON withdrawal_holds (source, network, asset) WHERE released_at IS NULL;

-- One operator's approval of one withdrawal, of just these bytes. Rows are only ever added.
CREATE TABLE approvals ( -- Approval
    id bigserial PRIMARY KEY,
    withdrawal varchar(20) NOT NULL REFERENCES withdrawals (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    digest bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT approvals_once UNIQUE (withdrawal, account)
);
CREATE TRIGGER approvals_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approvals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An approval is of the digest that is stored, by an operator without a conflict of interest. What a suspended or
-- banned merchant's own balance would pay waits; refunds out of suspense go on.
CREATE FUNCTION guard_approval() RETURNS trigger LANGUAGE plpgsql AS $$
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
    END $$;
CREATE TRIGGER approvals_guarded BEFORE INSERT ON approvals FOR EACH ROW EXECUTE FUNCTION guard_approval();

-- The next nonce of an address that we send from: locked by whoever signs.
CREATE TABLE wallet_nonces ( -- WalletNonce
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    address varchar(100) NOT NULL,
    next_nonce bigint NOT NULL,
    CONSTRAINT wallet_nonces_once UNIQUE (network, address)
);

-- A signed transaction, stored before it is sent. What is sent again is `signed_bytes`, those same bytes.
CREATE TABLE outgoing_transactions ( -- OutgoingTransaction
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    purpose varchar(12) NOT NULL,
    withdrawal varchar(20) REFERENCES withdrawals (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    from_address varchar(100) NOT NULL,
    to_address varchar(100) NOT NULL,
    asset varchar(20) NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    nonce bigint NOT NULL,
    replaces bigint,
    txid varchar(80) NOT NULL,
    signed_bytes bytea NOT NULL,
    gas_limit bigint NOT NULL,
    max_fee_raw numeric(78,0) NOT NULL,
    priority_fee_raw numeric(78,0) NOT NULL,
    status varchar(10) NOT NULL,
    block_height bigint,
    block_hash varchar(80),
    gas_cost_raw numeric(78,0),
    gas_booked_raw numeric(78,0),
    created_at timestamptz NOT NULL,
    submitted_at timestamptz,
    settled_at timestamptz,
    data_fee_raw numeric(78,0) NOT NULL DEFAULT 0,
    CONSTRAINT outgoing_transactions_txid_once UNIQUE (network, txid),
    CONSTRAINT outgoing_transactions_purpose_known CHECK ("purpose" IN ('withdrawal', 'sweep', 'gas')),
    CONSTRAINT outgoing_transactions_status_known CHECK
        ("status" IN ('signed', 'submitted', 'confirmed', 'reverted', 'replaced')),
    CONSTRAINT outgoing_transactions_purpose_whole CHECK ((purpose = 'withdrawal') = (withdrawal IS NOT NULL))
);
ALTER TABLE outgoing_transactions ADD CONSTRAINT outgoing_transactions_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;
ALTER TABLE outgoing_transactions ADD CONSTRAINT outgoing_transactions_replaces
    FOREIGN KEY (replaces) REFERENCES outgoing_transactions (id) ON DELETE RESTRICT ON UPDATE RESTRICT;
-- One first transaction for a nonce and for a withdrawal; each is replaced at most once by a fee bump, and of all with
-- one nonce at most one is final.
CREATE UNIQUE INDEX outgoing_transactions_nonce_once ON outgoing_transactions (network, from_address, nonce)
    WHERE replaces IS NULL;
CREATE UNIQUE INDEX outgoing_transactions_withdrawal_once ON outgoing_transactions (withdrawal)
    WHERE withdrawal IS NOT NULL AND replaces IS NULL;
CREATE UNIQUE INDEX outgoing_transactions_replaced_once ON outgoing_transactions (replaces) WHERE replaces IS NOT NULL;
CREATE UNIQUE INDEX outgoing_transactions_final_once ON outgoing_transactions (network, from_address, nonce)
    WHERE status IN ('confirmed', 'reverted');
-- What the signer asks at each turn: under way, gas not booked, sent within a day, at a height that was reorganised.
CREATE INDEX outgoing_transactions_open ON outgoing_transactions (network, from_address, nonce)
    WHERE status IN ('signed', 'submitted');
CREATE INDEX outgoing_transactions_unbooked ON outgoing_transactions (network, id)
    WHERE gas_cost_raw IS NOT NULL AND gas_cost_raw IS DISTINCT FROM gas_booked_raw;
CREATE INDEX outgoing_transactions_of_a_day ON outgoing_transactions (network, asset, created_at)
    WHERE purpose = 'withdrawal' AND replaces IS NULL;
CREATE INDEX outgoing_transactions_by_height ON outgoing_transactions (network, block_height)
    WHERE block_height IS NOT NULL;
CREATE INDEX outgoing_transactions_by_withdrawal ON outgoing_transactions (withdrawal);
CREATE INDEX outgoing_transactions_by_recipient ON outgoing_transactions (to_address) WHERE purpose = 'gas';
CREATE INDEX outgoing_transactions_by_sender ON outgoing_transactions (from_address);

CREATE TRIGGER outgoing_transactions_kept BEFORE DELETE OR TRUNCATE ON outgoing_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Nothing is signed for a withdrawal without its approvals. Its row stays locked until the transaction is stored, so
-- that no approval is taken back meanwhile. A fee bump pays nothing new: who joined the merchant since the first
-- transaction does not block it.
CREATE FUNCTION guard_outgoing_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
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
    END $$;
CREATE TRIGGER outgoing_transactions_approved BEFORE INSERT ON outgoing_transactions
    FOR EACH ROW EXECUTE FUNCTION guard_outgoing_transaction();

-- A fee bump keeps the nonce and the payment of what it replaces.
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
    END $$;
CREATE TRIGGER outgoing_transactions_bump_keeps BEFORE INSERT ON outgoing_transactions
    FOR EACH ROW EXECUTE FUNCTION bump_keeps_nonce_and_payout();

-- What was signed never changes.
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
    END $$;
CREATE TRIGGER outgoing_transactions_stay BEFORE UPDATE ON outgoing_transactions
    FOR EACH ROW EXECUTE FUNCTION signed_stays_signed();

-- A transfer to the hot wallet that is not one of our own: an operator's top-up, the treasury's once final.
CREATE TABLE hot_wallet_receipts ( -- HotWalletReceipt
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    txid varchar(80) NOT NULL,
    log_index integer NOT NULL,
    asset varchar(20) NOT NULL,
    from_address varchar(100) NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    block_height bigint NOT NULL,
    block_hash varchar(80) NOT NULL,
    seen_at timestamptz NOT NULL,
    status varchar(10) NOT NULL,
    settled_at timestamptz,
    CONSTRAINT hot_wallet_receipts_status_known CHECK ("status" IN ('seen', 'orphaned', 'booked', 'reversed')),
    CONSTRAINT hot_wallet_receipts_positive CHECK (amount_raw > 0)
);
ALTER TABLE hot_wallet_receipts ADD CONSTRAINT hot_wallet_receipts_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;
CREATE UNIQUE INDEX hot_wallet_receipts_once ON hot_wallet_receipts (network, txid, log_index)
    WHERE status <> 'reversed';
CREATE INDEX hot_wallet_receipts_by_height ON hot_wallet_receipts (network, block_height)
    WHERE status IN ('seen', 'booked');

-- What the hot wallet held of an asset when the signer last looked (signer/wallet_snapshot.py).
CREATE TABLE hot_wallet_looks ( -- HotWalletLook
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    held_raw numeric(78,0) NOT NULL,
    free_raw numeric(78,0) NOT NULL,
    gas_left_raw numeric(78,0),
    looked_at timestamptz NOT NULL,
    CONSTRAINT hot_wallet_looks_once UNIQUE (network, asset)
);

-- A deposit address that may hold enough of an asset to be swept. Gone once it was looked at and doesn't.
CREATE TABLE sweep_candidates ( -- SweepCandidate
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    deposit_address bigint NOT NULL REFERENCES deposit_addresses (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    noticed_at timestamptz NOT NULL,
    CONSTRAINT sweep_candidates_once UNIQUE (deposit_address, asset)
);

-- Deposits that were settled before this moment have been noticed as candidates.
CREATE TABLE sweep_marks ( -- SweepMark
    network varchar(40) PRIMARY KEY,
    settled_through timestamptz NOT NULL
);


-- -------- Payouts ---------------------------------------------------------------------------------------------------

-- A merchant's own payout. `id` is its withdrawal's.
CREATE TABLE payouts ( -- Payout
    id varchar(20) PRIMARY KEY,
    description varchar(500),
    metadata text NOT NULL
);


-- -------- Refunds ---------------------------------------------------------------------------------------------------

-- Money sent back for an invoice. `id` is its withdrawal's.
CREATE TABLE refunds ( -- Refund
    id varchar(20) PRIMARY KEY,
    invoice varchar(20) REFERENCES invoices (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    deposit varchar(20) REFERENCES deposits (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    reason varchar(500),
    customer_visible_reason varchar(500),
    CONSTRAINT refunds_of_something CHECK (invoice IS NOT NULL OR deposit IS NOT NULL)
);
CREATE INDEX refunds_by_invoice ON refunds (invoice);
CREATE INDEX refunds_by_deposit ON refunds (deposit) WHERE deposit IS NOT NULL;


-- -------- Reconciliation --------------------------------------------------------------------------------------------

-- One run. `blocks` (JSON) names height and hash for each network; `figures` (JSON) what each check counted.
CREATE TABLE reconciliation_runs ( -- ReconciliationRun
    id bigserial PRIMARY KEY,
    cause varchar(20) NOT NULL,
    "full" boolean NOT NULL,
    status varchar(10) NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    blocks text NOT NULL,
    figures text NOT NULL,
    requested_by varchar(64),
    progress varchar(100),
    CONSTRAINT reconciliation_runs_status_known CHECK
        ("status" IN ('requested', 'running', 'clean', 'drift', 'incomplete', 'failed'))
);
CREATE INDEX reconciliation_runs_finished ON reconciliation_runs (finished_at) WHERE finished_at IS NOT NULL;
-- Two operators who request a run at once request one.
CREATE UNIQUE INDEX reconciliation_runs_requested_once ON reconciliation_runs (status) WHERE status = 'requested';

-- One thing that does not hold, or could not be checked (`is_drift` false). `figures` is JSON.
CREATE TABLE reconciliation_findings ( -- ReconciliationFinding
    id bigserial PRIMARY KEY,
    run bigint NOT NULL REFERENCES reconciliation_runs (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    check_name varchar(40) NOT NULL,
    is_drift boolean NOT NULL,
    subject varchar(200) NOT NULL,
    message text NOT NULL,
    figures text NOT NULL
);
CREATE INDEX reconciliation_findings_by_run ON reconciliation_findings (run);
