-- Two more roles of members: accountant and support.

ALTER TABLE memberships
    DROP CONSTRAINT role_known,
    ADD CONSTRAINT memberships_roles_known CHECK
        ("role" IN ('owner', 'admin', 'developer', 'accountant', 'support', 'viewer'));
ALTER TABLE merchant_invitations
    DROP CONSTRAINT merchant_invitations_role_known,
    ADD CONSTRAINT merchant_invitations_roles_known CHECK
        ("role" IN ('owner', 'admin', 'developer', 'accountant', 'support', 'viewer'));
