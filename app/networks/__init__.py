"""The interface to a chain (`port`), the configured networks (`config`, `registry`), and one adapter per kind of
chain. The adapters store nothing: their callers store what they read. `tables` has only the assets, which the
ledgers refer to."""
