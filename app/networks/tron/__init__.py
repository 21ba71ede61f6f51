"""The adapter for Tron, which speaks java-tron's HTTP API."""
