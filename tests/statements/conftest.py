"""The merchant API's fixtures, for what it says of statements."""

from tests.api.conftest import client, integrator, new_integrator

__all__ = ["client", "integrator", "new_integrator"]
