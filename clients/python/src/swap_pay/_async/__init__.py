"""The operations of the API. `_sync` is made of `_async` by `make clients`: change the latter."""
