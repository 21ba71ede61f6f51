"""The published checkpoints are compared with what the API shows a merchant, so its fixtures are needed here."""

from tests.api.conftest import client, integrator, new_integrator

__all__ = ["client", "integrator", "new_integrator"]
