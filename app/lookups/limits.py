"""How often one address may ask where a transaction is: each question is some requests to a node."""

from collections.abc import MutableMapping
from typing import Any

from app.core.errors import Code
from app.web.client_address import site
from app.web.rate_limits import RateLimiter, Window, refuse_exceeded

LOOKUPS_PER_MINUTE = 60
"""Per address, of API, checkout, cabinet and desk together (contract, section 12)."""


async def count(rate_limiter: RateLimiter, state: MutableMapping[str, Any]) -> Window:
    """Count a question of the request whose scope has this state. Raises IP_RATE_LIMITED."""
    window = await rate_limiter.take(f"lookup:{site(state['client_address'])}", LOOKUPS_PER_MINUTE)
    if window.is_exceeded:
        state["rate_limit"] = window
    refuse_exceeded(window, Code.IP_RATE_LIMITED, "your address")
    return window
