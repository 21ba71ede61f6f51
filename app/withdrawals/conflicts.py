"""Who may not approve a withdrawal: whoever asked for it, and whoever belongs to its merchant (contract, section 4).

Who asked is the person behind the key: each account that was shown a secret of it (api_keys/service.py). The rule is
a function in Postgres, so that the guard of approvals, the desk and the signer all go by the same one.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from app.core import database

Conflict = Literal["asked", "holds_key", "member"]
"""`member`: they belong to the merchant now, or did at some time since the withdrawal was asked for."""

REASONS: Mapping[Conflict, str] = MappingProxyType(
    {
        "asked": "you have asked for it yourself: another operator must decide",
        "holds_key": "it was asked for with an API key whose secret you have seen: another operator must decide",
        "member": "you belong to the merchant, or did when it was asked for: another operator must decide",
    }
)
"""Each conflict in words for the operator who has it."""


async def conflict_of(withdrawal_id: str, account_id: str) -> Conflict | None:
    """What keeps an account from approving a withdrawal; None where nothing does."""
    found: Conflict | None = await database.fetch_value(
        "SELECT withdrawal_conflict(w, $2) FROM withdrawals w WHERE w.id = $1", withdrawal_id, account_id
    )
    return found
