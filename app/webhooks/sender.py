"""Who sends a webhook: the gateway's own client, or a developer's command on a machine of theirs."""

from collections.abc import Mapping
from typing import Protocol

from app.core.outbound.outcome import Outcome


class Sender(Protocol):
    """An HTTP client for attempts, such as `core.outbound.OutboundClient`."""

    async def post(self, target_url: str, *, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send one request and return its outcome, which may be an error. Does not raise."""
