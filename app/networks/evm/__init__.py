"""The adapter for Ethereum and every chain that speaks its JSON-RPC."""
