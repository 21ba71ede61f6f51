-- Accountants and support, beside the roles that there were; and one email before an invitation ends.
ALTER TABLE memberships
    DROP CONSTRAINT role_known,
    ADD CONSTRAINT memberships_role_known CHECK
        ("role" IN ('owner', 'admin', 'developer', 'accountant', 'support', 'viewer'));

-- The reminder has a token of its own: of the first one only the hash is kept, and its link stays good.
ALTER TABLE merchant_invitations
    ADD COLUMN reminded_at timestamptz,
    ADD COLUMN reminder_hash bytea,
    DROP CONSTRAINT merchant_invitations_role_known,
    ADD CONSTRAINT merchant_invitations_role_offered CHECK
        ("role" IN ('owner', 'admin', 'developer', 'accountant', 'support', 'viewer')),
    ADD CONSTRAINT merchant_invitations_reminder_once UNIQUE (reminder_hash),
    ADD CONSTRAINT merchant_invitations_reminder_whole CHECK ((reminded_at IS NULL) = (reminder_hash IS NULL));

-- The worker looks every hour for invitations that end soon.
CREATE INDEX merchant_invitations_to_remind ON merchant_invitations (expires_at)
    WHERE accepted_at IS NULL AND withdrawn_at IS NULL AND reminded_at IS NULL;
