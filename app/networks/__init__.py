"""What the gateway asks of a chain (`port`), which chains there are (`config`, `registry`), and one adapter
per kind of chain. The adapters keep nothing: what they read is stored by whoever asked. `tables` has the assets
alone, which the books refer to."""
