"""The `signer` queue: a signer for each network that has a hot wallet. The only process with the private keys."""

import asyncio
from collections.abc import Sequence

from app.core import clock
from app.signer import approvers_repository
from app.signer.crash_points import CrashPoints
from app.signer.settings import load_keys, load_safeguards
from app.signer.start import signers_of
from app.wiring import Services
from workers.jobs import Loop, Queue


def _loops(services: Services) -> Sequence[Loop]:
    """Raises SignerSettingsError."""
    is_production = services.settings.is_production
    keys, crash = load_keys(is_production=is_production), CrashPoints(is_production=is_production)
    safeguards = load_safeguards()
    signers = signers_of(services.networks, services.withdrawals, keys, crash, safeguards)

    async def report(stop: asyncio.Event) -> None:
        await approvers_repository.report(safeguards.approvers.approvers if safeguards else (), clock.now())
        await stop.wait()

    return [report, *(signer.run for signer in signers)]


QUEUE = Queue(name="signer", loops=_loops)
