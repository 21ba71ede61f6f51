"""The operator desk: pages below `/desk`, for operators with TOTP alone (contract, section 8)."""
