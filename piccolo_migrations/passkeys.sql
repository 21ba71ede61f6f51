-- Passkeys, and approvals that carry what a passkey has signed (contract, section 13).

CREATE TABLE passkeys ( -- Passkey
    id bigserial PRIMARY KEY,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    credential_id bytea NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    is_synced boolean NOT NULL,
    name varchar(60) NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    CONSTRAINT passkeys_credential_once UNIQUE (credential_id),
    CONSTRAINT passkeys_name_once UNIQUE (account, name),
    CONSTRAINT passkeys_count_sane CHECK (sign_count >= 0)
);

-- Challenges that were answered: each is good for one answer. Rows go when the challenge has expired.
CREATE TABLE answered_challenges ( -- AnsweredChallenge
    challenge_hash bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX answered_challenges_by_end ON answered_challenges (expires_at);

-- What operators' passkeys have signed: WebAuthn's answer as JSON, whose challenge is the digest. Beside the approval, so
-- that one that was given by a code can be signed later.
CREATE TABLE approval_signatures ( -- ApprovalSignature
    id bigserial PRIMARY KEY,
    withdrawal varchar(20) NOT NULL REFERENCES withdrawals (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    account varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    digest bytea NOT NULL,
    passkey_name varchar(60) NOT NULL,
    answer text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT approval_signatures_once UNIQUE (withdrawal, account)
);
CREATE TRIGGER approval_signatures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approval_signatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Whose passkeys the signer's own file names, as it said at its start: for people, who compare it. What counts is the file.
CREATE TABLE signer_approvers ( -- SignerApprover
    id bigserial PRIMARY KEY,
    name varchar(100) NOT NULL,
    fingerprint varchar(80) NOT NULL,
    read_at timestamptz NOT NULL
);
