"""The operator desk: pages below `/desk`, only for operators with TOTP (contract, section 8)."""
