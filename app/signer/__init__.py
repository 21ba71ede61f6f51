"""A process and a trust domain of its own: everything that touches a key or a signed transaction."""
