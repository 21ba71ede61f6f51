"""The signer, a separate process and trust domain: all code that handles a private key or a signed transaction."""
