"""The hot wallet's balances as the signer read them, stored for the operators' pages: those never call a node."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from app.signer import treasury_repository

RECORD_EVERY = timedelta(seconds=15)
"""Balances that have not changed are written this often, so that their age shows whether the signer runs."""


async def record(
    network: str,
    held_raw: Mapping[str, int],
    free_raw: Mapping[str, int],
    gas_left_raw: Mapping[str, int],
    now: datetime,
) -> None:
    """Record balances by asset; `gas_left_raw` has the native coin alone. One statement a round."""
    await treasury_repository.record_snapshot(network, held_raw, free_raw, gas_left_raw, now, now - RECORD_EVERY)
