"""The `signer` queue: a signer for each network that has a hot wallet. The only process with the private keys."""

from collections.abc import Sequence

from app.signer.crash_points import CrashPoints
from app.signer.settings import load_keys, load_safeguards
from app.wiring import Services
from workers.jobs import Loop, Queue


def _loops(services: Services) -> Sequence[Loop]:
    """Raises SignerSettingsError."""
    is_production = services.settings.is_production
    keys, crash = load_keys(is_production=is_production), CrashPoints(is_production=is_production)
    return [signer.run for signer in services.signers(keys, crash, load_safeguards())]


QUEUE = Queue(name="signer", loops=_loops)
