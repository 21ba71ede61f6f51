"""What of an environment is the signer's alone. Any other process that has one of its settings does not start; this
file is all that they import of the signer's keys."""

import os
from collections.abc import Iterable, Mapping

from app.core.deployment import DeploymentError

PREFIX = "SIGNER_"


class SignerSettingsError(DeploymentError):
    """The signer can't start; the message has a line for each fault and no secret in it."""

    def __init__(self, faults: Iterable[str]) -> None:
        super().__init__("\n".join(["The signer can't start:", *(f"  - {fault}" for fault in faults)]))


def refuse_secrets(env: Mapping[str, str] = os.environ) -> None:
    """Raise SignerSettingsError in a process that is not the signer and has a setting of the signer's."""
    found = sorted(name for name in env if name.startswith(PREFIX) and env[name])
    if found:
        raise SignerSettingsError([f"{name} is set: it belongs in the signer's environment alone" for name in found])
