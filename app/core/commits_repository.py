"""The statement that says how safe the current transaction's commit must be."""

WITHOUT_STANDBY = "SET LOCAL synchronous_commit = local"
"""It does not wait for a standby. `local`, not `off`: a single host keeps such commits as safe as all others."""
