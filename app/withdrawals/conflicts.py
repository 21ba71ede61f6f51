"""Who may not approve a withdrawal: its requester, and everybody who belongs to its merchant (contract, section 4).

The requester by an API key is each account that was shown a secret of the key (api_keys/service.py). The rule is a
function in Postgres, so that the guard of approvals, the desk and the signer all apply the same one.
"""

from collections.abc import Mapping
from types import MappingProxyType

from app.withdrawals.repository import Conflict, conflict_of

__all__ = ["REASONS", "Conflict", "conflict_of"]

REASONS: Mapping[Conflict, str] = MappingProxyType(
    {
        "asked": "you have requested it yourself: another operator must decide",
        "holds_key": "it was requested with an API key whose secret you have seen: another operator must decide",
        "member": "you belong to the merchant, or did when it was requested: another operator must decide",
    }
)
"""The text of each conflict, for the operator who has it."""
