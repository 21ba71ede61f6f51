"""What the gateway asks of a chain (`port`), which chains there are (`config`, `registry`), and one adapter
per kind of chain. The adapters store nothing: their callers store what they read. `tables` has the assets
alone, which the books refer to."""
