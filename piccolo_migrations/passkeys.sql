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

-- What the operator's passkey has signed: WebAuthn's answer as JSON, over the digest. Null: approved by a code.
ALTER TABLE approvals ADD COLUMN assertion text;
