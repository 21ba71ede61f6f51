"""The documentation at `/docs`: the Markdown of `docs/` as pages, and a search over them. Anybody may read it."""
