"""The `signer` queue: a signer for each network that has a hot wallet. The only process with the private keys."""

from collections.abc import Sequence

from app.signer.crash_points import CrashPoints
from app.signer.settings import load_keys
from app.wiring import Services
from workers.jobs import Loop, Queue


def _loops(services: Services) -> Sequence[Loop]:
    """Raises SignerSettingsError."""
    is_production = services.settings.is_production
    keys = load_keys(is_production=is_production)
    return [signer.run for signer in services.signers(keys, CrashPoints(is_production=is_production))]


QUEUE = Queue(name="signer", loops=_loops)
