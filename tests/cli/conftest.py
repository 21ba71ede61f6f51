"""The commands for developers use the app of the API's tests."""

from tests.api.conftest import client, new_key, server

__all__ = ["client", "new_key", "server"]
