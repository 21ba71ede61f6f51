"""API keys for tests."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.api_keys import service
from app.api_keys.secrets import Mode
from app.core import clock
from app.core.settings import Peppers
from tests.factories.merchants import merchant


class IssuedKey(NamedTuple):
    """A key and its full text, which only its holder has."""

    id: str
    merchant_id: str
    full: str

    @property
    def bearer(self) -> dict[str, str]:
        """The header that presents it."""
        return bearer(self.full)

    def guess(self, number: int) -> str:
        """A wrong secret for this key."""
        return f"{self.full[:-12]}{number:012d}"


async def api_key(
    peppers: Peppers,
    *,
    scopes: Sequence[str] = ("invoices.read",),
    allowlist: Sequence[str] = (),
    rate_limit_per_minute: int = 1_000_000,
    mode: Mode = "test",
    merchant_id: str | None = None,
    expires_at: datetime | None = None,
    seen_by: str | None = None,
) -> IssuedKey:
    """A key, of a new approved merchant unless one is given; `seen_by` is the account that made it, if one did."""
    owner = merchant_id or await merchant(name="Bakery")
    key, full = await service.issue(
        peppers,
        merchant_id=owner,
        mode=mode,
        name="integration",
        scopes=scopes,
        allowlist=allowlist,
        rate_limit_per_minute=rate_limit_per_minute,
        expires_at=expires_at,
        seen_by=seen_by,
        now=clock.now(),
    )
    return IssuedKey(key.id, owner, full)


def bearer(full: str) -> dict[str, str]:
    """The header that presents a key."""
    return {"Authorization": f"Bearer {full}"}
