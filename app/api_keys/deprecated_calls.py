"""Who calls what of the API will end: the people of the merchant are told by email, at most once in 30 days.

It is noted beside the request, which never waits for it and never fails because of it.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from app.api_keys import deprecated_calls_repository as repository
from app.api_keys.secrets import Mode
from app.core import database
from app.core.logging import get_logger
from app.core.waiting import run_beside
from app.merchants import notices

log = get_logger(__name__)

TOLD_EVERY = timedelta(days=30)

ASKED_EVERY = timedelta(hours=1)
"""How often a process asks the database whether a merchant was told."""

MAX_REMEMBERED = 10_000
"""Merchants and names of which a process knows when it asked last."""


class DeprecatedCalls:
    """What one process has noted. `close()` it before the database pool closes."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], datetime] = {}
        self._recording: set[asyncio.Task[None]] = set()

    def note(
        self, *, merchant_id: str, mode: Mode, key_id: str, name: str, facts: Mapping[str, str], now: datetime
    ) -> None:
        """Note that a key of a merchant has called what is deprecated under this name. `facts` are those of the notice
        `api.deprecated`."""
        place = (merchant_id, name)
        asked = self._asked.get(place)
        if asked is not None and now - asked < ASKED_EVERY:
            return
        if len(self._asked) >= MAX_REMEMBERED:
            self._asked.clear()
        self._asked[place] = now
        task = run_beside(self._record(merchant_id, mode, key_id, name, facts, now))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def close(self) -> None:
        """Wait until all that was noted is recorded."""
        await asyncio.gather(*self._recording, return_exceptions=True)

    async def _record(
        self, merchant_id: str, mode: Mode, key_id: str, name: str, facts: Mapping[str, str], now: datetime
    ) -> None:
        try:
            async with database.transaction():
                if await repository.is_to_be_told(merchant_id, name, now, every=TOLD_EVERY):
                    await notices.record(
                        "api.deprecated",
                        merchant_id=merchant_id,
                        mode=mode,
                        subject=key_id,
                        actor=f"api_key:{key_id}",
                        facts=facts,
                        now=now,
                    )
        except Exception:  # whatever it is: the request was answered already, and the next call tries again
            self._asked.pop((merchant_id, name), None)
            log.warning("deprecated_call_not_recorded", merchant=merchant_id, name=name, exc_info=True)
