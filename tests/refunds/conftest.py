"""The whole app over a chain, for the journeys of return addresses."""

from tests.operator.conftest import chain_settings, served

__all__ = ["chain_settings", "served"]
