"""The embedded stack and the demo data: for trying, developing and testing, never for production."""
