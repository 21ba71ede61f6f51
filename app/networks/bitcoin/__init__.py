"""The adapter for Bitcoin, which reads Bitcoin Core's JSON-RPC. It receives; it does not send yet."""
