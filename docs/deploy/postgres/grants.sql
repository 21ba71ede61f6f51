-- What the role of all processes may do; run by the owner after each migration (docs/operations.md).
-- An owner could disable the ledgers' triggers, so no process is one.
GRANT USAGE ON SCHEMA public TO swap_pay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO swap_pay_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO swap_pay_app;
REVOKE UPDATE, DELETE ON ledger_entries, audit_entries, ledger_checkpoints, ledger_checkpoint_leaves,
    checkpoint_keys, api_key_holders, former_members, case_notes FROM swap_pay_app;
